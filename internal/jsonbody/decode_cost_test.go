package jsonbody_test

import (
	"encoding/json"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
)

// item is one of many in a large body.
type item struct {
	ID    int
	Name  string
	Tags  []string
	Inner struct{ X, Y float64 }
	Level secretLevel
}

// A badBody is a large body that Decode rejects, and the destination.
type badBody struct {
	name string
	body string
	dst  any
}

// badBodies returns bodies of about size bytes.
func badBodies(size int) []badBody {
	list := items(size)
	return []badBody{
		{"error at the start", "x" + list, new([]item)},
		{"error in the middle", items(size/2) + "x" + items(size/2), new([]item)},
		{"error at the end", strings.TrimSuffix(list, "]") + "}", new([]item)},
		{"early end", strings.TrimSuffix(list, "]"), new([]item)},
		{"early end in a string", `["` + strings.Repeat("x", size), new([]string)},
		{"early end in escapes", `["` + strings.Repeat(`\u00e9`, size/6), new([]string)},
		{"trailing data", list + "x", new([]item)},
		{"only space", strings.Repeat(" ", size), new([]item)},
		{"deep nesting", strings.Repeat("[", size), new(any)},
		{"deep enough nesting", strings.Repeat(`{"a":[`, 4999), new(any)},
		{"one long number", strings.Repeat("9", size) + "x", new(any)},
		{"many short numbers", "[" + strings.Repeat("1,", size/2), new(any)},
		{"wrong type at the end of numbers", "[" + strings.Repeat("1,", size/2) + `"x"]`, new([]int)},
		{"wrong type at the start of numbers", `["x"` + strings.Repeat(",1", size/2) + `]`, new([]int)},
		{"wrong type everywhere", "[" + strings.Repeat(`"x",`, size/4) + `"x"]`, new([]int)},
		{"wrong type at the end of strings", "[" + strings.Repeat(`"some text",`, size/12) + `1]`, new([]string)},
		{"wrong type at the end of items", strings.TrimSuffix(list, "]") + `,{"ID":"x"}]`, new([]item)},
		{"wrong type behind a long string", `{"Name":"` + strings.Repeat("x", size) + `","ID":"x"}`, new(item)},
		{"wrong type behind unknown fields", `{` + strings.Repeat(`"some":"field",`, size/15) + `"ID":"x"}`, new(item)},
		{"wrong type for the whole", list, new(int)},
		{"wrong type under a long name", `{"` + strings.Repeat("k", size) + `":"x"}`, new(map[string]int)},
		{"wrong type under many names", strings.Repeat(`{"k":`, 9000) + `1e999` + strings.Repeat("}", 9000), new(any)},
		{"rejected text at the end of items", strings.TrimSuffix(list, "]") + `,{"Level":"x"}]`, new([]item)},
		{"rejected text at the end of times", `[` + strings.Repeat(`"2006-01-02T15:04:05Z",`, size/23) + `"x"]`, new([]time.Time)},
		{"rejected text at the end of numbers", `{"Tags":[` + strings.Repeat("1,", size/2) + `1],"Level":"x"}`, new(item)},
		{"number too large", `{"Name":"` + strings.Repeat("x", size/2) + `","ID":` + strings.Repeat("9", size/2) + `}`, new(item)},
	}
}

// items returns an array of about size bytes.
func items(size int) string {
	const one = `{"ID":12345,"Name":"some name","Tags":["a","b","c"],"Inner":{"X":1.5,"Y":-2e3}}`
	return "[" + one + strings.Repeat(","+one, size/(len(one)+1)) + "]"
}

// fresh returns a new pointer to a zero value of the type that dst points to.
func fresh(dst any) any { return reflect.New(reflect.TypeOf(dst).Elem()).Interface() }

// allocated returns how many bytes f allocates. Tests that call it must not be
// parallel.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDecodeOfABadBodyAllocatesLittleMoreThanUnmarshal(t *testing.T) {
	for _, tt := range badBodies(1 << 17) {
		body := []byte(tt.body)
		var errs [2]error
		plain := allocated(func() { errs[0] = json.Unmarshal(body, fresh(tt.dst)) })
		ours := allocated(func() { errs[1] = jsonbody.Decode(body, fresh(tt.dst)) })
		if errs[0] == nil || errs[1] == nil {
			t.Errorf("%s: accepted", tt.name)
		}
		const fixed = 32 << 10 // for the message, and the stack of open brackets
		if ours > plain+plain/2+fixed {
			t.Errorf("%s: %d bytes allocated, json.Unmarshal %d", tt.name, ours, plain)
		}
	}
}

func BenchmarkDecodeOfABadBody(b *testing.B) {
	for _, tt := range badBodies(1 << 20) {
		body := []byte(tt.body)
		b.Run(strings.ReplaceAll(tt.name, " ", "_"), func(b *testing.B) {
			for name, decode := range map[string]func([]byte, any) error{"Decode": jsonbody.Decode, "Unmarshal": json.Unmarshal} {
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if decode(body, fresh(tt.dst)) == nil {
							b.Fatal("accepted")
						}
					}
				})
			}
		})
	}
}
