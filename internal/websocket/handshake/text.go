package handshake

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxQuoted is the maximum number of bytes of a peer's text that an error
	// quotes.
	maxQuoted = 200

	// maxError is the maximum number of bytes of an error's text, before
	// escaping. Errors of other packages may contain long texts of the peer.
	maxError = 500
)

// quote returns the first maxQuoted bytes of a peer's text as a quoted Go
// string.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

// quoteLines quotes the first line of a header field and counts the others.
func quoteLines(lines []string) string {
	switch len(lines) {
	case 0:
		return "missing"
	case 1:
		return quote(lines[0])
	}
	return fmt.Sprintf("%s and %d more", quote(lines[0]), len(lines)-1)
}

// printable returns the first n bytes of s, extended to the end of a rune. It
// escapes bytes and runes that are not printable.
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

// A printableError wraps an error whose text may contain text of the peer. It
// escapes and shortens the text.
type printableError struct{ err error }

func (e *printableError) Error() string { return printable(e.err.Error(), maxError) }
func (e *printableError) Unwrap() error { return e.err }

// hidden replaces user names and passwords in error texts.
const hidden = "xxxxx"

// badURL returns the error of a URL that url.Parse cannot parse, without user
// information. It drops the parts of the URL that url.Parse quotes, because
// they may be part of the password.
func badURL(rawURL string, err error) error {
	reason := err
	var parseError *url.Error
	if errors.As(err, &parseError) {
		reason = parseError.Err
	}
	return &url.Error{Op: "parse", URL: redactURL(rawURL), Err: errors.New(withoutQuotes(reason.Error(), ""))}
}

// redactURL replaces the user information of a URL, which may be malformed:
// everything between // and the last @ or, if there is no @, everything after
// the host's colon unless a port follows the colon. For example,
// ws://ada:secret@host becomes ws://xxxxx@host.
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

// redactLocation removes user information from a Location, unless it is only a
// path.
func redactLocation(location string) string {
	if u, err := url.Parse(location); err == nil && u.Scheme == "" && u.Host == "" {
		return location
	}
	return redactURL(location)
}

// A redactedError is an error of the Proxy function. Its text contains no user
// information from URLs. If the original text may contain a URL, quoted text is
// replaced too. A redactedError has no Unwrap method, because the text of the
// wrapped error may contain a password, but [errors.Is] finds the wrapped
// error.
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

// withoutQuotes replaces the text from the first to the last quotation mark,
// including both. If replacement is empty, it also removes a space before the
// text.
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

// joinErrors returns one error that wraps all errors that are not nil, or nil
// if there are none. Unlike errors.Join, it puts their texts on one line.
func joinErrors(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return joinedErrors(errs)
}

// joinedErrors are the errors of one configuration or message.
type joinedErrors []error

// Error returns the texts of all errors.
func (e joinedErrors) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns all errors.
func (e joinedErrors) Unwrap() []error { return e }
