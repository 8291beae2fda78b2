package jsonread_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/jsonread"
)

type secretBase struct {
	X int `json:"x"`
}

// plain decodes itself, as many types do, through a type without methods.
type plain struct {
	K    int
	Tags []string
}

func (p *plain) UnmarshalJSON(b []byte) error {
	type bare plain
	return json.Unmarshal(b, (*bare)(p))
}

type fussy struct{}

func (*fussy) UnmarshalJSON([]byte) error { return errors.New("main.fussy is never content") }

// untyped complains of a type that it does not name.
type untyped struct{}

func (*untyped) UnmarshalJSON([]byte) error { return &json.UnmarshalTypeError{Value: "string"} }

type day struct{ time.Time }

func (d *day) UnmarshalJSON(b []byte) (err error) {
	d.Time, err = time.Parse(`"2006-01-02"`, string(b))
	return err
}

type target struct {
	secretBase
	A     int
	Name  string `json:"name"`
	Big   int64
	Small uint8
	F     float64
	OK    bool
	At    time.Time
	Day   day
	IP    netip.Addr
	Raw   []byte
	Map   map[string]int
	ByID  map[int]string
	Users []struct{ Zip string }
	Grid  [][]int
	Plain plain
	Fussy fussy
	Odd   untyped
	Any   any
	Iface fmt.Stringer
	Num   json.Number
	Q     int `json:",string"`
	Dot   int `json:"a.b"`
}

// refused are bodies with the message that each must get.
var refused = []struct{ name, body, want string }{
	{"empty", ``, `the request body is empty`},
	{"only space", " \r\n\t", `the request body is empty`},
	{"cut short in an object", `{"A":1`, `malformed JSON: the text ends too early, at offset 6`},
	{"cut short in a string", `{"A`, `malformed JSON: the text ends too early, at offset 3`},
	{"cut short in a word", `tru`, `malformed JSON: the text ends too early, at offset 3`},
	{"wrong character", `{"A":}`, `malformed JSON: unexpected character '}' at offset 5`},
	{"trailing comma", `[1,]`, `malformed JSON: unexpected character ']' at offset 3`},
	{"byte order mark", "\ufeff{}", `malformed JSON: unexpected character '\ufeff' at offset 0`},
	{"broken UTF-8", "{\xff}", `malformed JSON: unexpected byte 0xff at offset 1`},
	{"control character in a string", "\"a\nb\"", `malformed JSON: unexpected character '\n' at offset 2`},
	{"two values", `{"A":1} {"A":2}`, `trailing data after the JSON value, at offset 8`},
	{"garbage after the value", "{}\nx", `trailing data after the JSON value, at offset 3`},
	{"closing bracket too many", `{}}`, `trailing data after the JSON value, at offset 2`},
	{"deep nesting", strings.Repeat("[", 100_000), `the JSON value is nested too deeply, at offset 10000`},
	{"deep nesting after a string", `["\"[",` + strings.Repeat(`{"[":`, 100_000),
		`the JSON value is nested too deeply, at offset 50002`},

	{"string for an integer", `{"A":"x"}`, `field "A" must be an integer, not a string (at offset 5)`},
	{"space around the value", "{ \"A\" :\n \"x\" }", `field "A" must be an integer, not a string (at offset 9)`},
	{"key in other letters", `{"a":"x"}`, `field "a" must be an integer, not a string (at offset 5)`},
	{"first of two mistakes", `{"A":"x","name":5}`, `field "A" must be an integer, not a string (at offset 5)`},
	{"number for a string", `{"name":5}`, `field "name" must be a string, not a number (at offset 8)`},
	{"boolean for a string", `{"name":true}`, `field "name" must be a string, not a boolean (at offset 8)`},
	{"object for a string", `{"name":{}}`, `field "name" must be a string, not an object (at offset 8)`},
	{"fraction", `{"A":1.5}`, `field "A" must be an integer, not 1.5 (at offset 5)`},
	{"too large for 8 bits", `{"Small":300}`, `field "Small" must be an integer from 0 to 255, not 300 (at offset 9)`},
	{"negative", `{"Small":-1}`, `field "Small" must be an integer from 0 to 255, not -1 (at offset 9)`},
	{"too large for 64 bits", `{"Big":99999999999999999999}`,
		`field "Big" must be an integer from -9223372036854775808 to 9223372036854775807, not 99999999999999999999 (at offset 7)`},
	{"very long number", `{"Big":` + strings.Repeat("9", 500) + `}`,
		`field "Big" must be an integer from -9223372036854775808 to 9223372036854775807, not ` + strings.Repeat("9", 40) + `... (at offset 7)`},
	{"too large for a float", `{"F":1e999}`, `field "F" must be a smaller number, not 1e999 (at offset 5)`},
	{"too large in an interface", `{"Any":[1e999,1]}`, `field "Any[0]" must be a smaller number, not 1e999 (at offset 8)`},
	{"string for a boolean", `{"OK":"yes"}`, `field "OK" must be a boolean, not a string (at offset 6)`},
	{"number for a text type", `{"IP":5}`, `field "IP" must be a string, not a number (at offset 6)`},
	{"number for bytes", `{"Raw":5}`, `field "Raw" must be a string, not a number (at offset 7)`},
	{"in a map", `{"Map":{"k":"v"}}`, `field "Map.k" must be an integer, not a string (at offset 12)`},
	{"key of a map", `{"ByID":{"1":"a","k":"v"}}`, `key "ByID.k" must be an integer, not "k" (at offset 17)`},
	{"in an array of objects", `{"Users":[{"Zip":"a"},{"Zip":[1,2]}]}`,
		`field "Users[1].Zip" must be a string, not an array (at offset 29)`},
	{"in nested arrays", `{"Grid":[[],[1],[1,2,"x"]]}`, `field "Grid[2][2]" must be an integer, not a string (at offset 21)`},
	{"object for an array", `{"Users":{}}`, `field "Users" must be an array, not an object (at offset 9)`},
	{"in an embedded struct", `{"x":"s"}`, `field "x" must be an integer, not a string (at offset 5)`},
	{"a dot in the name", `{"a.b":"s"}`, `field "a.b" must be an integer, not a string (at offset 7)`},
	{"in a type that decodes itself", `{"Plain":{"K":"x"}}`, `field "K" must be an integer, not a string`},
	{"another value of that sort at that offset", `{"name":"ab","Plain":{"Tags":"wx"}}`,
		`field "Tags" must be an array, not a string`},
	{"another value of that name at that offset", `{"K":123,"Plain":{"K":"x"}}`, `field "K" must be an integer, not a string`},
	{"a type that decodes itself", `{"Plain":5}`, `field "Plain" must be an object, not a number`},
	{"interface with methods", `{"Iface":"x"}`, `field "Iface" must be null, not a string (at offset 9)`},
	{"whole body, array", `[1]`, `the JSON body must be an object, not an array (at offset 0)`},
	{"whole body, string", ` "x"`, `the JSON body must be an object, not a string (at offset 1)`},
	{"bad time", `{"At":"noon"}`, `"noon" in the JSON body is not a time such as 2006-01-02T15:04:05Z`},
	{"bad time of another form", `{"Day":"noon"}`, `the JSON body has a value that is not valid`},
	{"number for a time", `{"At":5}`, `the JSON body has a value that is not valid`},
	{"error of the type's own", `{"Fussy":5}`, `the JSON body has a value that is not valid`},
	{"type error without a type", `{"Odd":"x"}`, `field "Odd" must be a different value, not a string`},
	{"bad base64", `{"Raw":"%"}`, `the JSON body has a value that is not valid`},
	{"bad address", `{"IP":"zz"}`, `the JSON body has a value that is not valid`},
	{"bad number in a string", `{"Q":"x"}`, `the JSON body has a value that is not valid`},
	{"bad json.Number", `{"Num":"x"}`, `the JSON body has a value that is not valid`},
	{"boolean for json.Number", `{"Num":true}`, `field "Num" must be a number, not a boolean (at offset 7)`},
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := jsonread.Decode([]byte(tt.body), new(target))
			var refusal *jsonread.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("Decode(%.60q) = %v, want an *Error", tt.body, err)
			}
			if refusal.Message != tt.want {
				t.Errorf("Decode(%.60q)\n says %q\n want %q", tt.body, refusal.Message, tt.want)
			}
			if refusal.Cause == nil || refusal.Error() != "http: "+tt.want {
				t.Errorf("cause %v, text %q", refusal.Cause, refusal.Error())
			}
		})
	}
}

func TestDecodeAcceptsWhatUnmarshalDoes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`null`, `{}`, " {\"A\":1}\n\n", `{"A":1,"A":2}`, `{"unknown":[{}]}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}",
		`{"Any":` + strings.Repeat("[", 9990) + strings.Repeat("]", 9990) + `}`,
	} {
		var got, want target
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		if err := jsonread.Decode([]byte(body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%.40q) = %v, %+v; want %+v", body, err, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range refused {
		if len(tt.body) < 1000 {
			f.Add([]byte(tt.body))
		}
	}
	f.Add([]byte(`{"A":1,"name":"x","Users":[{"Zip":"1"}],"Any":{"a":[1,true,null]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want target
		wantErr := json.Unmarshal(body, &want)
		err := jsonread.Decode(body, &got)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Decode(%q) = %v, Unmarshal says %v", body, err, wantErr)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%q) stored %+v, Unmarshal %+v", body, got, want)
		}
		if err == nil {
			return
		}
		message := strings.ToValidUTF8(err.Error(), "?")
		for _, secret := range []string{"secretBase", "jsonread", "fussy", "netip", "Go value", "uint8", "json:"} {
			if strings.Contains(message, secret) && !strings.Contains(string(body), secret) {
				t.Errorf("Decode(%q) gives away %q: %s", body, secret, message)
			}
		}
		if len(message) > 600 {
			t.Errorf("a message of %d bytes", len(message))
		}
	})
}
