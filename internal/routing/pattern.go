package routing

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// SplitMethod splits a pattern into its method and the rest, which is the host
// and path. As in ServeMux, the method ends at the first space or tab, and any
// number of them may follow. A pattern without white space has no method.
func SplitMethod(pattern string) (method, rest string) {
	i := strings.IndexAny(pattern, " \t")
	if i < 0 {
		return "", pattern
	}
	return pattern[:i], strings.TrimLeft(pattern[i+1:], " \t")
}

// JoinPattern returns the pattern with prefix inserted before its path. prefix
// is empty or a result of [JoinPrefix]. For example, the prefix "/api" and the
// pattern "GET /users" give "GET /api/users".
//
// If prefix is not empty, a pattern without a path matches the prefix itself.
// For example, "", "GET" and "GET example.com" are valid. A single word is a
// method if it is in upper case, and a host if it contains a dot or a colon or
// is "localhost".
//
// JoinPattern returns an error if the path is missing in any other case. There is
// one exception: if prefix is empty, it leaves a pattern of only a method or a
// host, such as "GET", to [Mux.Register], which rejects it. JoinPattern also
// returns an error if the host contains white space, or if the pattern is in the
// syntax of another router; see otherSyntax. In case of an error, full is the
// pattern to name in the message.
func JoinPattern(prefix, pattern string) (full string, err error) {
	full, err = insertPrefix(prefix, pattern)
	if err != nil {
		full = pattern
	}
	return full, cmp.Or(otherSyntax(pattern), err)
}

// insertPrefix inserts prefix before the path of pattern.
func insertPrefix(prefix, pattern string) (string, error) {
	_, rest := SplitMethod(pattern)
	if host, path := splitHost(rest); path != "" {
		if strings.ContainsAny(host, " \t") {
			return "", fmt.Errorf("host %q contains white space; remove it", host)
		}
		return strings.TrimSuffix(pattern, path) + prefix + path, nil
	}
	switch {
	case prefix == "" && pattern == "":
		return "", errors.New("empty pattern; the path is required")
	case prefix == "", rest == "", isHost(rest):
		return pattern + prefix, nil
	case isMethod(pattern):
		return pattern + " " + prefix, nil
	}
	return "", fmt.Errorf("%q is neither a method nor a host; a path must start with a slash (group prefix %q)", rest, prefix)
}

// splitHost splits rest, a pattern without its method, into its host and path.
// If there is no slash, path is empty.
func splitHost(rest string) (host, path string) {
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

// isMethod reports whether a word is written like a request method: in
// upper-case letters, digits, hyphens and underscores, starting with a letter.
func isMethod(word string) bool {
	for i := range len(word) {
		c := word[i]
		capital := 'A' <= c && c <= 'Z'
		if !capital && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return word != ""
}

// isHost reports whether a word looks like a host name or address rather than a
// path segment.
func isHost(word string) bool {
	return strings.EqualFold(word, "localhost") || strings.ContainsAny(word, ".:") && !strings.ContainsAny(word, " \t")
}

// JoinPrefix returns prefix followed by sub, which is the prefix of a group
// inside a group. A slash at the end of sub is dropped, so "" and "/" leave
// prefix unchanged.
//
// JoinPrefix returns an error if sub does not start with a slash, contains white
// space, is not clean, cannot be followed by a path, or is in the syntax of
// another router.
func JoinPrefix(prefix, sub string) (string, error) {
	if err := otherSyntaxInPrefix(sub); err != nil {
		return "", err
	}
	full := prefix + strings.TrimSuffix(sub, "/")
	switch {
	case sub != "" && sub[0] != '/':
		return "", errors.New("the prefix must start with a slash")
	case strings.ContainsAny(sub, " \t"):
		return "", errors.New("the prefix must not contain white space, a method or a host")
	case full == prefix:
		return prefix, nil
	}
	// ServeMux decides which prefixes are valid. If the pattern has a method, it
	// also rejects unclean paths.
	err := checkPattern("GET " + full + "/path")
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // the outer errors have offsets in the pattern built above
	}
	return full, err
}

// checkPattern returns an error if a pattern is not valid: either ServeMux
// rejects it, or its path has an empty segment. ServeMux accepts empty segments
// if the method is CONNECT or missing, but then matches them with any segment,
// which shifts the values of the wildcards.
func checkPattern(pattern string) error {
	if err := tryHandle(new(http.ServeMux), pattern, http.NotFoundHandler()); err != nil {
		return err
	}
	if _, rest := SplitMethod(pattern); strings.Contains(rest, "//") {
		return errors.New("the path has an empty segment; write / instead of //")
	}
	return nil
}

// tryHandle registers handler for pattern on mux. It returns an error if mux
// rejects the pattern because it is not valid or conflicts with another one.
func tryHandle(mux *http.ServeMux, pattern string, handler http.Handler) (err error) {
	defer func() {
		if refusal := recover(); refusal != nil {
			err = refusalError(refusal)
		}
	}()
	mux.Handle(pattern, handler)
	return nil
}

// refusalError returns the value that ServeMux panicked with as an error. If it
// wraps another error, refusalError returns that one: the text around it repeats
// the pattern, which the caller's message names anyway.
func refusalError(refusal any) error {
	err, ok := refusal.(error)
	if !ok {
		return fmt.Errorf("%v", refusal)
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
