package jsonbody_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
)

type secretBase struct {
	X int `json:"x"`
}

// plain decodes itself through a type without methods, as many types do.
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

// untyped returns a type error without a type.
type untyped struct{}

func (*untyped) UnmarshalJSON([]byte) error { return &json.UnmarshalTypeError{Value: "string"} }

type day struct{ time.Time }

func (d *day) UnmarshalJSON(b []byte) (err error) {
	d.Time, err = time.Parse(`"2006-01-02"`, string(b))
	return err
}

// wired decodes itself through a type that is not reachable from wired.
type wired struct{}

func (*wired) UnmarshalJSON(b []byte) error {
	type secretWire struct {
		Z int `json:"z"`
	}
	return json.Unmarshal(b, &struct{ secretWire }{})
}

// packed is JSON in a JSON string.
type packed struct{}

func (*packed) UnmarshalJSON(b []byte) error {
	var inner string
	if err := json.Unmarshal(b, &inner); err != nil {
		return err
	}
	return json.Unmarshal([]byte(inner), new(any))
}

type secretLevel string

func (*secretLevel) UnmarshalText([]byte) error { return errors.New("secretLevel is unknown") }

type secretInner struct {
	Deep *struct {
		Z int `json:"z"`
	} `json:"deep"`
}

type target struct {
	secretBase
	*SecretPointer
	SecretID
	A        int
	Name     string `json:"name"`
	Big      int64
	Small    uint8
	F        float64
	F32      float32
	OK       bool
	At       time.Time
	Day      day
	IP       netip.Addr
	Raw      []byte
	Map      map[string]int
	ByID     map[int]string
	Users    []struct{ Zip string }
	Pointers []*struct{ Zip *string }
	Nested   map[string]struct{ V secretBase }
	Grid     [][]int
	Pair     [2]int
	Plain    plain
	Fussy    fussy
	Odd      untyped
	Wired    wired
	Packed   packed
	Level    secretLevel
	Any      any
	Iface    fmt.Stringer
	Num      json.Number
	Q        int    `json:",string"`
	QB       bool   `json:",string"`
	QS       string `json:",string"`
	P        **int
	Wait     time.Duration
	Dot      int         `json:"a.b"`
	Slash    int         `json:"a/b"`
	Tilde    int         `json:"a~b"`
	Inner    secretInner `json:"inner"`
}

type SecretPointer struct {
	Y int `json:"y"`
	secretBase2
}

type secretBase2 struct{ Z2 int }

// SecretID is not a struct, so its name is also a name in JSON.
type SecretID int

const invalid = `the JSON body has a value that is not valid`

// rejected lists invalid bodies with the messages that they may get. If there
// are two, the first is for Go 1.26 and the second for Go 1.27, where
// encoding/json has more details about some errors and fewer about others.
var rejected = []struct {
	name, body string
	want       []string
}{
	{"empty", ``, says(`the request body is empty`)},
	{"only space", " \r\n\t", says(`the request body is empty`)},
	{"cut short in an object", `{"A":1`, says(`malformed JSON: the text ends too early, at offset 6`)},
	{"cut short before a value", `{"A": `, says(`malformed JSON: the text ends too early, at offset 6`)},
	{"cut short after a comma", `[1,`, says(`malformed JSON: the text ends too early, at offset 3`)},
	{"cut short in a string", `{"A`, says(`malformed JSON: the text ends too early, at offset 3`)},
	{"cut short in a character", "\"\xc3", says(`malformed JSON: the text ends too early, at offset 2`)},
	{"cut short in an escape", `"\`, says(`malformed JSON: the text ends too early, at offset 2`)},
	{"cut short in a long escape", `"\u12`, says(`malformed JSON: the text ends too early, at offset 5`)},
	{"cut short in a word", `tru`, says(`malformed JSON: the text ends too early, at offset 3`)},
	{"cut short after a sign", `-`, says(`malformed JSON: the text ends too early, at offset 1`)},
	{"cut short in a fraction", `[1.`, says(`malformed JSON: the text ends too early, at offset 3`)},
	{"cut short in an exponent", `1e+`, says(`malformed JSON: the text ends too early, at offset 3`)},
	{"wrong character", `{"A":}`, says(`malformed JSON: unexpected character '}' at offset 5`)},
	{"wrong last character", `{"A":1]`, says(`malformed JSON: unexpected character ']' at offset 6`)},
	{"trailing comma", `[1,]`, says(`malformed JSON: unexpected character ']' at offset 3`)},
	{"trailing comma in an object", `{"A":1,}`, says(`malformed JSON: unexpected character '}' at offset 7`)},
	{"comma alone", `[,1]`, says(`malformed JSON: unexpected character ',' at offset 1`)},
	{"comma forgotten", `{"A":1 "B":2}`, says(`malformed JSON: unexpected character '"' at offset 7`)},
	{"colon forgotten", `{"A" 1}`, says(`malformed JSON: unexpected character '1' at offset 5`)},
	{"name without quotes", `{A:1}`, says(`malformed JSON: unexpected character 'A' at offset 1`)},
	{"single quotes", `{'A':1}`, says(`malformed JSON: unexpected character '\'' at offset 1`)},
	{"byte order mark", "\ufeff{}", says(`malformed JSON: unexpected character '\ufeff' at offset 0`)},
	{"long character", `{"A":é}`, says(`malformed JSON: unexpected character 'é' at offset 5`)},
	{"broken UTF-8", "{\xff}", says(`malformed JSON: unexpected byte 0xff at offset 1`)},
	{"control character in a string", "\"a\nb\"", says(`malformed JSON: unexpected character '\n' at offset 2`)},
	{"unknown escape", `"\x"`, says(`malformed JSON: unexpected character 'x' at offset 2`)},
	{"bad long escape", `"\u12g4"`, says(`malformed JSON: unexpected character 'g' at offset 5`)},
	{"bad word", `[trve]`, says(`malformed JSON: unexpected character 'v' at offset 3`)},
	{"plus sign", `+1`, says(`malformed JSON: unexpected character '+' at offset 0`)},
	{"no digit before the point", `[.5]`, says(`malformed JSON: unexpected character '.' at offset 1`)},
	{"no digit after the point", `[1.]`, says(`malformed JSON: unexpected character ']' at offset 3`)},
	{"no digit in the exponent", `[1ex]`, says(`malformed JSON: unexpected character 'x' at offset 3`)},
	{"leading zero", `[01]`, says(`malformed JSON: unexpected character '1' at offset 2`)},
	{"not a number", `NaN`, says(`malformed JSON: unexpected character 'N' at offset 0`)},
	{"NUL", "\x00", says(`malformed JSON: unexpected character '\x00' at offset 0`)},
	{"malformed behind a wrong type", `{"A":"x","name":}`, says(`malformed JSON: unexpected character '}' at offset 16`)},
	{"malformed behind an error of the type's own", `{"Fussy":1,}`, says(`malformed JSON: unexpected character '}' at offset 11`)},
	{"two values", `{"A":1} {"A":2}`, says(`trailing data after the JSON value, at offset 8`)},
	{"garbage after the value", "{}\nx", says(`trailing data after the JSON value, at offset 3`)},
	{"NUL after the value", "{}\x00", says(`trailing data after the JSON value, at offset 2`)},
	{"closing bracket too many", `{}}`, says(`trailing data after the JSON value, at offset 2`)},
	{"number after a zero", `01`, says(`trailing data after the JSON value, at offset 1`)},
	{"trailing data behind a wrong type", `{"A":"x"} 1`, says(`trailing data after the JSON value, at offset 10`)},
	{"deep nesting", strings.Repeat("[", 100_000), says(`the JSON value is nested too deeply, at offset 10000`)},
	{"deep nesting that is closed", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		says(`the JSON value is nested too deeply, at offset 10000`)},
	{"deep nesting after a string", `["\"[",` + strings.Repeat(`{"[":`, 100_000),
		says(`the JSON value is nested too deeply, at offset 50002`)},
	{"bracket in the wrong place, deep", strings.Repeat("[", 9_999) + "{{",
		says(`malformed JSON: unexpected character '{' at offset 10000`)},

	{"string for an integer", `{"A":"x"}`, says(`field "A" has a string where an integer is expected`)},
	{"space around the value", "{ \"A\" :\n \"x\" }", says(`field "A" has a string where an integer is expected`)},
	{"key in other letters", `{"a":"x"}`, says(`field "A" has a string where an integer is expected`, `field "a" has a string where an integer is expected`)},
	{"first of two mistakes", `{"A":"x","name":5}`, says(`field "A" has a string where an integer is expected`)},
	{"second of two values", `{"A":1,"A":"x"}`, says(`field "A" has a string where an integer is expected`)},
	{"number for a string", `{"name":5}`, says(`field "name" has a number where a string is expected`)},
	{"boolean for a string", `{"name":true}`, says(`field "name" has a boolean where a string is expected`)},
	{"object for a string", `{"name":{}}`, says(`field "name" has an object where a string is expected`)},
	{"array for an integer", `{"A":[1]}`, says(`field "A" has an array where an integer is expected`)},
	{"fraction", `{"A":1.5}`, says(`field "A" has 1.5 where an integer is expected`)},
	{"exponent", `{"A":1e2}`, says(`field "A" has 1e2 where an integer is expected`)},
	{"too large for 8 bits", `{"Small":300}`, says(`field "Small" has 300 where an integer from 0 to 255 is expected`)},
	{"negative", `{"Small":-1}`, says(`field "Small" has -1 where an integer from 0 to 255 is expected`)},
	{"too large for 64 bits", `{"Big":99999999999999999999}`,
		says(`field "Big" has 99999999999999999999 where an integer from -9223372036854775808 to 9223372036854775807 is expected`)},
	{"very long number", `{"Big":` + strings.Repeat("9", 500) + `}`,
		says(`field "Big" has ` + strings.Repeat("9", 40) + `... where an integer from -9223372036854775808 to 9223372036854775807 is expected`)},
	{"too large for a float", `{"F":1e999}`, says(`field "F" has 1e999 where a smaller number is expected`)},
	{"too large for a short float", `{"F32":1e39}`, says(`field "F32" has 1e39 where a smaller number is expected`)},
	{"too large in an interface", `{"Any":[1e999,1]}`,
		says(`field "Any" has 1e999 where a smaller number is expected`, `field "Any[0]" has 1e999 where a smaller number is expected`)},
	{"string for a boolean", `{"OK":"yes"}`, says(`field "OK" has a string where a boolean is expected`)},
	{"string behind pointers", `{"P":"x"}`, says(`field "P" has a string where an integer is expected`)},
	{"string for a duration", `{"Wait":"5s"}`, says(`field "Wait" has a string where an integer is expected`)},
	{"number for a text type", `{"IP":5}`, says(`field "IP" has a number where a string is expected`)},
	{"number for another text type", `{"Level":5}`, says(`field "Level" has a number where a string is expected`)},
	{"number for bytes", `{"Raw":5}`, says(`field "Raw" has a number where a string is expected`)},
	{"in a map", `{"Map":{"k":"v"}}`,
		says(`field "Map" has a string where an integer is expected`, `field "Map.k" has a string where an integer is expected`)},
	{"in a map, below a name with a dot", `{"Map":{"a.b":"v"}}`,
		says(`field "Map" has a string where an integer is expected`, `field "Map.a.b" has a string where an integer is expected`)},
	{"in a map, below a name with a slash", `{"Map":{"a/b~1":"v"}}`,
		says(`field "Map" has a string where an integer is expected`, `field "Map.a/b~1" has a string where an integer is expected`)},
	{"in a map, below a long name", `{"Map":{"` + strings.Repeat("k", 300) + `":"v"}}`,
		says(`field "Map" has a string where an integer is expected`, `the JSON body has a string where an integer is expected`)},
	{"in a map, below many names", `{"Any":` + strings.Repeat(`{".":`, 300) + `1e999` + strings.Repeat("}", 301),
		says(`field "Any" has 1e999 where a smaller number is expected`, `the JSON body has 1e999 where a smaller number is expected`)},
	{"in a struct in a map", `{"Nested":{"k.l":{"V":{"x":"s"}}}}`,
		says(`field "Nested.V.x" has a string where an integer is expected`, `field "Nested.k.l.V.x" has a string where an integer is expected`)},
	{"key of a map", `{"ByID":{"1":"a","k":"v"}}`,
		says(`field "ByID" has "k" where an integer is expected`, `field "ByID.k" has "k" where an integer is expected`)},
	{"in an array of objects", `{"Users":[{"Zip":"a"},{"Zip":[1,2]}]}`,
		says(`field "Users.Zip" has an array where a string is expected`, `field "Users[1].Zip" has an array where a string is expected`)},
	{"behind pointers in an array", `{"Pointers":[{"Zip":"a"},{"Zip":1}]}`,
		says(`field "Pointers.Zip" has a number where a string is expected`, `field "Pointers[1].Zip" has a number where a string is expected`)},
	{"in nested arrays", `{"Grid":[[],[1],[1,2,"x"]]}`,
		says(`field "Grid" has a string where an integer is expected`, `field "Grid[2][2]" has a string where an integer is expected`)},
	{"in an array of fixed length", `{"Pair":[1,"x"]}`,
		says(`field "Pair" has a string where an integer is expected`, `field "Pair[1]" has a string where an integer is expected`)},
	{"object for an array", `{"Users":{}}`, says(`field "Users" has an object where an array is expected`)},
	{"array for a map", `{"Map":[]}`, says(`field "Map" has an array where an object is expected`)},
	{"in nested structs", `{"inner":{"deep":{"z":"s"}}}`, says(`field "inner.deep.z" has a string where an integer is expected`)},
	{"for a nested struct", `{"inner":{"deep":1}}`, says(`field "inner.deep" has a number where an object is expected`)},
	{"in an embedded struct", `{"x":"s"}`, says(`field "x" has a string where an integer is expected`)},
	{"in an embedded pointer", `{"y":"s"}`, says(`field "y" has a string where an integer is expected`)},
	{"twice embedded", `{"Z2":"s"}`, says(`field "Z2" has a string where an integer is expected`)},
	{"in an embedded integer", `{"SecretID":"s"}`, says(`field "SecretID" has a string where an integer is expected`)},
	{"a dot in the name", `{"a.b":"s"}`, says(`field "a.b" has a string where an integer is expected`)},
	{"a slash in the name", `{"a/b":"s"}`, says(`field "a/b" has a string where an integer is expected`)},
	{"a tilde in the name", `{"a~b":"s"}`, says(`field "a~b" has a string where an integer is expected`)},
	{"in a type that decodes itself", `{"Plain":{"K":"x"}}`,
		says(`field "Plain.K" has a string where an integer is expected`, `field "K" has a string where an integer is expected`)},
	{"another value of that sort at that offset", `{"name":"ab","Plain":{"Tags":"wx"}}`,
		says(`field "Plain.Tags" has a string where an array is expected`, `field "Tags" has a string where an array is expected`)},
	{"a type that decodes itself", `{"Plain":5}`,
		says(`field "Plain" has a number where an object is expected`, `the JSON body has a number where an object is expected`)},
	{"embedded in a type that decodes itself", `{"Wired":{"z":"s"}}`,
		says(`field "Wired.z" has a string where an integer is expected`, `field "z" has a string where an integer is expected`)},
	{"interface with methods", `{"Iface":"x"}`, says(`field "Iface" has a string where null is expected`)},
	{"whole body, array", `[1]`, says(`the JSON body has an array where an object is expected`)},
	{"whole body, string", ` "x"`, says(`the JSON body has a string where an object is expected`)},
	{"bad time", `{"At":"noon"}`, says(`field "At" has "noon" where a time such as 2006-01-02T15:04:05Z is expected`)},
	{"bad time of another form", `{"Day":"noon"}`, says(invalid)},
	{"number for a time", `{"At":5}`, says(`field "At" has a number that is not valid`, `field "At" has a number where a string is expected`)},
	{"error of the type's own", `{"Fussy":5}`, says(invalid)},
	{"error of the text type's own", `{"Level":"x"}`, says(`field "Level" has a string that is not valid`)},
	{"type error without a type", `{"Odd":"x"}`, says(`field "Odd" has a string that is not valid`, `the JSON body has a string that is not valid`)},
	{"malformed inside a string", `{"Packed":"{\"a\":"}`, says(invalid)},
	{"bad base64", `{"Raw":"%"}`, says(`field "Raw" has a string that is not valid`)},
	{"bad address", `{"IP":"zz"}`, says(`field "IP" has a string that is not valid`)},
	{"bad number in a string", `{"Q":"x"}`, says(invalid, `field "Q" has "x" where an integer is expected`)},
	{"fraction in a string", `{"Q":"5.5"}`, says(`field "Q" has 5.5 where an integer is expected`)},
	{"number that belongs in a string", `{"Q":5}`, says(invalid, `field "Q" has a number that is not valid`)},
	{"boolean for a number in a string", `{"Q":true}`, says(invalid, `field "Q" has a boolean where an integer is expected`)},
	{"bad boolean in a string", `{"QB":"yes"}`, says(invalid, `field "QB" has "yes" where a boolean is expected`)},
	{"boolean that belongs in a string", `{"QB":true}`, says(invalid, `field "QB" has a boolean that is not valid`)},
	{"string that belongs in a string", `{"QS":"x"}`, says(invalid, `field "QS" has a string that is not valid`)},
	{"bad json.Number", `{"Num":"x"}`, says(`field "Num" has a string that is not valid`, `the JSON body has "x" where a number is expected`)},
	{"boolean for json.Number", `{"Num":true}`,
		says(`field "Num" has a boolean where a number is expected`, `the JSON body has a boolean where a number is expected`)},
}

// says returns the list of messages for an element of rejected.
func says(messages ...string) []string { return messages }

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range rejected {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := jsonbody.Decode([]byte(tt.body), new(target))
			var refusal *jsonbody.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("Decode(%.60q) = %v, want an *Error", tt.body, err)
			}
			if !slices.Contains(tt.want, refusal.Message) {
				t.Errorf("Decode(%.60q)\n says %q\n want %q", tt.body, refusal.Message, tt.want)
			}
			if refusal.Cause == nil || refusal.Error() != "http: "+refusal.Message {
				t.Errorf("cause %#v, text %q", refusal.Cause, refusal.Error())
			}
		})
	}
}

func TestDecodeAcceptsTheSameBodiesAsUnmarshal(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`null`, `{}`, " {\"A\":1}\n\n", `{"A":1,"A":2}`, `{"unknown":[{}]}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}",
		`{"Any":` + strings.Repeat("[", 9990) + strings.Repeat("]", 9990) + `}`,
	} {
		var got, want target
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		if err := jsonbody.Decode([]byte(body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%.40q) = %v, %+v; want %+v", body, err, got, want)
		}
	}
}

// TestDecodeNamesThePlaceInAnyValue decodes into values other than target.
func TestDecodeNamesThePlaceInAnyValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body string
		dst  any
		want []string
	}{
		{`[1,"x"]`, new([]int), says(`the JSON body has a string where an integer is expected (before offset 6)`, `field "[1]" has a string where an integer is expected (before offset 6)`)},
		{`[[1],["x"]]`, new([][]int), says(`the JSON body has a string where an integer is expected (before offset 9)`, `field "[1][0]" has a string where an integer is expected (before offset 9)`)},
		{`{"a":"x"}`, new(map[string]int), says(`the JSON body has a string where an integer is expected (before offset 8)`, `field "a" has a string where an integer is expected (before offset 8)`)},
		{`[{"A":"x"}]`, new([]target), says(`field "A" has a string where an integer is expected`, `field "[0].A" has a string where an integer is expected`)},
		{`{"k":{"x":"s"}}`, new(map[string]target), says(`field "x" has a string where an integer is expected`, `field "k.x" has a string where an integer is expected`)},
		{`"x"`, new(int), says(`the JSON body has a string where an integer is expected (before offset 3)`)},
		{`300`, new(uint8), says(`the JSON body has 300 where an integer from 0 to 255 is expected (before offset 3)`)},
		{`1e999`, new(any), says(`the JSON body has 1e999 where a smaller number is expected`)},
		{`5`, new(netip.Addr), says(`the JSON body has a number where a string is expected (before offset 1)`)},
		{`5`, new(fmt.Stringer), says(`the JSON body has a number where null is expected`)},
		{`{"K":"x"}`, new(plain), says(`field "K" has a string where an integer is expected`)},
		{`{"1":{"b":"s"}}`, new(struct {
			One struct {
				B int `json:"b"`
			} `json:"1"`
		}), says(`field "1.b" has a string where an integer is expected (before offset 13)`)},
		{`{"at":"2006-01-02T15:04:05Z","users":[{"zip":1},{"zip":"a"}]}`, new(struct {
			At    time.Time                `json:"at"`
			Raw   json.RawMessage          `json:"raw"`
			Users []struct{ Zip **uint16 } `json:"users"`
		}), says(`field "users.Zip" has a string where an integer is expected (before offset 58)`,
			`field "users[1].zip" has a string where an integer is expected (before offset 58)`)},
		{`{"users":{}}`, new(struct{ Users []int }), says(`field "Users" has an object where an array is expected (before offset 10)`,
			`field "users" has an object where an array is expected (before offset 10)`)},
		{`5`, new(func()), says(`the JSON body has a number where null is expected (before offset 1)`)},
	} {
		err := jsonbody.Decode([]byte(tt.body), tt.dst)
		if refusal, ok := errors.AsType[*jsonbody.Error](err); !ok || !slices.Contains(tt.want, refusal.Message) {
			t.Errorf("Decode(%q) into a %T: %v, want %q", tt.body, tt.dst, err, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range rejected {
		if len(tt.body) < 1000 {
			f.Add([]byte(tt.body))
		}
	}
	f.Add([]byte(`{"A":1,"name":"x","Users":[{"Zip":"1"}],"Any":{"a":[1,true,null]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want target
		wantErr := json.Unmarshal(body, &want)
		err := jsonbody.Decode(body, &got)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Decode(%q) = %v, Unmarshal says %v", body, err, wantErr)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%q) stored %+v, Unmarshal %+v", body, got, want)
		}
		if err == nil {
			return
		}
		about := regexp.MustCompile(`empty$|^http: (malformed|trailing|the JSON value is nested)`)
		if about.MatchString(err.Error()) == json.Valid(body) {
			t.Errorf("Decode(%q) = %v; the body is valid JSON: %t", body, err, json.Valid(body))
		}
		message := strings.ToValidUTF8(err.Error(), "?")
		for _, secret := range []string{"secret", "Secret", "jsonbody", "fussy", "netip", "Go value", "uint8", "json:"} {
			if strings.Contains(message, secret) && !strings.Contains(string(body), secret) {
				t.Errorf("Decode(%q) reveals %q: %s", body, secret, message)
			}
		}
		if len(message) > 600 {
			t.Errorf("a message of %d bytes", len(message))
		}
	})
}
