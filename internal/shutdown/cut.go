package shutdown

import (
	"fmt"
	"net/http"
	"strings"
)

// cut takes step 6 of the package comment.
func (r *Registry) cut(reason error) {
	defer r.finish()
	if left := r.left(); left != "" {
		r.fail(fmt.Errorf("aborted %s: %w", left, reason))
	}
	r.cancelTasks()
	r.scopes.Range(func(_, v any) bool {
		v.(*scope).drop()
		return true
	})
	_ = r.server.Close() // every connection is closed already; this only updates the server's own state
}

// left describes everything that is left, for an error message. It returns ""
// if only connections without a request are left.
func (r *Registry) left() string {
	connections, requests := count{name: "connection"}, count{name: "request", routes: routes{}}
	webSockets, streams := count{name: "WebSocket", routes: routes{}}, count{name: "event stream", routes: routes{}}
	requests.n = int(r.handlers.Load())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scopes.Range(func(_, v any) bool {
		s := v.(*scope)
		switch http.ConnState(s.state.Load()) {
		case http.StateActive:
			connections.n++
			s.addRoutes(requests.routes)
		case http.StateHijacked:
			connections.n++
			requests.n-- // its handler is still running, but no longer serves a request
		}
		if _, counted := r.exchanges[s.socket]; s.socket != nil && !counted {
			webSockets.add(s.socket.route) // it has ended, but its handler has not returned
		}
		return true
	})
	for e := range r.exchanges {
		switch e.kind {
		case webSocket:
			webSockets.add(e.route)
		case eventStream:
			streams.add(e.route)
			requests.n--
		}
	}
	return strings.Join(append(list(connections, requests, webSockets, streams), r.hooksLeft()...), ", ")
}

// hooksLeft returns the names of the hooks that have not returned. The caller must hold mu.
func (r *Registry) hooksLeft() []string {
	var names []string
	for _, h := range r.hooks {
		names = append(names, h.name)
	}
	return names
}

// A count is a number of things of one kind.
type count struct {
	n      int
	name   string
	routes routes
}

// add counts one thing, which belongs to route.
func (c *count) add(route string) {
	c.n++
	c.routes.add(route)
}

// list formats the counts that are positive, for example "2 connections" and "1 request
// (GET /: 1)".
func list(counts ...count) []string {
	var parts []string
	for _, c := range counts {
		switch {
		case c.n == 1:
			parts = append(parts, fmt.Sprintf("1 %s%s", c.name, c.routes))
		case c.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss%s", c.n, c.name, c.routes))
		}
	}
	return parts
}
