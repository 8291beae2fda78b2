package parts

import (
	nethttp "net/http"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestPlacesOfAHandler(t *testing.T) {
	t.Parallel()
	part := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = w.Write([]byte(r.Proto))
	})
	eachPlace(t, part, func(t *testing.T, s *site) {
		want := "HTTP/1.1"
		if s.http2 {
			want = "HTTP/2.0"
		}
		res := testkit.Get(t, s.client, s.url+"/")
		res.Want(t, 200, want)
		if covered := res.Header.Get("X-Frame-Options") != ""; covered != (s.place == "inside") {
			t.Errorf("%s: covered by the chain: %t", s.place, covered)
		}
	})
}

func TestPlacesOfMiddleware(t *testing.T) {
	t.Parallel()
	part := func(next http.Handler) http.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("X-Part", "1")
			next.ServeHTTP(w, r)
		})
	}
	routes := func(router *http.Router) {
		router.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
			http.WriteJSON(w, 200, http.PathParam(r, "name"))
		})
	}
	eachPlaceAround(t, part, routes, func(t *testing.T, s *site) {
		res := testkit.Get(t, s.client, s.url+"/ann")
		res.WantHeader(t, "X-Part", "1")
		res.WantHeader(t, "X-Frame-Options", "DENY")
		res.Want(t, 200, `"ann"`)
	})
}
