package jsonbody_test

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("boom") }

func TestEncodeGivesTheBytesOfMarshal(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		nil, 1, "a<b>&\u2028", []int(nil), map[string]any{"b": 1, "a": []string{"x"}},
		json.RawMessage(" {\n\"a\" : 1 } "), strings.Repeat("x", 100_000),
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b := &bufpool.Buffer{B: []byte("before ")}
		if err := jsonbody.Encode(b, v); err != nil {
			t.Errorf("Encode(%.40v): %v", v, err)
		}
		if got := string(b.B); got != "before "+string(want) {
			t.Errorf("Encode(%.40v) gives %.80q, want %.80q", v, got, want)
		}
	}
}

func TestEncodeLeavesTheBufferUnchangedOnError(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		make(chan int), math.NaN(), []any{"fine", func() {}}, json.RawMessage(`{"a"`),
	} {
		b := &bufpool.Buffer{B: []byte("before")}
		if err := jsonbody.Encode(b, v); err == nil {
			t.Errorf("Encode(%T) gives no error", v)
		}
		if got := string(b.B); got != "before" {
			t.Errorf("after a failed Encode(%T) the buffer holds %q", v, got)
		}
	}
}

func TestEncodeWorksAfterAPanic(t *testing.T) {
	t.Parallel()
	b := &bufpool.Buffer{B: []byte("before")}
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = jsonbody.Encode(b, []any{1, explosive{}}) // panics
	}()
	if err := jsonbody.Encode(b, 1); err != nil || string(b.B) != "before1" {
		t.Errorf("after the panic: %q, %v", b.B, err)
	}
}

func TestEncodeAllocatesOnlyWhatEncodingJSONDoes(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	v := &struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{"x", []string{"a", "b"}}
	b := &bufpool.Buffer{B: make([]byte, 0, 1024)}
	encoder := json.NewEncoder(io.Discard)
	most := testing.AllocsPerRun(100, func() {
		if err := encoder.Encode(v); err != nil {
			t.Fatal(err)
		}
	})
	if n := testing.AllocsPerRun(100, func() {
		b.B = b.B[:0]
		if err := jsonbody.Encode(b, v); err != nil {
			t.Fatal(err)
		}
		jsonbody.EncodeString(b, "user not found")
	}); n > most {
		t.Errorf("%v allocations, want at most %v, as for encoding/json", n, most)
	}
}

func FuzzEncodeString(f *testing.F) {
	for _, s := range []string{"", "user not found", `a"b\c`, "<&>", "\x00\x1f\x7f", "\xff", "é\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		b := new(bufpool.Buffer)
		jsonbody.EncodeString(b, s)
		if string(b.B) != string(want) {
			t.Errorf("EncodeString(%q) gives %s, Marshal %s", s, b.B, want)
		}
	})
}
