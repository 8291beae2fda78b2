package routing

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// ForeignPrefix is [Foreign] for the prefix of a group.
func ForeignPrefix(prefix string) error {
	segments := segmentsOf(strings.TrimSuffix(prefix, "/"))
	for i, segment := range segments {
		if i == len(segments)-1 && segment != "" && strings.Trim(segment, "*") == "" {
			return fmt.Errorf("a group has all paths below its prefix; leave %q out", "/"+segment)
		}
		if err := foreignSegment(segment, false); err != nil {
			return err
		}
	}
	return nil
}

// foreignPath is [Foreign] for a path, which may be empty.
func foreignPath(path string) error {
	segments := segmentsOf(path)
	for i, segment := range segments {
		if err := foreignSegment(segment, i == len(segments)-1); err != nil {
			return err
		}
	}
	switch {
	case strings.ContainsAny(path, "?#"):
		return errors.New("a pattern has no query and no fragment; read the query in the handler, and write %3F and %23 for the characters in a path")
	case strings.TrimRight(path, " \t") != path:
		return errors.New("the path ends in white space")
	}
	return nil
}

// segmentsOf cuts a path at its slashes, but not at those in braces.
func segmentsOf(path string) (segments []string) {
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

// foreignSegment checks one segment of a path.
func foreignSegment(segment string, last bool) error {
	switch {
	case len(segment) < 1:
	case segment[0] == ':' && identifier(segment[1:]) != "":
		return meant(segment, "a parameter in gin, echo and httprouter", wildcardFor(segment[1:], false), "%3A")
	case segment[0] == '*':
		return meant(segment, "the rest of the path in chi, gin and echo", wildcardFor(segment[1:], last), "%2A")
	case segment[0] == '<' && segment[len(segment)-1] == '>':
		kind, name, found := strings.Cut(segment[1:len(segment)-1], ":")
		if !found {
			name = kind
		}
		return meant(segment, "a parameter in Flask and Django", wildcardFor(name, last && (kind == "path" || strings.HasSuffix(name, ".."))), "%3C")
	case segment[0] == '{' && segment[len(segment)-1] == '}':
		return foreignWildcard(segment, segment[1:len(segment)-1], last)
	}
	return nil
}

// foreignWildcard checks what is between the braces of a segment.
func foreignWildcard(segment, inner string, last bool) error {
	name, constraint, constrained := strings.Cut(inner, ":")
	optional, isOptional := strings.CutSuffix(inner, "?")
	switch {
	case constrained && last && (constraint == ".*" || constraint == ".+" || constraint == "path"):
		return meant(segment, "the rest of the path in chi and gorilla/mux", wildcardFor(name, true), "")
	case constrained:
		return fmt.Errorf("%q has a constraint as in chi and gorilla/mux; write %q and check the value in the handler",
			segment, wildcardFor(name, false))
	case isOptional:
		return fmt.Errorf("%q is an optional parameter in other routers; write %q, and register the path without it too",
			segment, wildcardFor(optional, false))
	case strings.Contains(inner, "*"):
		return meant(segment, "the rest of the path in other routers", wildcardFor(strings.Trim(inner, "*"), last), "")
	}
	return nil
}

// meant returns the error for a segment that means something in other routers.
// If it is legal, escape is how its first character is written literally.
func meant(segment, elsewhere, written, escape string) error {
	if escape == "" {
		return fmt.Errorf("%q is %s; write %q", segment, elsewhere, written)
	}
	return fmt.Errorf("%q is %s, and matches only itself here; write %q, or %q for the literal segment",
		segment, elsewhere, written, escape+strings.NewReplacer("?", "%3F", "#", "%23").Replace(segment[1:]))
}

// wildcardFor returns the wildcard of ServeMux with the name that a text begins
// with.
func wildcardFor(text string, multi bool) string {
	name := identifier(text)
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

// identifier returns the Go identifier that a text begins with, or "".
func identifier(text string) string {
	for i, c := range text {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return text[:i]
		}
	}
	return text
}
