package jsonbody_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
)

type strictBase struct {
	ID    int
	Other int `json:"other"`
}

// strictTarget is a type with all kinds of members.
type strictTarget struct {
	strictBase
	Name   string         `json:"name"`
	Upper  string         `json:"NAME2"`
	Lower  string         `json:"name2"`
	Nested *strictTarget  `json:"nested"`
	List   []strictTarget `json:"list"`
	Map    map[string]int `json:"map"`
	Any    any            `json:"any"`
	Raw    json.RawMessage
	Hidden string `json:"-"`
	Kelvin int    `json:"kilo"`
}

// strictCases lists bodies and the message for each, or "". They are also the seeds of
// the fuzz test.
var strictCases = []struct{ name, body, want string }{
	{"empty object", `{}`, ""},
	{"all members", `{"ID":1,"other":2,"name":"a","nested":{"name":"b"},"list":[{},{"map":{"a":1,"A":2}}],"any":{"a":[{"b":1}],"A":1},"Raw":{"x":1}}`, ""},
	{"names in other letters", `{"id":1,"NAME":"x","LIST":[{"Name":"x"}]}`, ""},
	{"fields that differ by case", `{"NAME2":"a","name2":"b"}`, ""},
	{"space", " {\n\"name\" :\t\"x\" , \"map\" : { \"a\" : 1 , \"b\" : 2 } } ", ""},
	{"null", `null`, ""},

	{"twice", `{"name":"a","name":"b"}`, `duplicate field "name" at offset 12`},
	{"twice, by case", `{"name":"a","Name":"b"}`, `duplicate field "Name" at offset 12`},
	{"twice, by the case of another letter", `{"kilo":1,"` + "\u212a" + `ilo":2}`, `duplicate field "` + "\u212a" + `ilo" at offset 10`},
	{"twice, by an escape", `{"name":"a","n\u0061me":"b"}`, `duplicate field "name" at offset 12`},
	{"twice, by case of an embedded field", `{"ID":1,"id":1}`, `duplicate field "id" at offset 8`},
	{"a third name for two fields", `{"NAME2":"a","Name2":"b"}`, `duplicate field "Name2" at offset 13`},
	{"twice in a nested object", `{"nested":{"name":"a","name":"b"}}`, `duplicate field "name" at offset 22`},
	{"twice in a list", `{"list":[{},{"ID":1,"Id":2}]}`, `duplicate field "Id" at offset 20`},
	{"twice in a map", `{"map":{"a":1,"a":2}}`, `duplicate field "a" at offset 14`},
	{"twice in an interface", `{"any":[{"x":{"a":1,"a":2}}]}`, `duplicate field "a" at offset 20`},
	{"twice in raw JSON", `{"Raw":{"a":1,"a":2}}`, `duplicate field "a" at offset 14`},
	{"twice, both unknown", `{"x":1,"x":2}`, `duplicate field "x" at offset 7`},
	{"invalid UTF-8 twice", "{\"map\":{\"\xff\":1,\"\xfe\":2}}", `duplicate field "` + "\ufffd" + `" at offset 14`},

	{"unknown", `{"name":"a","age":1}`, `unknown field "age" at offset 12`},
	{"unknown in a nested object", `{"nested":{"Nmae":"a"}}`, `unknown field "Nmae" at offset 11`},
	{"unknown in a list", `{"list":[{"x":{}}]}`, `unknown field "x" at offset 10`},
	{"field without JSON", `{"Hidden":"x"}`, `unknown field "Hidden" at offset 1`},
	{"name of an embedded struct", `{"strictBase":{}}`, `unknown field "strictBase" at offset 1`},
	{"long unknown name", `{"` + strings.Repeat("x", 500) + `":1}`, `unknown field "` + strings.Repeat("x", 100) + `..." at offset 1`},

	{"wrong type", `{"name":1}`, `field "name" has a number where a string is expected (before offset 9)`},
	{"malformed", `{"name":"a",}`, `malformed JSON: unexpected character '}' at offset 12`},
	{"empty", ``, `the request body is empty`},
	{"trailing data", `{}{}`, `trailing data after the JSON value, at offset 2`},
}

func TestDecodeStrict(t *testing.T) {
	t.Parallel()
	for _, tt := range strictCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got, want strictTarget
			err := jsonbody.DecodeStrict([]byte(tt.body), &got)
			if tt.want != "" {
				message := ""
				if refusal, ok := errors.AsType[*jsonbody.Error](err); ok {
					message = refusal.Message
				}
				if message, _, _ = strings.Cut(message, " (before"); message != strings.TrimSuffix(tt.want, " (before offset 9)") {
					t.Errorf("%.80s: %v\nwant %s", tt.body, err, tt.want)
				}
				return
			}
			if wantErr := json.Unmarshal([]byte(tt.body), &want); err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, %+v; Unmarshal: %v, %+v", tt.body, err, got, wantErr, want)
			}
		})
	}
}

func TestDecodeStrictOfAnyDestination(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body string
		dst  any
		ok   bool
	}{
		{`[{"a":1,"A":2}]`, new(any), true},
		{`[{"a":1,"a":2}]`, new(any), false},
		{`{"a":{"Name":"","name":""}}`, new(map[string]strictTarget), false},
		{`[[{"Name":"","NAME":""}]]`, new([1][]*strictTarget), false},
		{`{"a":1,"A":2}`, new(struct{ A, B int }), false},
		{`{"a":1,"A":2}`, new(json.RawMessage), true},
		{`[{},{"":1,"":1}]`, new(any), false},
		{`5`, new(int), true},
	} {
		if err := jsonbody.DecodeStrict([]byte(tt.body), tt.dst); (err == nil) != tt.ok {
			t.Errorf("%s into a %T: %v", tt.body, tt.dst, err)
		}
	}
	deep := strings.Repeat(`{"a":`, 9_999) + `1` + strings.Repeat("}", 9_999)
	if err := jsonbody.DecodeStrict([]byte(deep), new(any)); err != nil {
		t.Errorf("9999 nested objects: %v", err)
	}
	var many bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&many, `,"%d":0`, i)
	}
	body := "{" + many.String()[1:] + `,"99999":0}`
	if err := jsonbody.DecodeStrict([]byte(body), new(any)); err == nil || !strings.Contains(err.Error(), `"99999"`) {
		t.Errorf("100,000 names and a duplicate: %v", err)
	}
}

func TestCheckType(t *testing.T) {
	t.Parallel()
	const other, charset = "the Content-Type must be application/json", "the charset in the Content-Type must be UTF-8"
	for contentType, want := range map[string]string{
		"application/json": "", "Application/JSON ; charset=UTF-8": "", `application/json; charset="utf-8"`: "",
		"application/merge-patch+json": "", "application/json; v=1": "",
		"": other, "text/plain": other, "text/json": other, "application/jsonx": other, "text/plain; charset=utf-16": other,
		"application/json, text/plain": other, "application/json;charset": other, "json": other,
		"application/json; charset=utf-16": charset, "application/json; charset=": other, "a/b+json; charset=latin1": charset,
	} {
		if got := jsonbody.CheckType(contentType); got != want {
			t.Errorf("CheckType(%q) = %q, want %q", contentType, got, want)
		}
	}
}

// naiveStrict returns whether DecodeStrict must accept a well-formed body for a
// strictTarget, by reading it token by token.
func naiveStrict(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	return naiveValue(decoder, "struct")
}

// naiveValue reads a value. kind is "struct" for a strictTarget, "list" for a slice of
// them, "" for anything else.
func naiveValue(decoder *json.Decoder, kind string) bool {
	token, err := decoder.Token()
	if err != nil {
		return false
	}
	switch token {
	case json.Delim('['):
		element := map[string]string{"list": "struct"}[kind]
		for decoder.More() {
			if !naiveValue(decoder, element) {
				return false
			}
		}
	case json.Delim('{'):
		var seen []string
		for decoder.More() {
			token, err := decoder.Token()
			if err != nil {
				return false
			}
			name, member := token.(string), ""
			if kind == "struct" {
				name, member = naiveField(name)
			}
			for _, other := range seen {
				if name == other {
					return false
				}
			}
			seen = append(seen, name)
			if name == "" && kind == "struct" || !naiveValue(decoder, member) {
				return false
			}
		}
	default:
		return true
	}
	_, err = decoder.Token()
	return err == nil
}

// naiveField returns the name and the kind of the field for a member of a strictTarget,
// or "".
func naiveField(member string) (name, kind string) {
	names := []string{"ID", "other", "name", "NAME2", "name2", "nested", "list", "map", "any", "Raw", "kilo"}
	for _, equal := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, name := range names {
			if equal(name, member) {
				return name, map[string]string{"nested": "struct", "list": "list"}[name]
			}
		}
	}
	return "", ""
}

func FuzzDecodeStrict(f *testing.F) {
	for _, tt := range strictCases {
		f.Add([]byte(tt.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want strictTarget
		wantErr := json.Unmarshal(body, &want)
		err := jsonbody.DecodeStrict(body, &got)
		if ok := wantErr == nil && naiveStrict(body); ok != (err == nil) {
			t.Fatalf("%q: %v; Unmarshal: %v, naive: %t", body, err, wantErr, ok)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, Unmarshal %+v", body, got, want)
		}
		if err != nil && utf8.Valid(body) && len(err.Error()) > 600 {
			t.Errorf("a message of %d bytes", len(err.Error()))
		}
	})
}

func BenchmarkDecodeStrict(b *testing.B) {
	body := []byte(`{"ID":1,"name":"Ada Lovelace","list":[{"name":"a"},{"name":"b","map":{"x":1,"y":2}}],"any":{"k":"v"}}`)
	for name, decode := range map[string]func([]byte, any) error{"strict": jsonbody.DecodeStrict, "lenient": jsonbody.Decode} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(body, new(strictTarget)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// DecodeStrict walks through a copy of the body, with a set of names per object, and
// json.Decoder copies the body into a buffer that grows.
func TestDecodeStrictAllocatesLittleMoreThanUnmarshal(t *testing.T) {
	const size = 1 << 17
	var names strings.Builder
	for i := range size / 8 {
		fmt.Fprintf(&names, `,"%x":1`, i)
	}
	bodies := append(badBodies(size),
		badBody{"many names", "{" + names.String()[1:] + "}", new(any)},
		badBody{"many objects", "[" + strings.Repeat(`{"a":1},`, size/8) + "1]", new(any)},
		badBody{"nested objects", strings.Repeat(`{"a":`, 9_999) + "1" + strings.Repeat("}", 9_999), new(any)})
	for _, tt := range bodies {
		body := []byte(tt.body)
		plain := allocated(func() { _ = json.Unmarshal(body, fresh(tt.dst)) })         // for comparison
		strict := allocated(func() { _ = jsonbody.DecodeStrict(body, fresh(tt.dst)) }) // may fail
		if most := 2*plain + 6*uint64(len(body)) + 16<<10; strict > most {
			t.Errorf("%s: %d bytes allocated, Unmarshal %d, the body has %d", tt.name, strict, plain, len(body))
		}
	}
}
