package deflate

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

func TestAccept(t *testing.T) {
	t.Parallel()
	const name = "permessage-deflate"
	full := Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
	with := func(change func(*Params)) Params {
		p := full
		change(&p)
		return p
	}
	tests := []struct {
		name     string
		lines    []string
		response string
		params   Params
	}{
		{"nothing offered", nil, "", Params{}},
		{"other extensions", []string{"x-webkit-deflate-frame, foo; bar=1"}, "", Params{}},
		{"plain", []string{name}, name, full},
		{"second in the list", []string{"foo, " + name}, name, full},
		{"second line", []string{"foo", name}, name, full},
		{"no takeover by the server", []string{name + "; server_no_context_takeover"},
			name + "; server_no_context_takeover", with(func(p *Params) { p.ServerNoContextTakeover = true })},
		{"no takeover by the client", []string{name + ";client_no_context_takeover"},
			name + "; client_no_context_takeover", with(func(p *Params) { p.ClientNoContextTakeover = true })},
		{"server window", []string{name + "; server_max_window_bits=9"},
			name + "; server_max_window_bits=9", with(func(p *Params) { p.ServerMaxWindowBits = 9 })},
		{"server window of 8", []string{name + "; server_max_window_bits=8"},
			name + "; server_max_window_bits=8", with(func(p *Params) { p.ServerMaxWindowBits = 8 })},
		{"client window left to us", []string{name + "; client_max_window_bits"},
			name + "; client_max_window_bits=13", with(func(p *Params) { p.ClientMaxWindowBits = 13 })},
		{"client window given, smaller", []string{name + "; client_max_window_bits=10"},
			name + "; client_max_window_bits=10", with(func(p *Params) { p.ClientMaxWindowBits = 10 })},
		{"client window given, larger", []string{name + `; client_max_window_bits = "15"`},
			name + "; client_max_window_bits=13", with(func(p *Params) { p.ClientMaxWindowBits = 13 })},
		{"everything", []string{name + "; client_max_window_bits; server_max_window_bits=10; server_no_context_takeover; client_no_context_takeover"},
			name + "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=13",
			Params{true, true, 10, 13}},
		{"fallback after a bad offer", []string{name + "; server_max_window_bits=7, " + name + "; server_no_context_takeover, " + name},
			name + "; server_no_context_takeover", with(func(p *Params) { p.ServerNoContextTakeover = true })},
		{"unknown parameter", []string{name + "; zstd"}, "", Params{}},
		{"duplicate parameter", []string{name + "; client_max_window_bits; client_max_window_bits=10"}, "", Params{}},
		{"value where none belongs", []string{name + "; server_no_context_takeover=1"}, "", Params{}},
		{"value missing", []string{name + "; server_max_window_bits"}, "", Params{}},
		{"window of 16", []string{name + "; server_max_window_bits=16"}, "", Params{}},
		{"leading zero", []string{name + "; server_max_window_bits=09"}, "", Params{}},
		{"sign", []string{name + "; client_max_window_bits=+9"}, "", Params{}},
		{"not a number", []string{name + "; client_max_window_bits=a"}, "", Params{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, response, err := Accept(tt.lines, false, 13)
			if err != nil || response != tt.response || p != tt.params {
				t.Errorf("Accept(%q) = %+v, %q, %v; want %+v, %q", tt.lines, p, response, err, tt.params, tt.response)
			}
		})
	}
}

func TestAcceptForbidsTakeover(t *testing.T) {
	t.Parallel()
	p, response, err := Accept([]string{Name}, true, 15)
	want := Params{true, true, 15, 15}
	if err != nil || p != want || response != Name+"; server_no_context_takeover; client_no_context_takeover" {
		t.Errorf("Accept = %+v, %q, %v", p, response, err)
	}
}

func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		";", "=", `"`, "a b", "a;", "a; ;b", "a;b=", "a;=c", `a;b="`, `a;b=""`, `a;b="c d"`, `a;b="c"d`, "a;b=c d", "a/b", "a;b=c,;", "é", "a\x00",
	} {
		if _, _, err := Accept([]string{line}, false, 15); !errors.Is(err, errMalformed) {
			t.Errorf("Accept(%q): %v", line, err)
		}
		if _, _, err := Confirm([]string{line}, false); !errors.Is(err, errMalformed) {
			t.Errorf("Confirm(%q): %v", line, err)
		}
	}
	for _, line := range []string{"", " ", ",", " ,\t, ", "a", "a,,b", "a ; b = c ,", `a;b="c"`, `a;b="\c"`} {
		if _, _, err := Accept([]string{line}, false, 15); err != nil {
			t.Errorf("Accept(%q): %v", line, err)
		}
	}
}

// This test cannot run in parallel: it counts allocations.
func TestLongHeadersAreRefused(t *testing.T) {
	most := header.MaxElements
	tests := []struct {
		name  string
		lines []string
		want  error
	}{
		{"as many extensions as allowed", []string{strings.Repeat("a,", most-1) + Name}, nil},
		{"one more", []string{strings.Repeat("a,", most) + Name}, errTooLong},
		{"as many parameters as allowed", []string{Name + strings.Repeat(";a", most-1)}, nil},
		{"one more parameter", []string{Name + strings.Repeat(";a", most)}, errTooLong},
		{"extensions and parameters", []string{strings.Repeat("a;b;c,", most/3+1) + Name}, errTooLong},
		{"empty elements", []string{strings.Repeat(",", 1<<20)}, errTooLong},
		{"empty lines", make([]string, 1000), errTooLong},
		{"lines", slices.Repeat([]string{"a"}, most+1), errTooLong},
		{"quoted value", []string{`a;b="` + strings.Repeat("c", 1<<20) + `"`}, errTooLong},
		{"escaped value", []string{`a;b="` + strings.Repeat(`\c`, 1<<20) + `"`}, errTooLong},
		{"name", []string{strings.Repeat("a", 1<<20)}, errTooLong},
		{"white space", []string{strings.Repeat(" ", 1<<20) + Name}, errTooLong},
		{"as many bytes as allowed", []string{strings.Repeat("a", 5<<10), strings.Repeat("b", 3<<10)}, nil},
		{"bytes in several lines", []string{strings.Repeat("a", 5<<10), strings.Repeat("b", 3<<10), "c"}, errTooLong},
	}
	for _, tt := range tests {
		if _, _, err := Accept(tt.lines, false, 15); err != tt.want {
			t.Errorf("%s: Accept: %v, want %v", tt.name, err, tt.want)
		}
		if _, _, err := Confirm(tt.lines, false); (err == errTooLong) != (tt.want == errTooLong) {
			t.Errorf("%s: Confirm: %v, want %v", tt.name, err, tt.want)
		}
		if tt.want == nil {
			continue
		}
		if n := testing.AllocsPerRun(10, func() { Accept(tt.lines, false, 15) }); n > 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		lines  []string
		params Params
		ok     bool
		err    error
	}{
		{"declined", nil, Params{}, false, nil},
		{"plain", []string{Name}, Params{false, false, 15, 15}, true, nil},
		{"everything", []string{Name + "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=9"},
			Params{true, true, 8, 9}, true, nil},
		{"another extension", []string{"foo"}, Params{}, false, errNotOffered},
		{"two", []string{Name + ", " + Name}, Params{}, false, errNotOffered},
		{"client window without a value", []string{Name + "; client_max_window_bits"}, Params{}, false, errBadParams},
		{"unknown parameter", []string{Name + "; foo"}, Params{}, false, errBadParams},
		{"duplicate parameter", []string{Name + "; server_no_context_takeover; server_no_context_takeover"}, Params{}, false, errBadParams},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, ok, err := Confirm(tt.lines, false)
			if p != tt.params || ok != tt.ok || !errors.Is(err, tt.err) {
				t.Errorf("Confirm(%q) = %+v, %v, %v; want %+v, %v, %v", tt.lines, p, ok, err, tt.params, tt.ok, tt.err)
			}
		})
	}
}

func TestConfirmKeepsTheClientsOwnWish(t *testing.T) {
	t.Parallel()
	p, _, _ := Confirm([]string{Name}, true)
	if !p.ClientNoContextTakeover || p.ServerNoContextTakeover {
		t.Errorf("Confirm = %+v", p)
	}
}

func TestOfferIsAccepted(t *testing.T) {
	t.Parallel()
	for _, noTakeover := range []bool{false, true} {
		_, response, err := Accept([]string{Offer(noTakeover)}, false, 15)
		if err != nil || response == "" {
			t.Errorf("Offer(%v) is declined: %v", noTakeover, err)
		}
	}
}

// FuzzAccept compares the two sides: for any offer, the server's response is
// valid, the client derives the same parameters from it, and it contains no
// parameter that requires one in the offer.
func FuzzAccept(f *testing.F) {
	f.Add(Name, false, 15)
	f.Add(Name+"; client_max_window_bits; server_max_window_bits=10", true, 9)
	f.Add(`foo;a="b\c", `+Name+`; server_no_context_takeover; client_max_window_bits="12",,`, false, 8)
	f.Add("a;b=", false, 8)
	f.Fuzz(func(t *testing.T, line string, noTakeover bool, bits int) {
		if bits < 8 || bits > 15 {
			return
		}
		want, response, err := Accept([]string{line}, noTakeover, bits)
		if err != nil || response == "" {
			if want != (Params{}) {
				t.Fatalf("declined with %+v", want)
			}
			return
		}
		got, ok, err := Confirm([]string{response}, false)
		if !ok || err != nil || got != want {
			t.Fatalf("%q gets the response %q: %+v, read as %+v, %v, %v", line, response, want, got, ok, err)
		}
		if strings.Contains(response, clientMaxWindowBits) && !strings.Contains(line, clientMaxWindowBits) {
			t.Fatalf("%q gets the response %q", line, response)
		}
	})
}

func FuzzParseExtensions(f *testing.F) {
	f.Add(`a; b=c; d="e", f`)
	f.Add(`a;b="\"`)
	f.Fuzz(func(t *testing.T, line string) {
		list, err := parseExtensions([]string{line})
		if err != nil {
			return
		}
		// Formatted canonically, it parses to the same result.
		var plain strings.Builder
		for _, e := range list {
			plain.WriteString(e.name)
			for _, p := range e.params {
				plain.WriteString(";" + p.name)
				if p.hasValue {
					plain.WriteString("=" + p.value)
				}
			}
			plain.WriteString(",")
		}
		again, err := parseExtensions([]string{plain.String()})
		if err != nil || len(again) != len(list) {
			t.Fatalf("%q, written as %q: %v", line, plain.String(), err)
		}
		for i := range list {
			if list[i].name != again[i].name || len(list[i].params) != len(again[i].params) {
				t.Fatalf("%q, written as %q, differs", line, plain.String())
			}
		}
	})
}
