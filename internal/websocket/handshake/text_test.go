package handshake

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                               "",
		"403 Forbidden":                  "403 Forbidden",
		`"quoted" \ κόσμε`:               `"quoted" \ κόσμε`,
		"\x1b[2J\a\r\n\x7f":              `\x1b[2J\a\r\n\x7f`,
		"\u009b\u202e\u2028":             `\u009b\u202e\u2028`,
		"\xff\xc3":                       `\xff\xc3`,
		"\uFFFD":                         "\uFFFD",
		"0123456789abc":                  "0123456789abc",
		strings.Repeat("a", 30) + "\x00": strings.Repeat("a", 30) + "...",
	} {
		if got := printable(in, 30); got != want {
			t.Errorf("printable(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ws://ada:secret@exa mple.com/a?b": "ws://xxxxx@exa mple.com/a?b",
		"ws://exa mple.com:80/a":           "ws://exa mple.com:80/a",
		"ws://[::1/":                       "ws://[:xxxxx",
		"ws://[::1]:80/%zz":                "ws://[::1]:80/%zz",
		"ws://[::1]:secret/":               "ws://[::1]:xxxxx",
		"ws://ada:secret":                  "ws://ada:xxxxx",
		"ws://ada:secret/word?c":           "ws://ada:xxxxx",
		"ada:secret@host":                  "xxxxx@host",
		"/path%zz":                         "/path%zz",
		"%zz:80":                           "%zz:80",
	} {
		if got := redactURL(in); got != want {
			t.Errorf("redactURL(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRedactedErrorsAreFound(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := error(&redactedError{&url.Error{Op: "parse", URL: "http://ada:secret@host", Err: cause}})
	var parse *url.Error
	if !errors.Is(err, cause) || errors.As(err, &parse) || err.Error() != `parse "xxxxx": cause` {
		t.Errorf("%v", err)
	}
	if err := (&redactedError{cause}); err.Error() != "cause" {
		t.Errorf("%v", err)
	}
}

// FuzzTexts checks that error texts are printable and short, and that they
// contain no password, wherever the URL is malformed.
func FuzzTexts(f *testing.F) {
	f.Add("exa mple.com:port/%zz", "user")
	f.Add("\x1b\u202e\xff", "a\"b")
	f.Add("@?//", "//")
	f.Fuzz(func(t *testing.T, rest, user string) {
		clean := printable(rest, 50)
		if len(clean) > 50*10 || !utf8.ValidString(clean) || strings.ContainsFunc(clean, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("printable(%q) = %q", rest, clean)
		}
		raw := "ws://" + user + ":s3cret@" + rest
		if strings.Contains(rest+user, "s3cret") {
			return
		}
		if got := redactURL(raw); strings.Contains(got, "s3cret") {
			t.Errorf("redactURL(%q) = %q", raw, got)
		}
		if _, err := url.Parse(raw); err != nil && strings.Contains(badURL(raw, err).Error(), "s3cret") {
			t.Errorf("%v", badURL(raw, err))
		} else if err != nil && strings.Contains((&redactedError{err}).Error(), "s3cret") {
			t.Errorf("%v", &redactedError{err})
		}
		if got := redactLocation(raw); strings.Contains(got, "s3cret") {
			t.Errorf("redactLocation(%q) = %q", raw, got)
		}
	})
}
