package wsscript

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		"> text",
		"case 1 x\n> text \"open",
		"case 1 x\n> words",
		"case 1 x\n> op16",
		"case 1 x\n> text length=x",
		"case 1 x\n> text hex:0",
		"case 1 x\n> text lorem:5",
		"case 1 x\n> text \"x\"*y",
		"case 1 x\nchop some",
		"case 1 x\nfrobnicate",
	} {
		if _, err := Parse(script); err == nil {
			t.Errorf("Parse accepts %q", script)
		}
	}
}

func TestParseExpandsEach(t *testing.T) {
	t.Parallel()
	cases, err := Parse("# a comment\ncase 1.1 lengths\neach size 1 2\neach op text ping\n> $op \"x\"*$size\n\ncase 1.2 other\n> close 1000 \"bye\"\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cases {
		got = append(got, c.ID+": "+c.Title+": "+string(c.steps[0].whole().append(nil, false)))
	}
	want := []string{
		"1.1.1.1: lengths, size 1, op text: \x81\x01x", "1.1.1.2: lengths, size 1, op ping: \x89\x01x",
		"1.1.2.1: lengths, size 2, op text: \x81\x02xx", "1.1.2.2: lengths, size 2, op ping: \x89\x02xx",
		"1.2: other: \x88\x05\x03\xe8bye",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// The other end sends fixed bytes, regardless of what the script sends. The
// script must detect every difference from the expected bytes.
func TestRunComparesEveryByte(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want, answer string
		ok           bool
	}{
		{`< text "ab"`, "\x81\x02ab", true},
		{`< text "ab"`, "\x81\x02ac", false},
		{`< text "ab"`, "\x82\x02ab", false},
		{`< text "ab"`, "\x01\x02ab", false},
		{`< text "ab"`, "\xc1\x02ab", false},
		{`< text "ab"`, "\x81\x7e\x00\x02ab", false},
		{`< text "ab"`, "\x81\x82\x00\x00\x00\x00ab", false},
		{`< text "ab"`, "\x81\x02a", false},
		{`< text "abcdef"`, "\x01\x04abcd\x80\x02ef", true},
		{`< text "abcdef"`, "\x81\x06abcdef", false},
		{`< raw hex:8102 "ab"`, "\x81\x02ab", true},
		{`< raw hex:8102 "ab"`, "\x81\x02aB", false},
		{`< message text "Hello"`, "\x81\x05Hello", true},
		{`< message text "Hello"`, "\x01\x02He\x80\x03llo", true},
		{`< message text "Hello"`, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", true},
		{`< message text "Hello"`, "\x82\x05Hello", false},
		{`< message text "Hello"`, "\x81\x05Hallo", false},
		{`< message text "Hello"`, "\x01\x02He\x81\x03llo", false},
		{"end", "", true},
		{"end", "x", false},
	}
	for _, tt := range tests {
		cases, err := Parse("case 1 x\n> ping\n" + tt.want)
		if err != nil {
			t.Fatal(err)
		}
		script, other := net.Pipe()
		go func() {
			io.ReadFull(other, make([]byte, 6)) // the masked ping
			io.WriteString(other, tt.answer)
			other.Close()
		}()
		err = cases[0].Run(Peer{Conn: script, Reader: bufio.NewReader(script), Client: true, FragmentSize: 4})
		if (err == nil) != tt.ok {
			t.Errorf("%s met %q: %v", tt.want, tt.answer, err)
		}
		script.Close()
		other.Close()
	}
}
