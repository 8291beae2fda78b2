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

// left describes everything that is not done yet, for an error message. It
// returns "" if nothing is left but connections without a request.
func (r *Registry) left() string {
	var connections, webSockets, streams int
	requests := int(r.handlers.Load())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scopes.Range(func(_, v any) bool {
		s := v.(*scope)
		switch http.ConnState(s.state.Load()) {
		case http.StateActive:
			connections++
		case http.StateHijacked:
			connections++
			requests-- // its handler is still running, but no longer serves a request
		}
		if _, counted := r.exchanges[s.socket]; s.socket != nil && !counted {
			webSockets++ // it has ended, but its handler has not returned
		}
		return true
	})
	for e := range r.exchanges {
		switch e.kind {
		case webSocket:
			webSockets++
		case eventStream:
			streams++
			requests--
		}
	}
	return list(
		count{connections, "connection"},
		count{requests, "request"},
		count{webSockets, "websocket"},
		count{streams, "event stream"},
	)
}

// A count is a number of things that have the same name.
type count struct {
	n    int
	name string
}

// list formats the counts that are positive, for example "2 connections, 1
// request".
func list(counts ...count) string {
	var parts []string
	for _, c := range counts {
		switch {
		case c.n == 1:
			parts = append(parts, "1 "+c.name)
		case c.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", c.n, c.name))
		}
	}
	return strings.Join(parts, ", ")
}
