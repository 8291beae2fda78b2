package header

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAddVary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		lines, want []string
		add         []string
	}{
		{"first", nil, []string{"Origin"}, []string{"Origin"}},
		{"nothing", nil, nil, nil},
		{"two", nil, []string{"Origin", "Accept"}, []string{"Origin", "Accept"}},
		{"the same twice", nil, []string{"Origin"}, []string{"Origin", "origin"}},
		{"another line", []string{"Accept"}, []string{"Accept", "Origin"}, []string{"Origin"}},
		{"listed in another case", []string{"accept, ORIGIN"}, []string{"accept, ORIGIN"}, []string{"Origin"}},
		{"listed in the second line", []string{"Accept", "x,Origin"}, []string{"Accept", "x,Origin"}, []string{"Origin"}},
		{"part of a name", []string{"X-Origin"}, []string{"X-Origin", "Origin"}, []string{"Origin"}},
		{"star", []string{"*"}, []string{"*"}, []string{"Origin"}},
		{"star in a list", []string{"Accept, *"}, []string{"Accept, *"}, []string{"Origin"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if tt.lines != nil {
				h["Vary"] = tt.lines
			}
			AddVary(h, tt.add...)
			if got := h["Vary"]; !slices.Equal(got, tt.want) {
				t.Errorf("Vary: %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddVaryDoesNotWriteToASharedSlice(t *testing.T) {
	t.Parallel()
	shared := make([]string, 1, 4)
	shared[0] = "Accept"
	one, two := http.Header{"Vary": shared}, http.Header{"Vary": shared}
	AddVary(one, "Origin")
	AddVary(two, "Cookie")
	if got := one["Vary"]; !slices.Equal(got, []string{"Accept", "Origin"}) {
		t.Errorf("one response's Vary became %q", got)
	}
	if room := shared[:4]; room[1] != "" {
		t.Errorf("AddVary wrote %q after the end of the shared slice", room[1])
	}
}

func FuzzAddVary(f *testing.F) {
	f.Add("Accept, origin", "Origin")
	f.Add("*", "Origin")
	f.Add(", ,", "X")
	f.Fuzz(func(t *testing.T, line, name string) {
		if !IsToken(name) {
			t.Skip()
		}
		h := http.Header{"Vary": {line}}
		AddVary(h, name)
		once := slices.Clone(h["Vary"])
		if once[0] != line || len(once) > 2 {
			t.Errorf("AddVary(%q, %q) left %q", line, name, once)
		}
		if !Varies(once, strings.ToUpper(name)) {
			t.Errorf("AddVary(%q, %q) left %q, which does not list it", line, name, once)
		}
		if AddVary(h, name); !slices.Equal(h["Vary"], once) {
			t.Errorf("after adding %q a second time, Vary is %q, want %q", name, h["Vary"], once)
		}
	})
}

func BenchmarkAddVary(b *testing.B) {
	h := http.Header{"Vary": {"Accept-Encoding", "Origin"}}
	b.ReportAllocs()
	for b.Loop() {
		AddVary(h, "Accept-Encoding", "Origin")
	}
}
