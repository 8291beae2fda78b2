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
	for name, headerOf := range map[string]func(outer, inner http.ResponseWriter) http.Header{
		"the map of the handler's Writer": func(_, inner http.ResponseWriter) http.Header { return inner.Header() },
		"the map of an outer Writer":      func(outer, _ http.ResponseWriter) http.Header { return outer.Header() },
		"an outer Writer, asked too late": nil,
	} {
		rec := httptest.NewRecorder()
		turn := response.Enter(rec, httptest.NewRequest("GET", "/", nil))
		response.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var h http.Header
			if headerOf != nil {
				h = headerOf(turn.Writer, w)
				h.Set("Before", "1")
				w.WriteHeader(http.StatusOK)
			} else {
				response.SetHeader(w, "Before", "1")
				w.WriteHeader(http.StatusOK)
				h = turn.Writer.Header()
			}
			h.Set("Before", "2")
			h.Set("After", "2")
			response.SetHeader(w, "After", "3") // the Writer's copy
			io.WriteString(w, "body")
		}), turn.Writer, turn.Request, &stage{limit: 99, hold: true})
		turn.Writer.Header().Set(http.TrailerPrefix+"Trailer", "4")
		turn.Returned = true
		turn.End()
		result := rec.Result()
		sent := result.Header
		if sent.Get("Before") != "1" || sent.Get("After") != "" {
			t.Errorf("%s: the client got Before: %q and After: %q, want 1 and nothing", name, sent.Get("Before"), sent.Get("After"))
		}
		if got := result.Trailer.Get("Trailer"); got != "4" {
			t.Errorf("%s: a trailer of outer middleware is %q, want 4", name, got)
		}
	}
}
