// Package stacks builds the same applications on this package and on its
// peers, for benchmarks that compare them: a router for a table of routes, and
// a small API behind the usual chain of middleware.
//
// Contestants do the same work: they read the same parameters, log the same
// facts in one JSON line through log/slog, and answer the same bytes. Tests
// hold them to it before anything is measured.
package stacks

import (
	_ "embed"
	"net/http"
	"strings"
)

// A Contestant is a handler to measure.
type Contestant struct {
	Name    string
	Handler http.Handler
}

// A Route is a method and a path with wildcards in braces.
type Route struct {
	Method, Path string
	Params       []string // names of the wildcards
}

//go:embed github.txt
var github string

// GitHub returns the 203 routes of version 3 of GitHub's API.
func GitHub() []Route {
	var routes []Route
	for line := range strings.Lines(github) {
		fields := strings.Fields(line)
		for _, method := range fields[:len(fields)-1] {
			routes = append(routes, NewRoute(method, fields[len(fields)-1]))
		}
	}
	return routes
}

// NewRoute returns the route for a path, with its parameters found.
func NewRoute(method, path string) Route {
	r := Route{Method: method, Path: path}
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			r.Params = append(r.Params, strings.TrimSuffix(name, "}"))
		}
	}
	return r
}

// colons returns the path in the syntax of routers that write :name.
func (r Route) colons() string {
	return strings.ReplaceAll(strings.ReplaceAll(r.Path, "{", ":"), "}", "")
}

// Example returns a path that the route matches.
func (r Route) Example() string {
	path := r.Path
	for _, name := range r.Params {
		path = strings.Replace(path, "{"+name+"}", "a-"+name, 1)
	}
	return path
}
