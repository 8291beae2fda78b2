package routing

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Split cuts p into its method and the rest, a host and a path. As in
// ServeMux the method ends at the first space or tab, any number of which may
// follow it; without one there is no method.
func Split(p string) (method, rest string) {
	i := strings.IndexAny(p, " \t")
	if i < 0 {
		return "", p
	}
	return p[:i], strings.TrimLeft(p[i+1:], " \t")
}

// Join puts a group's prefix before the path of p, after its method and host.
// The prefix is one that [Extend] returned. A p without a path names the prefix
// itself, so "", "GET" and "GET example.com" are patterns here; a single word is
// a method if it is written in capitals, a host if it looks like one (it has a
// dot or a colon, or is "localhost"), and otherwise most likely a path that
// lacks its slash, which is an error. With an empty prefix p is returned as it
// is, after the one check that ServeMux leaves out: white space in a host, as
// in " GET /path", makes a route that no request ever reaches.
func Join(prefix, p string) (string, error) {
	_, rest := Split(p)
	path := strings.IndexByte(rest, '/')
	if path >= 0 {
		if host := rest[:path]; strings.ContainsAny(host, " \t") {
			return "", fmt.Errorf("host %q contains white space", host)
		}
		at := len(p) - len(rest) + path
		return p[:at] + prefix + p[at:], nil
	}
	switch {
	case prefix == "" && p == "":
		return "", errors.New("empty pattern")
	case prefix == "", rest == "", isHost(rest):
		return p + prefix, nil
	case isMethod(p):
		return p + " " + prefix, nil
	}
	return "", fmt.Errorf("%q is neither a method nor a host, and a path starts with a slash (prefix %q)", rest, prefix)
}

// isMethod reports whether a word is written like a request method: capitals,
// digits, hyphens and underscores, starting with a capital.
func isMethod(word string) bool {
	for i := range len(word) {
		c := word[i]
		letter := 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return word != ""
}

// isHost reports whether a word looks like a host name or address rather than
// like a path segment.
func isHost(word string) bool {
	return strings.EqualFold(word, "localhost") || strings.ContainsAny(word, ".:") && !strings.ContainsAny(word, " \t")
}

// Extend returns prefix followed by sub, the prefix of a group inside a group.
// A slash at the end of sub has no meaning and is dropped; "" and "/" leave
// the prefix as it is. It is an error if sub does not start with a slash, has
// white space in it, is not clean, or is something that no path can follow.
func Extend(prefix, sub string) (string, error) {
	full := prefix + strings.TrimSuffix(sub, "/")
	switch {
	case sub != "" && sub[0] != '/':
		return "", errors.New("a prefix starts with a slash")
	case strings.ContainsAny(sub, " \t"):
		return "", errors.New("a prefix has no white space, method or host")
	case full == prefix:
		return prefix, nil
	}
	// The mux itself is the judge of what can stand before a path. The method
	// makes it refuse unclean paths.
	err := Check("GET " + full + "/path")
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // the offset in the outer errors counts in the trial pattern
	}
	return full, err
}

// Register registers handler for p on mux and returns an error if the mux
// refuses the pattern. For a pattern that no mux takes, the error says what is
// wrong with it. If mux has a pattern that conflicts with p, [Conflict] finds
// out which.
func Register(mux *http.ServeMux, p string, handler http.Handler) (err error) {
	defer func() {
		if refusal := recover(); refusal != nil {
			err = reason(refusal)
		}
	}()
	mux.Handle(p, handler)
	return nil
}

// Check returns an error if p is not a valid pattern: that of [Register] on a
// mux without patterns, or one about an empty segment in the path. ServeMux
// takes those if the method is CONNECT or missing, but then matches them with
// any segment, and the values of the wildcards shift.
func Check(p string) error {
	if err := Register(new(http.ServeMux), p, http.NotFoundHandler()); err != nil {
		return err
	}
	if _, rest := Split(p); strings.Contains(rest, "//") {
		return errors.New("the path has an empty segment; write one slash in place of //")
	}
	return nil
}

// reason returns the value that ServeMux panicked with as an error. If that
// wraps another error, the text around the inner one is dropped: it repeats the
// pattern, which the caller is going to name.
func reason(refusal any) error {
	err, ok := refusal.(error)
	if !ok {
		return fmt.Errorf("%v", refusal)
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
