package routing

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode"
)

// otherSyntax returns an error if a pattern is in the syntax of another router,
// or contains something that cannot occur in a request. ServeMux accepts many
// such patterns, but they never match, so the mistake would go unnoticed. The
// error says which pattern to write instead.
//
// A path that really contains such a segment can be registered with its first
// character percent-encoded: "/%3Aid" matches the path /:id. A host name without
// a dot must be written with a trailing dot, for example "intranet./x".
func otherSyntax(pattern string) error {
	if strings.HasPrefix(pattern, "/") && strings.ContainsAny(pattern, " \t") {
		return whiteSpaceInPath(pattern)
	}
	method, rest := SplitMethod(pattern)
	host, path := splitHost(rest)
	if err := otherMethod(method, host, path); err != nil {
		return err
	}
	switch {
	case host != "" && path == "" && method == "" && isMethod(host):
		return nil // only a method
	case host != "" && path == "" && !isHost(host):
		corrected := "/" + host
		if host == "*" {
			corrected = "/{path...}"
		}
		return fmt.Errorf("a path must start with a slash; write %q", withMethodPrefix(method, corrected))
	case host != "":
		if err := otherHost(method, host, path); err != nil {
			return err
		}
	}
	return otherPath(path)
}

// whiteSpaceInPath returns the error for a pattern without a method whose path contains white
// space, so that ServeMux takes the text before it for a method.
func whiteSpaceInPath(pattern string) error {
	trimmed := strings.TrimRight(pattern, " \t\r\n")
	if !strings.ContainsAny(trimmed, " \t") {
		return fmt.Errorf("the path ends in white space; write %q", trimmed)
	}
	if strings.ContainsAny(trimmed, "{") {
		return errors.New("a path without a method must not contain white space; remove it from wildcards, and write %20 for a literal space")
	}
	return fmt.Errorf("a path without a method must not contain white space; write %q", strings.NewReplacer(" ", "%20", "\t", "%09").Replace(trimmed))
}

// withMethodPrefix returns the pattern for a method, which may be empty, and the
// rest of a pattern.
func withMethodPrefix(method, rest string) string {
	if method == "" {
		return rest
	}
	return method + " " + rest
}

// standardMethods are the methods of RFC 9110, section 9, and PATCH (RFC 5789).
var standardMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

// methodSeparators are the characters that people write between methods.
const methodSeparators = " \t,|/;+&"

// standardMethodsIn returns the standard methods in text, in upper case,
// regardless of their case in text.
func standardMethodsIn(text string) (methods []string) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(methodSeparators, r) }) {
		if word = strings.ToUpper(strings.Trim(word, ":")); slices.Contains(standardMethods, word) {
			methods = append(methods, word)
		}
	}
	return methods
}

// otherMethod returns an error if the method of a pattern is not one request
// method, or if its host looks like a method.
func otherMethod(method, host, path string) error {
	text := method
	if method == "" || strings.ContainsAny(host, " \t") || strings.Trim(method, methodSeparators) != method {
		text += " " + host
	}
	methods := standardMethodsIn(text)
	switch upper := strings.ToUpper(method); {
	case len(methods) > 1:
		return fmt.Errorf("a pattern can have only one method; register the handler once for each of %s, or without a method for all methods",
			strings.Join(methods, ", "))
	case upper == "ANY", upper == "ALL", upper == "*":
		return fmt.Errorf("%q is not a request method; to match all methods, write %q", method, host+path)
	case len(methods) == 0:
		return nil
	case method == "" && path != "":
		return fmt.Errorf("%q is parsed as a host; write %q", host, methods[0]+" "+path)
	case method != "" && method != methods[0]:
		return fmt.Errorf("%q is not a request method; write %q", method, methods[0]+" "+host+path)
	case method == "" && host != methods[0]:
		return fmt.Errorf("%q is not a request method; write %q", host, methods[0])
	}
	return nil
}

// otherHost returns an error if the host of a pattern has a scheme, a port or a
// wildcard, or looks like the first segment of a path.
func otherHost(method, host, path string) error {
	name, port, err := net.SplitHostPort(host)
	switch {
	case strings.Trim(host, ".") == "":
		return fmt.Errorf("%q is parsed as a host; write %q", host, withMethodPrefix(method, path))
	case strings.HasPrefix(path, "//") && strings.HasSuffix(host, ":"):
		host, path, _ = strings.Cut(path[len("//"):], "/")
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		return fmt.Errorf("a pattern cannot have a scheme or a port; write %q", withMethodPrefix(method, host+"/"+path))
	case strings.Contains(host, "*"):
		return fmt.Errorf("host %q contains a wildcard, but only paths can; register each host, or match all hosts and check r.Host in the handler", host)
	case err == nil && method != "CONNECT":
		advice := fmt.Sprintf("write %q", withMethodPrefix(method, name+path))
		if name == "" {
			advice += ", and set the port in the server's address"
		}
		return fmt.Errorf("port %q never matches, because ServeMux compares hosts without their port; %s", port, advice)
	case err != nil && !strings.Contains(host, " ") && !isHost(host) && !strings.HasPrefix(host, "{"):
		return fmt.Errorf("%q is parsed as a host; write %q if it is part of the path, or %q if it is a host",
			host, withMethodPrefix(method, "/"+host+path), withMethodPrefix(method, host+"."+path))
	}
	return nil
}

// otherSyntaxInPrefix is otherSyntax for the prefix of a group.
func otherSyntaxInPrefix(prefix string) error {
	segments := splitSegments(strings.TrimSuffix(prefix, "/"))
	for i, segment := range segments {
		if i == len(segments)-1 && segment != "" && strings.Trim(segment, "*") == "" {
			return fmt.Errorf("a prefix covers all paths below it; remove %q", "/"+segment)
		}
		if err := otherSegment(segment, false); err != nil {
			return err
		}
	}
	return nil
}

// otherPath is otherSyntax for a path, which may be empty.
func otherPath(path string) error {
	segments := splitSegments(path)
	for i, segment := range segments {
		if err := otherSegment(segment, i == len(segments)-1); err != nil {
			return err
		}
	}
	switch {
	case strings.ContainsAny(path, "?#"):
		return errors.New("a pattern cannot have a query or a fragment; read the query in the handler, or write %3F or %23 for a literal ? or #")
	case strings.TrimRight(path, " \t\r\n") != path:
		return errors.New("the path ends in white space; remove it")
	}
	return nil
}

// splitSegments splits a path at its slashes, except at those inside braces.
func splitSegments(path string) (segments []string) {
	depth, start := 0, 1
	for i, c := range path {
		switch {
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '/' && depth == 0 && i > 0:
			segments = append(segments, path[start:i])
			start = i + 1
		}
	}
	if start > len(path) {
		return nil
	}
	return append(segments, path[start:])
}

// otherSegment is otherSyntax for one segment of a path. last reports whether it
// is the last one.
func otherSegment(segment string, last bool) error {
	if segment == "" {
		return nil
	}
	first, inner, end := segment[0], segment[1:], segment[len(segment)-1]
	switch {
	case first == ':' && leadingIdentifier(inner) != "":
		return literalSegment(segment, "is a parameter in gin, echo and httprouter", asWildcard(inner, false), "%3A")
	case first == '*':
		return literalSegment(segment, "matches the rest of the path in chi, gin and echo", asWildcard(inner, last), "%2A")
	case first == '<' && end == '>':
		converter, name, found := strings.Cut(strings.TrimSuffix(inner, ">"), ":")
		if !found || slices.Contains(converters, name) && !slices.Contains(converters, converter) {
			name, converter = converter, name // <name>, or <name:converter> as in Bottle and Sanic
		}
		multi := last && (converter == "path" || strings.HasSuffix(name, ".."))
		return literalSegment(segment, "is a parameter in Flask and Django", asWildcard(name, multi), "%3C")
	case first == '(' && end == ')' && strings.ContainsAny(inner, `?*+\[`):
		_, name, _ := strings.Cut(inner, "<")
		return literalSegment(segment, "is a regular expression in Django and Express", asWildcard(name, last && strings.Contains(inner, ".*")), "%28")
	case first == '{' && end == '}':
		return otherWildcard(segment, strings.TrimSuffix(inner, "}"), last)
	case strings.Contains(segment, "{") && strings.Contains(segment, "}") && !strings.ContainsAny(segment, "?#"):
		return partialWildcard(segment)
	}
	return nil
}

// converters are the types of parameters in Python frameworks.
var converters = []string{"int", "float", "str", "string", "slug", "uuid", "path", "re"}

// partialWildcard returns the error for a segment that contains a wildcard and other text.
func partialWildcard(segment string) error {
	_, text, _ := strings.Cut(segment, "{")
	return fmt.Errorf("%q has a wildcard for a part of a segment, as in chi and gorilla/mux; write %q and split the value in the handler",
		segment, asWildcard(text, false))
}

// literalSegment returns the error for a segment that ServeMux takes literally,
// given its meaning elsewhere, the wildcard to write instead, and the escape for
// its first character.
func literalSegment(segment, meaning, wildcard, escape string) error {
	literal := escape + strings.NewReplacer("?", "%3F", "#", "%23").Replace(segment[1:])
	return fmt.Errorf("%q %s, but here it matches only itself; write %q, or %q for the literal segment",
		segment, meaning, wildcard, literal)
}

// otherWildcard returns an error if inner, the text between the braces of a
// segment, is in the syntax of another router.
func otherWildcard(segment, inner string, last bool) error {
	name, constraint, constrained := strings.Cut(inner, ":")
	optional, isOptional := strings.CutSuffix(inner, "?")
	switch {
	case constrained && last && (constraint == ".*" || constraint == ".+" || constraint == "path"):
		return fmt.Errorf("%q matches the rest of the path in chi and gorilla/mux; write %q", segment, asWildcard(name, true))
	case constrained:
		return fmt.Errorf("%q has a constraint, as in chi and gorilla/mux; write %q and check the value in the handler",
			segment, asWildcard(name, false))
	case isOptional:
		return fmt.Errorf("%q is an optional parameter in other routers; write %q, and register the path without it too",
			segment, asWildcard(optional, false))
	case strings.Contains(inner, "*"):
		return fmt.Errorf("%q matches the rest of the path in other routers; write %q", segment, asWildcard(strings.Trim(inner, "*"), last))
	case strings.ContainsAny(inner, "{}"):
		return partialWildcard(segment)
	}
	return wildcardOfName(segment, inner, last)
}

// wildcardOfName returns an error if the name of a wildcard, the text between its braces, is
// not a Go identifier.
func wildcardOfName(segment, inner string, last bool) error {
	name, _ := strings.CutSuffix(inner, "...")
	if inner == "$" || name != "" && leadingIdentifier(name) == name {
		return nil
	}
	isPunctuation := func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' }
	core := strings.TrimFunc(name, isPunctuation)
	identifier := strings.Map(func(c rune) rune {
		if c == '-' || c == '.' || c == ' ' {
			return '_'
		}
		return c
	}, core)
	rest := last && (name != inner || strings.ContainsAny(inner, "+") || strings.Contains(inner, ".."))
	return fmt.Errorf("%q is not a wildcard, because a name must be a Go identifier; write %q", segment, asWildcard(identifier, rest))
}

// asWildcard returns the ServeMux wildcard with the name that text begins with:
// {name...} if multi is set, otherwise {name}. If text does not begin with a
// name, the result is {path...} or {name}.
func asWildcard(text string, multi bool) string {
	name := leadingIdentifier(text)
	switch {
	case name == "" && multi:
		name = "path"
	case name == "":
		name = "name"
	}
	if multi {
		return "{" + name + "...}"
	}
	return "{" + name + "}"
}

// leadingIdentifier returns the Go identifier that text begins with, or "".
func leadingIdentifier(text string) string {
	for i, c := range text {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return text[:i]
		}
	}
	return text
}
