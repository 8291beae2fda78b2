package http_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// errNotFound makes handleJSON respond with 404.
var errNotFound = errors.New("not found")

// handleJSON returns a handler that decodes the request's body, calls f, and
// encodes its result.
func handleJSON[In, Out any](f func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if !http.BindJSON(w, r, &in) {
			return
		}
		out, err := f(r.Context(), in)
		switch {
		case errors.Is(err, errNotFound):
			http.WriteError(w, http.StatusNotFound, err.Error())
		case err != nil:
			http.WriteServerError(w, r, "the request failed", err)
		default:
			http.WriteJSON(w, http.StatusOK, out)
		}
	}
}

type priceRequest struct {
	Item string `json:"item"`
}

type priceResponse struct {
	Cents int `json:"cents"`
}

// price knows nothing about HTTP.
func price(ctx context.Context, req priceRequest) (priceResponse, error) {
	if req.Item != "tea" {
		return priceResponse{}, fmt.Errorf("item %q: %w", req.Item, errNotFound)
	}
	return priceResponse{Cents: 250}, nil
}

// This example defines a generic adapter from a function of Go types to a
// handler, which keeps decoding and error responses in one place.
func Example_genericHandler() {
	router := http.NewRouter()
	router.HandleFunc("POST /price", handleJSON(price))

	for _, body := range []string{`{"item":"tea"}`, `{"item":"ink"}`, `{"item":1}`} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", "/price", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"cents":250}
	// 404 {"error":"item \"ink\": not found"}
	// 400 {"error":"field \"item\" has a number where a string is expected (before offset 9)"}
}
