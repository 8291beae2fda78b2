// Package browser_test runs headless Chromium with pages of other origins that use
// an API, and checks that they can read exactly the responses that the CORS
// configuration allows. It also runs pages that follow a feed, with and without the
// script in docs/production.md, while streams, servers and proxies fail.
package browser_test

import (
	"context"
	_ "embed"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
)

//go:embed page.html
var page []byte

// patience is how long the browser may take for all pages, so that a test that
// hangs fails.
const patience = 3 * time.Minute

// An experiment is one call of fetch in a page.
type experiment struct {
	Name    string         `json:"name"`
	URL     string         `json:"url"`
	Init    map[string]any `json:"init,omitempty"`
	Header  string         `json:"header,omitempty"` // response header to read
	Sandbox bool           `json:"sandbox,omitempty"`

	want string // result in the page; "refused" for a TypeError
	runs bool   // whether the request should reach the handler
}

// A visit is one page and its experiments. The page has the origin of its URL.
type visit struct {
	name, url   string
	experiments []experiment
	seen        map[string]string
}

func TestPagesOfOtherOriginsInChromium(t *testing.T) {
	t.Parallel()
	chromium := tools.Require(t, "chromium")

	pages := listen(t)
	_, number, err := net.SplitHostPort(pages.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port := ":" + number
	allowed, refused := "http://127.0.0.1"+port, "http://localhost"+port
	strict := startAPI(t, http.CORSConfig{
		AllowOrigins:     []string{allowed, "http://*.apps.localhost" + port},
		AllowMethods:     []string{"GET", "POST", "PUT", "DELETE"},
		AllowHeaders:     []string{"Content-Type", "X-Custom"},
		ExposeHeaders:    []string{"X-Total"},
		AllowCredentials: true,
		MaxAge:           -1, // so that each experiment sends a preflight
	})
	open := startAPI(t, http.CORSConfig{
		AllowOrigins:  []string{"*"},
		AllowHeaders:  []string{"*"},
		AllowMethods:  []string{"*"},
		ExposeHeaders: []string{"*"},
	})
	visits := []*visit{
		{name: "allowed", url: allowed, experiments: slices.Concat(strict.fromAllowedOrigin(), open.openToAll("allowed"))},
		{name: "refused", url: refused, experiments: slices.Concat(strict.fromRefusedOrigin(), open.openToAll("refused"))},
		{name: "subdomain", url: "http://eu.shop.apps.localhost" + port, experiments: strict.fromSubdomain("eu.shop.apps", true)},
		{name: "domain itself", url: "http://apps.localhost" + port, experiments: strict.fromSubdomain("apps", false)},
		{name: "look-alike", url: "http://evilapps.localhost" + port, experiments: strict.fromSubdomain("evilapps", false)},
	}
	browse(t, chromium, pages, visits)

	for _, v := range visits {
		for _, e := range v.experiments {
			got, ok := v.seen[e.Name]
			if !ok || got != e.want {
				t.Errorf("%s page, %s: the page sees %q, want %q", v.name, e.Name, got, e.want)
			}
			ran := strict.ran(e.URL) + open.ran(e.URL)
			if (ran > 0) != e.runs {
				t.Errorf("%s page, %s: the handler ran %d times, want it to run: %v", v.name, e.Name, ran, e.runs)
			}
			t.Logf("%-13s %-48s %s", v.name, e.Name, got)
		}
	}
	t.Logf("preflights answered: %d and %d", strict.preflights, open.preflights)
}

// An api is a server with the documented chain and one handler.
type api struct {
	url string

	mu         sync.Mutex
	requests   map[string]int // requests that reached the handler, by URL
	preflights int
}

func startAPI(t *testing.T, cors http.CORSConfig) *api {
	t.Helper()
	a := &api{requests: map[string]int{}}
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(http.RequestLogger(slog.New(slog.DiscardHandler)))
	router.Use(a.countPreflights)
	router.Use(http.Compress(http.CompressConfig{}))
	router.Use(http.ETag(http.ETagConfig{}))
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))
	router.Use(http.MaxBody(2 << 20))
	router.Use(http.CORS(cors))
	router.Use(http.Recovery(nil))
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
		router.HandleFunc(method+" /{experiment...}", a.answer)
	}
	l := listen(t)
	a.url = "http://" + l.Addr().String()
	serve(t, l, router)
	return a
}

// answer responds with the request's method and whether the request had a
// header, a cookie, or a body.
func (a *api) answer(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests[a.url+r.URL.String()]++
	a.mu.Unlock()
	got := []string{r.Method}
	if v := r.Header.Get("X-Custom"); v != "" {
		got = append(got, "custom="+v)
	}
	if c, err := r.Cookie("who"); err == nil {
		got = append(got, "cookie="+c.Value)
	}
	if r.Method == http.MethodPut || r.Method == http.MethodDelete {
		var in struct{ Name string }
		if !http.BindJSON(w, r, &in) {
			return
		}
		got = append(got, "name="+in.Name)
	}
	w.Header().Set("X-Total", "42")
	w.Header().Set("X-Secret", "s")
	switch r.URL.Query().Get("then") {
	case "login":
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "ada", Path: "/", HttpOnly: true})
	case "panic":
		panic("on purpose")
	case "403":
		http.WriteError(w, http.StatusForbidden, "forbidden")
		return
	}
	_, _ = w.Write([]byte(strings.Join(got, " "))) // if the browser has exited, the test fails elsewhere
}

func (a *api) countPreflights(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			a.mu.Lock()
			a.preflights++
			a.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// ran returns how many requests for the URL have reached the handler.
func (a *api) ran(url string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[url]
}

type options = map[string]any

func withJSON(method string) options {
	return options{"method": method, "body": `{"name":"ada"}`, "headers": options{"Content-Type": "application/json"}}
}

func (a *api) fromAllowedOrigin() []experiment {
	u := a.url + "/allowed/"
	include := func(o options) options { o["credentials"] = "include"; return o }
	return []experiment{
		{Name: "plain GET", URL: u + "get", want: "200 GET", runs: true},
		{Name: "exposed header", URL: u + "exposed", Header: "X-Total", want: "200 GET X-Total=42", runs: true},
		{Name: "header not exposed", URL: u + "secret", Header: "X-Secret", want: "200 GET X-Secret=null", runs: true},
		{Name: "allowed custom header", URL: u + "custom", Init: options{"headers": options{"X-Custom": "c"}}, want: "200 GET custom=c", runs: true},
		{Name: "custom header that is not allowed", URL: u + "evil", Init: options{"headers": options{"X-Evil": "1"}}, want: "refused"},
		{Name: "PUT with JSON", URL: u + "put", Init: withJSON("PUT"), want: "200 PUT name=ada", runs: true},
		{Name: "DELETE with JSON", URL: u + "delete", Init: withJSON("DELETE"), want: "200 DELETE name=ada", runs: true},
		{Name: "PATCH, which is not allowed", URL: u + "patch", Init: withJSON("PATCH"), want: "refused"},
		{Name: "POST of a form", URL: u + "post", Init: options{"method": "POST", "body": "a=b",
			"headers": options{"Content-Type": "application/x-www-form-urlencoded"}}, want: "200 POST", runs: true},
		{Name: "login with credentials", URL: u + "login?then=login", Init: include(options{}), want: "200 GET", runs: true},
		{Name: "cookie with credentials", URL: u + "cookie", Init: include(options{}), want: "200 GET cookie=ada", runs: true},
		{Name: "PUT with credentials", URL: u + "putcookie", Init: include(withJSON("PUT")), want: "200 PUT cookie=ada name=ada", runs: true},
		{Name: "no cookie without credentials", URL: u + "nocookie", Init: options{"credentials": "omit"}, want: "200 GET", runs: true},
		{Name: "answer of an error", URL: u + "403?then=403", want: `403 {"error":"forbidden"}`, runs: true},
		{Name: "answer of a panic", URL: u + "panic?then=panic", want: `500 {"error":"internal server error"}`, runs: true},
		{Name: "bad body of PUT", URL: u + "bad", Init: options{"method": "PUT", "body": "", "headers": options{"X-Custom": "c"}},
			want: `400 {"error":"the request body is empty"}`, runs: true},
		{Name: "sandboxed frame, of origin null", URL: u + "null", Sandbox: true, want: "refused", runs: true},
	}
}

func (a *api) fromRefusedOrigin() []experiment {
	u := a.url + "/refused/"
	return []experiment{
		{Name: "plain GET", URL: u + "get", want: "refused", runs: true}, // browsers send no preflight
		{Name: "GET with credentials", URL: u + "cookie", Init: options{"credentials": "include"}, want: "refused", runs: true},
		{Name: "custom header", URL: u + "custom", Init: options{"headers": options{"X-Custom": "c"}}, want: "refused"},
		{Name: "PUT with JSON", URL: u + "put", Init: withJSON("PUT"), want: "refused"},
		{Name: "DELETE with JSON", URL: u + "delete", Init: withJSON("DELETE"), want: "refused"},
	}
}

// fromSubdomain returns experiments for a page at host. allowed reports whether
// the pattern includes the host.
func (a *api) fromSubdomain(host string, allowed bool) []experiment {
	u := a.url + "/" + host + "/"
	get, put := "refused", "refused"
	if allowed {
		get, put = "200 GET", "200 PUT name=ada"
	}
	return []experiment{
		{Name: "plain GET", URL: u + "get", want: get, runs: true},
		{Name: "PUT with JSON", URL: u + "put", Init: withJSON("PUT"), want: put, runs: allowed},
	}
}

// openToAll returns experiments for an API that allows all origins, but no
// credentials.
func (a *api) openToAll(from string) []experiment {
	u := a.url + "/" + from + "/"
	return []experiment{
		{Name: "open: plain GET", URL: u + "get", want: "200 GET", runs: true},
		{Name: "open: any header exposed", URL: u + "exposed", Header: "X-Secret", want: "200 GET X-Secret=s", runs: true},
		{Name: "open: any header sent", URL: u + "custom", Init: options{"headers": options{"X-Custom": "c"}}, want: "200 GET custom=c", runs: true},
		{Name: "open: Authorization not among them", URL: u + "auth", Init: options{"headers": options{"Authorization": "Bearer x"}}, want: "refused"},
		{Name: "open: any method", URL: u + "patch", Init: withJSON("PATCH"), want: "200 PATCH", runs: true},
		{Name: "open: GET with credentials", URL: u + "cookie", Init: options{"credentials": "include"}, want: "refused", runs: true},
		{Name: "open: PUT with credentials", URL: u + "put", Init: options{"method": "PUT", "body": `{"name":"ada"}`, "credentials": "include"}, want: "refused"},
		{Name: "open: sandboxed frame, of origin null", URL: u + "null", Sandbox: true, want: "200 GET", runs: true},
	}
}

// browse makes the browser visit each page in turn and records the results.
func browse(t *testing.T, chromium string, l net.Listener, visits []*visit) {
	t.Helper()
	done := make(chan struct{})
	left := visits
	var mu sync.Mutex
	router := http.NewRouter()
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // if the browser has exited, the test fails elsewhere
	})
	router.HandleFunc("GET /plan", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		http.WriteJSON(w, http.StatusOK, left[0].experiments)
	})
	router.HandleFunc("POST /done", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if err := http.ReadJSON(r, &left[0].seen); err != nil {
			t.Error(err)
		}
		if left = left[1:]; len(left) > 0 {
			_, _ = w.Write([]byte(left[0].url))
			return
		}
		close(done)
	})
	serve(t, l, router)

	output := startBrowser(t, chromium, visits[0].url)
	select {
	case <-done:
	case <-time.After(patience):
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("after %v the browser is still at the page %q; it printed:\n%s", patience, left[0].name, output)
	}
}

// listen listens on a free port of the loopback interface.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve serves handler until the test ends.
func serve(t *testing.T, l net.Listener, handler http.Handler) {
	t.Helper()
	srv := http.NewServer(handler, http.WithListener(l))
	if err := srv.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The browser may keep its connections open.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Log(err)
		}
	})
}
