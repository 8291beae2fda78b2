// Package stacks builds the same applications with this package and with its
// peers, for benchmarks that compare them: a router with a table of routes,
// each middleware alone, a small API with the usual chain of middleware, and
// handlers that use helpers.
//
// Contestants do the same work: they read the same parameters, log the same
// facts in one JSON line with log/slog, and send the same bytes. Tests check
// this before anything is measured. If a package does not have a feature, it is
// left out of the row.
//
// A benchmark is named
//
//	Benchmark<Topic>/row=<row>/by=<contestant>
//
// for example BenchmarkRouter/row=static/by=chi, so that benchstat can show the
// contestants side by side:
//
//	go test ./stacks -run '^$' -bench Router -count 10 > new.txt
//	benchstat -row /row -col /by new.txt
//
// The topics are Router, Middleware, Chain, Helpers, Prometheus, RateLimit,
// WebSocket, and SSE. This package is by=stanza, and comes first in each row.
package stacks

import (
	_ "embed"
	nethttp "net/http"
	"strings"
)

// A Contestant is a handler to measure.
type Contestant struct {
	Name    string
	Handler nethttp.Handler
}

// A Row is a line of a table: handlers that are measured with the same request.
type Row struct {
	Name    string
	Request *nethttp.Request
	Body    string // of the request

	// Contestants do the same work. Their responses have the same status, body,
	// content coding, and values of Fields.
	Contestants []Contestant
	Fields      []string

	// The tests check what the contestants do.
	Status int    // of the response; 0 means 200
	Size   int    // approximate size of the body, decompressed
	Coding string // content coding
	Logs   bool   // each request is logged

	// Beside are handlers that are measured for comparison, although they do
	// more or less work than the contestants.
	Beside []Contestant
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

// NewRoute returns the route for a method and path. It finds the parameters in
// the path.
func NewRoute(method, path string) Route {
	r := Route{Method: method, Path: path}
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			r.Params = append(r.Params, strings.TrimSuffix(name, "}"))
		}
	}
	return r
}

// colons returns the path with parameters in the syntax :name.
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
