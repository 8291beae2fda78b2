package response_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A handler can change the header until it chooses the status, through whichever Writer it
// got the map from.
func TestChangesOfTheHeaderAfterTheStatusAreUndone(t *testing.T) {
	t.Parallel()
	same := func(w http.ResponseWriter) http.ResponseWriter { return w }
	hide := func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} }
	for _, tt := range []struct {
		name    string
		wrap    func(http.ResponseWriter) http.ResponseWriter // between the outer Writer and the stage
		before  bool                                          // the map was got before the status
		outside bool                                          // the map was got from the outer Writer
	}{
		{"the map of the handler's Writer", same, true, false},
		{"the map of an outer Writer", same, true, true},
		{"the map of an outer Writer, asked for late", same, false, true},
		{"the map of an outer Writer in a wrapper", hide, true, true},
	} {
		rec := httptest.NewRecorder()
		turn := response.Enter(rec, httptest.NewRequest("GET", "/", nil))
		response.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var from http.ResponseWriter = w
			if tt.outside {
				from = turn.Writer
			}
			response.SetHeader(w, "Before", "1")
			var h http.Header
			if tt.before {
				h = from.Header()
			}
			w.WriteHeader(http.StatusOK)
			if !tt.before {
				h = from.Header()
			}
			h.Set("Before", "2")
			h.Set("After", "2")
			response.SetHeader(w, "After", "3") // in the Writer's copy
			io.WriteString(w, "body")
		}), tt.wrap(turn.Writer), turn.Request, &stage{limit: 99, hold: true})
		turn.Writer.Header().Set(http.TrailerPrefix+"Trailer", "4")
		turn.Returned = true
		turn.End()
		result := rec.Result()
		if h := result.Header; h.Get("Before") != "1" || h.Get("After") != "" {
			t.Errorf("%s: the client got Before: %q and After: %q, want 1 and nothing", tt.name, h.Get("Before"), h.Get("After"))
		}
		if got := result.Trailer.Get("Trailer"); got != "4" {
			t.Errorf("%s: a trailer of outer middleware is %q, want 4", tt.name, got)
		}
	}
}
