package handshake

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxQuoted is how much of one text of a peer an error quotes, in bytes.
	maxQuoted = 200

	// maxError is the length of an error's text, if other packages have put
	// a peer's text into it.
	maxError = 500
)

// quote returns the start of a text that a peer sent, in quotation marks and
// with everything escaped that is not printable.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

// quoteLines quotes the lines of a field.
func quoteLines(lines []string) string {
	switch len(lines) {
	case 0:
		return "missing"
	case 1:
		return quote(lines[0])
	}
	return fmt.Sprintf("%s and %d more", quote(lines[0]), len(lines)-1)
}

// printable returns the start of a text, of at most n bytes, with everything
// escaped that is not printable.
func printable(s string, n int) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if i >= n {
			b.WriteString("...")
			break
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		text := s[i : i+size]
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			text = strconv.Quote(text)
			text = text[1 : len(text)-1]
		}
		b.WriteString(text)
		i += size
	}
	return b.String()
}

// A printableError is an error with the printable start of its text, since that
// may hold what a peer sent.
type printableError struct{ err error }

func (e *printableError) Error() string { return printable(e.err.Error(), maxError) }
func (e *printableError) Unwrap() error { return e.err }

// hidden replaces user names and passwords in texts.
const hidden = "xxxxx"

// badURL returns the error of a URL that cannot be parsed, without its user
// information and without what [url.Parse] says of its parts.
func badURL(rawURL string, err error) error {
	reason := err
	var parseError *url.Error
	if errors.As(err, &parseError) {
		reason = parseError.Err
	}
	return &url.Error{Op: "parse", URL: redactURL(rawURL), Err: errors.New(withoutQuotes(reason.Error(), ""))}
}

// redactURL takes user information out of a URL that may not be well formed:
// everything up to the last @, or else after the host what is no port.
func redactURL(rawURL string) string {
	start := 0
	if i := strings.Index(rawURL, "//"); i >= 0 {
		start = i + 2
	}
	if i := strings.LastIndexByte(rawURL, '@'); i >= start {
		return rawURL[:start] + hidden + rawURL[i:]
	}
	authority := rawURL[start:]
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	host := 0
	if strings.HasPrefix(authority, "[") {
		host = strings.IndexByte(authority, ']') + 1
	}
	if i := strings.IndexByte(authority[host:], ':'); i >= 0 && start > 0 {
		i += host
		if strings.Trim(authority[i+1:], "0123456789") != "" {
			return rawURL[:start+i+1] + hidden
		}
	}
	return rawURL
}

// redactLocation takes user information out of a Location. A path has none.
func redactLocation(location string) string {
	if u, err := url.Parse(location); err == nil && u.Scheme == "" && u.Host == "" {
		return location
	}
	return redactURL(location)
}

// A redactedError is an error without the user information that is in the URLs
// of its text. It cannot be unwrapped, but [errors.Is] looks into it.
type redactedError struct{ err error }

func (e *redactedError) Error() string {
	text := e.err.Error()
	if !strings.ContainsRune(text, '@') && !strings.Contains(text, "//") {
		return text
	}
	return redactURL(withoutQuotes(text, strconv.Quote(hidden)))
}

// Is implements the interface of [errors.Is].
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// withoutQuotes replaces everything between the first and the last quotation
// mark.
func withoutQuotes(s, replacement string) string {
	first, last := strings.IndexByte(s, '"'), strings.LastIndexByte(s, '"')
	if first == last {
		return s
	}
	if replacement == "" {
		return strings.TrimSuffix(s[:first], " ") + s[last+1:]
	}
	return s[:first] + replacement + s[last+1:]
}
