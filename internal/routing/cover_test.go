package routing

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// The order in which routes, mounts and covers are registered must not matter.
func TestCoversDoNotDependOnTheOrderOfRegistration(t *testing.T) {
	t.Parallel()
	pool := []string{
		"GET /{path...}", "POST /{path...}", "/", "/{all...}", "GET /a/", "GET /a/{rest...}", "/a/b/", "GET /a/{x}/", "GET /{x}/b/",
		"GET /a/b", "GET /a/b/c", "GET /{x}/b/c", "PUT /a/b/{rest...}", "GET host/{path...}",
		"mount /a/", "mount /a/b/", "mount /{x}/b/", "mount /", "mount /a/{x}/",
		"cover /a", "cover /a/b", "cover /{x}/b",
	}
	paths := []string{"/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/x/c", "/x/b", "/x/b/c", "/x/y", "/a%2Fb/c"}
	random := rand.New(rand.NewPCG(1, 2))
	registered := 0
	for range 4000 {
		random.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		set := slices.Clone(pool[:1+random.IntN(5)])
		first, err := build(set)
		shuffled := slices.Clone(set)
		random.Shuffle(len(set), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		second, other := build(shuffled)
		if (err == nil) != (other == nil) {
			t.Fatalf("%q: %v\n%q: %v", set, err, shuffled, other)
		}
		if err != nil {
			continue
		}
		registered++
		for _, method := range []string{"GET", "POST", "PUT"} {
			for _, path := range paths {
				if one, two := ask(first, method, path), ask(second, method, path); one != two {
					t.Fatalf("%s %s: %q: %s, %q: %s", method, path, set, one, shuffled, two)
				}
			}
		}
	}
	if registered < 1000 {
		t.Errorf("only %d sets have no conflict", registered)
	}
}

// build returns a Mux with the routes, and the error of the first that is rejected.
func build(set []string) (*Mux, error) {
	m := New(func(w http.ResponseWriter, _ *http.Request, allow string) { io.WriteString(w, "unmatched "+allow) })
	for _, what := range set {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, what+" "+r.Pattern+r.PathValue("x")) })
		var err error
		if prefix, ok := strings.CutPrefix(what, "cover "); ok {
			m.Cover(prefix)
		} else if pattern, ok := strings.CutPrefix(what, "mount "); ok {
			err = m.RegisterMount(pattern, handler)
		} else {
			err = m.Register(what, handler)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ask returns the response to a request.
func ask(m *Mux, method, path string) string {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Body.String() + w.Header().Get("Location")
}
