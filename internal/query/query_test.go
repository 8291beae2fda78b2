package query_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/query"
)

// lookUps lists raw queries, names, and the expected values. They are also the
// seeds of the fuzz test.
var lookUps = []struct{ raw, name, want string }{
	{"", "a", ""},
	{"a=1", "a", "1"},
	{"a=1&a=2", "a", "1"},
	{"b=1&a=2", "a", "2"},
	{"a", "a", ""},
	{"a&a=2", "a", ""},
	{"a=", "a", ""},
	{"a=b=c", "a", "b=c"},
	{"=x", "", "x"},
	{"&&=&", "", ""},
	{"&a=1", "", ""},
	{"a=x+y%20z", "a", "x y z"},
	{"a+b=1", "a b", "1"},
	{"a+b=1", "a+b", ""},
	{"a%2Bb=1", "a+b", "1"},
	{"%61=1", "a", "1"},
	{"a%=1&a=2", "a", "2"},
	{"a%6=1", "a", ""},
	{"%zz=1", "%zz", ""},
	{"a=%zz&a=2", "a", "2"},
	{"a=%&a=2", "a", "2"},
	{"a=%4", "a", ""},
	{"a=1;b=2&b=3", "a", ""},
	{"a=1;b=2&b=3", "b", "3"},
	{"a;b=1", "a;b", ""},
	{"a%3Bb=1%3B", "a;b", "1;"},
	{"%C3%BC=%C3%9F", "ü", "ß"},
	{"ü=ß", "ü", "ß"},
	{"a=%00%ff", "a", "\x00\xff"},
	{"A=1", "a", ""},
	{"aa=1", "a", ""},
	{"a[]=1", "a[]", "1"},
	{"a=1#x", "a", "1#x"},
	{strings.Repeat("&", 9999) + "a=1", "a", "1"},
	{strings.Repeat("&", 10000) + "a=1", "a", ""},
}

func TestGetAgreesWithValuesGet(t *testing.T) {
	t.Parallel()
	for _, tt := range lookUps {
		if got := query.Get(tt.raw, tt.name); got != tt.want {
			t.Errorf("Get(%.40q, %q) = %q, want %q", tt.raw, tt.name, got, tt.want)
		}
		values, _ := url.ParseQuery(tt.raw)
		if got := values.Get(tt.name); got != tt.want {
			t.Errorf("ParseQuery(%.40q).Get(%q) = %q, want %q", tt.raw, tt.name, got, tt.want)
		}
	}
}

func TestGetDoesNotAllocateForAValueWithoutEscapes(t *testing.T) {
	raw := "page=2&sort=created_at&%6frder=desc"
	if n := testing.AllocsPerRun(100, func() {
		query.Get(raw, "sort")
		query.Get(raw, "order")
		query.Get(raw, "missing")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestADecoderAllocatesOnce(t *testing.T) {
	values := []string{"a+b", "%41", "plain", "%4", ";", "%zz", "+++"}
	if n := testing.AllocsPerRun(100, func() {
		d := query.Decoder{Max: len(strings.Join(values, "&"))}
		for _, value := range values {
			d.Decode(value)
		}
	}); n > 2 { // Join allocates too
		t.Errorf("%v allocations, want 2", n)
	}
}

func FuzzGet(f *testing.F) {
	for _, tt := range lookUps {
		if len(tt.raw) < 100 { // long seeds only slow down the mutations
			f.Add(tt.raw, tt.name)
		}
	}
	f.Fuzz(func(t *testing.T, raw, name string) {
		values, _ := url.ParseQuery(raw)
		if got, want := query.Get(raw, name), values.Get(name); got != want {
			t.Errorf("Get(%q, %q) = %q, Values.Get returns %q", raw, name, got, want)
		}
		// The name from the fuzzer rarely occurs in the query, so check the names
		// that do occur.
		for key := range values {
			if got, want := query.Get(raw, key), values.Get(key); got != want {
				t.Errorf("Get(%q, %q) = %q, Values.Get returns %q", raw, key, got, want)
			}
		}
	})
}

func TestLookupReportsMalformedValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw, name, want string
		err             error
	}{
		{"a=1&a=2", "a", "1", nil},
		{"b=%zz&a=x+y", "a", "x y", nil},
		{"a=%zz&a=2", "a", "", query.ErrMalformed},
		{"a=1;b=2", "a", "", query.ErrMalformed},
		{"a%=1&a=2", "a", "2", nil},
		{"a;b=1&a=2", "a", "2", nil},
		{"", "a", "", nil},
		{"a", "a", "", nil},
		{strings.Repeat("&", 9999) + "a=1", "a", "1", nil},
		{"a=1" + strings.Repeat("&", 10000), "a", "", query.ErrTooMany},
	} {
		if got, err := query.Lookup(tt.raw, tt.name); got != tt.want || err != tt.err {
			t.Errorf("Lookup(%.40q, %q) = %q, %v; want %q, %v", tt.raw, tt.name, got, err, tt.want, tt.err)
		}
	}
}

// FuzzSplit checks that Split and Decode find the pairs of ParseQuery, and that they
// report a malformed pair if and only if ParseQuery returns an error.
func FuzzSplit(f *testing.F) {
	for _, tt := range lookUps {
		if len(tt.raw) < 100 {
			f.Add(tt.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw string) {
		want, err := url.ParseQuery(raw)
		got, malformed := make(url.Values), query.TooMany(raw)
		decoder := query.Decoder{Max: len(raw)}
		for rest := raw; rest != "" && !query.TooMany(raw); {
			empty := rest[0] == '&'
			var key, value string
			key, value, rest = query.Split(rest)
			name, ok1 := decoder.Decode(key)
			text, ok2 := decoder.Decode(value)
			switch {
			case empty:
			case ok1 && ok2:
				got.Add(name, text)
			default:
				malformed = true
			}
		}
		if malformed != (err != nil) || !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%q: %q, malformed %t; ParseQuery returns %q, %v", raw, got, malformed, want, err)
		}
	})
}
