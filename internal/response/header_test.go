package response_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// A handler can change the header until it chooses the status, through whichever writer it
// got the map from.
func TestChangesOfTheHeaderAfterTheStatusAreUndone(t *testing.T) {
	t.Parallel()
	type writers struct{ server, outer, own http.ResponseWriter } // own is the handler's
	same := func(w http.ResponseWriter) http.ResponseWriter { return w }
	hide := func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} }
	for _, tt := range []struct {
		name     string
		inServer bool                                          // no middleware has met the server's own writer
		wrap     func(http.ResponseWriter) http.ResponseWriter // between the outer Writer and the stage
		before   bool                                          // the map was got before the status
		header   func(writers) http.Header
	}{
		{"the map of the handler's Writer", true, same, true, func(w writers) http.Header { return w.own.Header() }},
		{"the map of an outer Writer", true, same, true, func(w writers) http.Header { return w.outer.Header() }},
		{"the map of an outer Writer, asked for late", true, same, false, func(w writers) http.Header { return w.outer.Header() }},
		{"the map of an outer Writer in a wrapper", true, hide, true, func(w writers) http.Header { return w.outer.Header() }},
		{"the map of the server's writer", false, same, true, func(w writers) http.Header { return w.server.Header() }},
		{"the map of an unwrapped writer", true, same, true, func(w writers) http.Header { return unwrapped(w.own).Header() }},
		{"the map of a writer that was unwrapped late", true, same, false, func(w writers) http.Header { return unwrapped(w.own).Header() }},
	} {
		rec := httptest.NewRecorder()
		middleware := http.HandlerFunc(func(outer http.ResponseWriter, r *http.Request) {
			response.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				all := writers{rec, outer, w}
				response.SetHeader(w, "Before", "1")
				var h http.Header
				if tt.before {
					h = tt.header(all)
				}
				w.WriteHeader(http.StatusOK)
				if !tt.before {
					h = tt.header(all)
				}
				h.Set("Before", "2")
				h.Set("After", "2")
				response.SetHeader(w, "After", "3") // in the Writer's copy
				io.WriteString(w, "body")
			}), tt.wrap(outer), r, &stage{limit: 99, hold: true})
			outer.Header().Set(http.TrailerPrefix+"Trailer", "4")
		})
		if tt.inServer {
			registry := shutdown.Attach(new(http.Server))
			response.NewHandler(&http.Server{Handler: middleware}, registry, nil).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		} else {
			turn := response.Enter(rec, httptest.NewRequest("GET", "/", nil))
			middleware.ServeHTTP(turn.Writer, turn.Request)
			turn.Returned = true
			turn.End()
		}
		result := rec.Result()
		if h := result.Header; h.Get("Before") != "1" || h.Get("After") != "" {
			t.Errorf("%s: the client got Before: %q and After: %q, want 1 and nothing", tt.name, h.Get("Before"), h.Get("After"))
		}
		if got := result.Trailer.Get("Trailer"); got != "4" {
			t.Errorf("%s: a trailer of outer middleware is %q, want 4", tt.name, got)
		}
	}
}

// unwrapped follows Unwrap methods to the last writer.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}
