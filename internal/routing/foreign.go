package routing

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// Foreign returns an error if p is written as for another router, or has
// something in it that no request has. ServeMux takes many of those patterns,
// but they never match: the route is missing without a word. The error says
// what to write instead.
//
// A path that really has such a segment can be registered with the first
// character percent-encoded: "/%3Aid" matches the path /:id. And the name of a
// host that has no dot needs one at its end: "intranet./x".
func Foreign(p string) error {
	method, rest := Split(p)
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if err := foreignMethod(method, host, path); err != nil {
		return err
	}
	switch {
	case host != "" && path == "" && method == "" && isMethod(host):
		return nil // a method alone
	case host != "" && path == "" && !isHost(host):
		written := "/" + host
		if host == "*" {
			written = "/{path...}"
		}
		return fmt.Errorf("a path starts with a slash; write %q", withMethod(method, written))
	case host != "":
		if err := foreignHost(method, host, path); err != nil {
			return err
		}
	}
	return foreignPath(path)
}

// withMethod puts a method, if it is not empty, in front of the rest of a
// pattern.
func withMethod(method, rest string) string {
	if method == "" {
		return rest
	}
	return method + " " + rest
}

// standardMethods are those of RFC 9110, section 9, and PATCH (RFC 5789).
var standardMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

// methodSeparators are what people write between several methods.
const methodSeparators = " \t,|/;+&"

// standardIn returns the standard methods in a text, in capitals, whatever
// their case there.
func standardIn(text string) (methods []string) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(methodSeparators, r) }) {
		if word = strings.ToUpper(strings.Trim(word, ":")); slices.Contains(standardMethods, word) {
			methods = append(methods, word)
		}
	}
	return methods
}

// foreignMethod checks the method of a pattern, and whether its host is one.
func foreignMethod(method, host, path string) error {
	text := method
	if method == "" || strings.ContainsAny(host, " \t") || strings.Trim(method, methodSeparators) != method {
		text += " " + host
	}
	methods := standardIn(text)
	switch upper := strings.ToUpper(method); {
	case len(methods) > 1:
		return fmt.Errorf("a pattern has one method; register the handler for each of %s, or without a method for all",
			strings.Join(methods, ", "))
	case upper == "ANY", upper == "ALL", upper == "*":
		return fmt.Errorf("%s is not a method of requests; a pattern without a method matches all: write %q", method, host+path)
	case len(methods) == 0:
		return nil
	case method == "" && path != "":
		return fmt.Errorf("%q is taken for a host; write %q", host, methods[0]+" "+path)
	case method != "" && method != methods[0]:
		return fmt.Errorf("%q is not a method of requests; write %q", method, methods[0]+" "+host+path)
	case method == "" && host != methods[0]:
		return fmt.Errorf("%q is not a method of requests; write %q", host, methods[0])
	}
	return nil
}

// foreignHost checks a host.
func foreignHost(method, host, path string) error {
	name, port, err := net.SplitHostPort(host)
	switch {
	case strings.HasPrefix(path, "//") && strings.HasSuffix(host, ":"):
		host, path, _ = strings.Cut(path[len("//"):], "/")
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		return fmt.Errorf("a pattern has no scheme and no port; write %q", withMethod(method, host+"/"+path))
	case strings.Contains(host, "*"):
		return fmt.Errorf("host %q: hosts have no wildcards; register each host, or look at r.Host in a handler for all", host)
	case err == nil && method != "CONNECT":
		written := fmt.Sprintf("write %q", withMethod(method, name+path))
		if name == "" {
			written += ", and give the port to the server"
		}
		return fmt.Errorf("port %q never matches, since ServeMux compares hosts without their port; %s", port, written)
	case err != nil && !strings.Contains(host, " ") && !isHost(host) && !strings.HasPrefix(host, "{"):
		return fmt.Errorf("%q is taken for a host; if it is part of the path, write %q, and if it is a host, %q",
			host, withMethod(method, "/"+host+path), withMethod(method, host+"."+path))
	}
	return nil
}
