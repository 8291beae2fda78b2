package frame_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

func TestParseClose(t *testing.T) {
	t.Parallel()
	tests := []struct {
		payload string
		code    int
		reason  string
		fail    int // close code of the violation; 0 if there is none
	}{
		{"", 1005, "", 0},
		{"\x03", 0, "", 1002},
		{"\x03\xe8", 1000, "", 0},
		{"\x03\xe8bye", 1000, "bye", 0},
		{"\x03\xe8κόσμε", 1000, "κόσμε", 0},
		{"\x03\xe8\xce", 0, "", 1007},
		{"\x03\xe8\xed\xa0\x80", 0, "", 1007},
		{"\x0b\xb8", 3000, "", 0},
		{"\x13\x87", 4999, "", 0},
		{"\x13\x88", 0, "", 1002},
		{"\xff\xff", 0, "", 1002},
		{"\x00\x00\xff", 0, "", 1002},
	}
	for _, tt := range tests {
		code, reason, err := frame.ParseClose([]byte(tt.payload))
		fail := 0
		if violation := (*frame.Error)(nil); errors.As(err, &violation) {
			fail = violation.Code
		}
		if code != tt.code || reason != tt.reason || fail != tt.fail {
			t.Errorf("ParseClose(%q) = %d, %q, %v; want %d, %q, failure %d", tt.payload, code, reason, err, tt.code, tt.reason, tt.fail)
		}
	}
}

func TestValidCodeIsWhatMayStandOnTheWire(t *testing.T) {
	t.Parallel()
	valid := func(code int) bool {
		switch code {
		case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014:
			return true
		}
		return code >= 3000 && code < 5000
	}
	for code := -1; code <= 1<<16; code++ {
		if got := frame.ValidCode(code); got != valid(code) {
			t.Errorf("ValidCode(%d) = %v", code, got)
		}
	}
}

func TestAppendCloseCutsTheReasonAtARune(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, reason, want string }{
		{"short", "bye", "bye"},
		{"exactly 123 bytes", strings.Repeat("x", 123), strings.Repeat("x", 123)},
		{"124 bytes", strings.Repeat("x", 124), strings.Repeat("x", 123)},
		{"rune over the end", strings.Repeat("x", 122) + "é", strings.Repeat("x", 122)},
		{"long rune over the end", strings.Repeat("x", 120) + "\U0001F600", strings.Repeat("x", 120)},
		{"rune up to the end", strings.Repeat("x", 121) + "éé", strings.Repeat("x", 121) + "é"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"not UTF-8, cut", strings.Repeat("\xff\x20", 100), strings.Repeat("\uFFFD ", 30) + "\uFFFD"},
	}
	for _, tt := range tests {
		got := string(frame.AppendClose([]byte("before"), 4000, tt.reason))
		if want := "before\x0f\xa0" + tt.want; got != want {
			t.Errorf("%s: %q, want %q", tt.name, got, want)
		}
	}
}

func TestAppendCloseWithoutAStatusIsEmpty(t *testing.T) {
	t.Parallel()
	if got := frame.AppendClose(nil, frame.CodeNoStatus, "ignored"); len(got) != 0 {
		t.Errorf("payload %x", got)
	}
}

func FuzzCloseEncodeThenParse(f *testing.F) {
	f.Add(1000, "bye")
	f.Add(1001, strings.Repeat("é", 80))
	f.Add(4999, "\xff")
	f.Fuzz(func(t *testing.T, code int, reason string) {
		if !frame.ValidCode(code) {
			return
		}
		payload := frame.AppendClose(nil, code, reason)
		if len(payload) > frame.MaxControl {
			t.Fatalf("payload of %d bytes", len(payload))
		}
		gotCode, gotReason, err := frame.ParseClose(payload)
		if err != nil || gotCode != code {
			t.Fatalf("%d, %q is decoded as %d, %q, %v", code, reason, gotCode, gotReason, err)
		}
		if utf8.ValidString(reason) && !strings.HasPrefix(reason, gotReason) {
			t.Errorf("reason %q is decoded as %q", reason, gotReason)
		}
	})
}

func FuzzParseClose(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("\x03\xe8\xce\xba\xe1"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		code, reason, err := frame.ParseClose(payload)
		if err != nil {
			return
		}
		if !utf8.ValidString(reason) || code != frame.CodeNoStatus && !frame.ValidCode(code) {
			t.Errorf("ParseClose(%x) returns %d, %q", payload, code, reason)
		}
	})
}
