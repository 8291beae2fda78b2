package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A goroutine that outlives its handler uses the ResponseWriter while handlers of
// other requests run.
func TestLateUseReachesNoOtherResponse(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte(strings.Repeat("FOREIGN", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, lateUse := make(chan nethttp.ResponseWriter, 1), sync.Map{} // from path to func()
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/keep" {
			io.WriteString(w, "kept")
			kept <- w
			return
		}
		use := func() {}
		if f, ok := lateUse.Load(r.URL.Path); ok {
			use = f.(func())
		}
		use()
		w.Header().Set("X-Own", r.URL.Path)
		use()
		io.WriteString(w, "one ")
		use()
		nethttp.NewResponseController(w).Flush()
		use()
		io.WriteString(w, "two")
		use()
	})
	var mu sync.Mutex // held while a test uses kept
	eachServer(t, handler, func(t *testing.T, url string, client *nethttp.Client) {
		for name, use := range uses(file) {
			mu.Lock()
			testkit.Get(t, client, url+"/keep")
			w := testkit.Receive(t, kept, "the writer")
			mu.Unlock()
			awaitEnd(w)
			for i := range 50 / len(uses("")) * 3 {
				path := fmt.Sprintf("/%s/%s/%d", t.Name(), strings.ReplaceAll(name, " ", "-"), i)
				lateUse.Store(path, func() {
					done := make(chan struct{})
					go func() {
						defer close(done)
						if err := use(w); err == nil {
							t.Errorf("%s succeeded after the handler returned", name)
						}
					}()
					<-done
				})
				resp := testkit.Get(t, client, url+path)
				if resp.StatusCode != 200 || resp.Header.Get("X-Own") != path || resp.Header.Get("X-Foreign") != "" || resp.Body != "one two" {
					t.Fatalf("after %s the client got %s, %v, %.80q", name, resp.Status, resp.Header, resp.Body)
				}
			}
		}
	})
}

// With many concurrent requests, the handlers that a naive timeout has abandoned
// continue as soon as their requests end.
func TestHandlersLeftByANaiveTimeoutReachNoOtherResponse(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte(strings.Repeat("FOREIGN", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	late := uses(file)
	delete(late, "unwrapped") // uses the server's own writer, if Unwrap was called before the end
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range late {
			if !yield(name) {
				return
			}
		}
	})
	var left sync.WaitGroup
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body := strings.Repeat(r.URL.Path+"\n", 300)
		if !strings.HasSuffix(r.URL.Path, "/slow") {
			w.Header().Set("X-Path", r.URL.Path)
			io.WriteString(w, body)
			return
		}
		left.Add(1)
		defer left.Done()
		close(r.Context().Value(startedKey{}).(chan struct{}))
		<-r.Context().Done() // when the server has finished the request
		for _, name := range names {
			_ = late[name](w) // must not affect other requests
		}
	})
	for _, tt := range []struct {
		name     string
		wrap     func(nethttp.Handler) nethttp.Handler
		ownAbove bool // middleware of this package is outside of the timeout
	}{
		{"alone", naiveTimeout, false},
		{"inside the chain", stack(documentedChain(), naiveTimeout), true},
		{"outside the chain", stack(naiveTimeout, documentedChain()), false},
		{"between Compress and ETag", stack(http.RequestLogger(nil, http.LogSkip(func(*nethttp.Request) bool { return true })),
			http.Compress(http.CompressConfig{}), naiveTimeout, http.ETag(http.ETagConfig{}), http.Recovery(nil)), true},
	} {
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2, "HTTP/1.1 of net/http", "HTTP/2 of net/http"} {
			of, foreign := strings.CutSuffix(string(protocol), " of net/http")
			if foreign && !tt.ownAbove {
				continue // the server's own writer cannot be protected
			}
			t.Run(tt.name+" "+string(protocol), func(t *testing.T) {
				t.Parallel()
				var url string
				var client *nethttp.Client
				if foreign {
					srv := testkit.StartServer(t, testkit.Protocol(of), tt.wrap(handler))
					url, client = srv.URL, srv.Client()
				} else {
					url, client = serveOwn(t, protocol, tt.wrap(handler))
				}
				var clients sync.WaitGroup
				for n := range 8 {
					clients.Go(func() {
						for i := range 20 {
							path := fmt.Sprintf("/%d/%d", n, i)
							want, status := strings.Repeat(path+"\n", 300), 200
							if i%2 == 0 {
								path += "/slow"
								want, status = "too late\n", 503
							}
							resp, err := testkit.Send(client, testkit.NewRequest("GET", url+path, ""))
							if err != nil {
								t.Errorf("%s: %v", path, err)
								continue
							}
							if resp.StatusCode != status || resp.Body != want || resp.Header.Get("X-Foreign") != "" ||
								status == 200 && resp.Header.Get("X-Path") != path {
								t.Errorf("%s: the client got %v", path, resp)
							}
						}
					})
				}
				clients.Wait()
			})
		}
	}
	t.Cleanup(left.Wait)
}

// If a handler that a naive timeout has abandoned fails, nothing recovers from its
// panic, so it must not panic because of the ResponseWriter.
func TestFailuresOfHandlersLeftByANaiveTimeoutEndNothing(t *testing.T) {
	t.Parallel()
	var left sync.WaitGroup
	failures := map[string]func(w nethttp.ResponseWriter){
		"/panic":           func(nethttp.ResponseWriter) { panic("too late") },
		"/panic-in-write":  func(w nethttp.ResponseWriter) { io.WriteString(w, sample(5000)); panic("too late") },
		"/short":           func(nethttp.ResponseWriter) {},
		"/invalid-status":  func(w nethttp.ResponseWriter) { w.WriteHeader(0); w.WriteHeader(99) },
		"/short-and-write": func(w nethttp.ResponseWriter) { io.WriteString(w, "more") },
	}
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		left.Add(1)
		defer left.Done()
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "100000")
		io.WriteString(w, sample(5000))
		nethttp.NewResponseController(w).Flush()
		close(r.Context().Value(startedKey{}).(chan struct{}))
		<-r.Context().Done()
		failures[r.URL.Path](w)
	})
	for name, wrap := range map[string]func(nethttp.Handler) nethttp.Handler{
		"inside":  stack(documentedChain(), naiveTimeout, http.Recovery(nil)),
		"outside": stack(naiveTimeout, documentedChain()),
		"between": stack(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware(), naiveTimeout,
			http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.Recovery(nil)),
	} {
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			t.Run(name+" "+string(protocol), func(t *testing.T) {
				url, client := serveOwn(t, protocol, wrap(handler))
				for path := range failures {
					if resp, err := testkit.Send(client, testkit.NewRequest("GET", url+path, "")); err == nil {
						t.Errorf("%s: the client got a complete response: %v", path, resp)
					}
				}
			})
		}
	}
	left.Wait()
}

// If a goroutine still writes when its handler returns, the bytes are part of the
// handler's own response or are not sent.
func TestWritesThatOverlapTheReturnReachNoOtherResponse(t *testing.T) {
	t.Parallel()
	var left sync.WaitGroup
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		piece := strings.Repeat(r.URL.Path[1:2], 1500)
		w.Header().Set("Content-Type", "text/plain")
		enough := make(chan struct{})
		left.Go(func() {
			for i := 0; ; i++ {
				var err error
				switch i % 4 {
				case 0:
					_, err = io.WriteString(w, piece)
				case 1:
					err = nethttp.NewResponseController(w).Flush()
				case 2:
					_, err = io.Copy(w, struct{ io.Reader }{strings.NewReader(piece)})
				default:
					_, err = w.Write([]byte(piece))
				}
				if i == 5 {
					close(enough)
				}
				if err != nil && i > 5 {
					return
				}
			}
		})
		<-enough
	})
	eachServer(t, handler, func(t *testing.T, url string, client *nethttp.Client) {
		var clients sync.WaitGroup
		for letter := 'a'; letter < 'e'; letter++ {
			clients.Go(func() {
				for range 4 {
					body := testkit.Get(t, client, url+"/"+string(letter)).Body
					if foreign := strings.Trim(body, string(letter)); foreign != "" || len(body) < 4*1500 {
						t.Errorf("the response to /%c has %d bytes and among them %.80q", letter, len(body), foreign)
					}
				}
			})
		}
		clients.Wait()
	})
	t.Cleanup(left.Wait)
}

// A late write does not affect the next response.
func TestLateUseLeavesTheNextResponseAsItShouldBe(t *testing.T) {
	t.Parallel()
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			var out testkit.Log
			kept := make(chan nethttp.ResponseWriter, 1)
			router := http.NewRouter()
			router.Use(http.RequestLogger(out.JSON()), http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}),
				http.Recovery(nil))
			router.HandleFunc("GET /keep", func(w nethttp.ResponseWriter, _ *nethttp.Request) { kept <- w })
			router.HandleFunc("GET /panic", func(nethttp.ResponseWriter, *nethttp.Request) { panic("oops") })
			url, client := serveOwn(t, protocol, router)
			for range 20 {
				testkit.Get(t, client, url+"/keep")
				w := testkit.Receive(t, kept, "the writer")
				awaitEnd(w)
				http.WriteError(w, nethttp.StatusTeapot, "FOREIGN")
				testkit.Get(t, client, url+"/nowhere").Want(t, 404, `{"error":"not found"}`)
				http.WriteError(w, nethttp.StatusTeapot, "FOREIGN")
				testkit.Get(t, client, url+"/panic").Want(t, 500, `{"error":"internal server error"}`)
			}
			client.CloseIdleConnections()
			log := out.String()
			if n, m := strings.Count(log, `"status":404`), strings.Count(log, `"status":500`); n != 20 || m < 19 || strings.Contains(log, `"status":418`) {
				t.Errorf("%d requests are logged as 404 and %d as 500, want 20 each:\n%s", n, m, log)
			}
		})
	}
}

// A goroutine that outlives its handler reads the request.
func TestRequestIsNotWrittenToAfterItsHandlerReturned(t *testing.T) {
	t.Parallel()
	var left sync.WaitGroup
	spy := nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		left.Go(func() {
			for range 1000 {
				c := *r
				_ = c.Pattern
				_ = r.Clone(context.Background())
			}
		})
	})
	router := http.NewRouter()
	router.Handle("POST /{id}", spy)
	mux := nethttp.NewServeMux()
	mux.Handle("POST /{id}", spy)
	chain := stack(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware(),
		http.RequestLogger(new(testkit.Log).JSON(), http.LogSkip(func(r *nethttp.Request) bool { return r.Pattern == "never" })), http.MaxBody(100))
	for name, handler := range map[string]nethttp.Handler{
		"a router": chain(router), "a ServeMux": chain(mux), "no routes": chain(spy), "no middleware": spy,
		"a copied request": chain(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { router.ServeHTTP(w, r.WithContext(r.Context())) })),
	} {
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			t.Run(name+" "+string(protocol), func(t *testing.T) {
				url, client := serveOwn(t, protocol, handler)
				for range 10 {
					resp, err := client.Post(url+"/x", "text/plain", strings.NewReader("body"))
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
				}
			})
		}
	}
	left.Wait()
}

// Middleware outside of the router, such as OpenTelemetry's, reads the pattern of
// the request that it passed to the router.
func TestOutermostObserverSeesThePattern(t *testing.T) {
	t.Parallel()
	copies := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), startedKey{}, 1)))
		})
	}
	for name, middleware := range map[string][]http.Middleware{
		"RequestID":      {http.RequestID(http.RequestIDConfig{}), copies},
		"Metrics":        {http.NewMetrics().Middleware(), copies},
		"MaxBody":        {http.MaxBody(100), copies},
		"RequestLogger":  {http.RequestLogger(new(testkit.Log).JSON()), copies},
		"copied twice":   {http.RequestID(http.RequestIDConfig{}), copies, http.NewMetrics().Middleware(), copies},
		"nothing copies": {http.RequestID(http.RequestIDConfig{})},
		"ETag alone":     {http.ETag(http.ETagConfig{})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			router := http.NewRouter()
			router.Use(middleware...)
			router.HandleFunc("POST /{id}", func(nethttp.ResponseWriter, *nethttp.Request) {})
			router.HandleFunc("POST /dir/", func(nethttp.ResponseWriter, *nethttp.Request) {})
			seen := make(chan string, 1)
			observer := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				r = r.WithContext(context.WithValue(r.Context(), startedKey{}, 1))
				router.ServeHTTP(w, r)
				seen <- r.Pattern
			})
			for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
				url, client := serveOwn(t, protocol, observer)
				client.CheckRedirect = func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }
				for path, want := range map[string]string{
					"/17": "POST /{id}", "/dir/x": "POST /dir/", "//dir//x": "POST /dir/", "/a/b/c": "", "/dir": "POST /{id}",
				} {
					resp, err := client.Post(url+path, "text/plain", strings.NewReader("body"))
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if got := testkit.Receive(t, seen, "the pattern"); got != want {
						t.Errorf("%s %s: the observer sees the pattern %q, want %q", protocol, path, got, want)
					}
				}
			}
		})
	}
}

func TestMemoryOfARefusedWriteIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("mine ", 1000)
	noise := incompressible(300_000)
	handlers := map[string]nethttp.Handler{
		"WriteJSON":  nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { http.WriteJSON(w, 200, text) }),
		"WriteError": nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { http.WriteError(w, 400, text) }),
		"PaginatedResponse": nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			http.PaginatedResponse(w, "items", []string{text}, 1)
		}),
		"PrometheusHandler": http.PrometheusHandler(func() []http.PrometheusMetric {
			return []http.PrometheusMetric{{Name: "mine", Type: "gauge", Help: text}}
		}),
		"ETag": http.ETag(http.ETagConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, text) })),
		"Compress, small": http.Compress(http.CompressConfig{MinSize: 10_000})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			io.WriteString(w, text)
		})),
		"Compress": http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", fmt.Sprint(len(noise)))
			io.WriteString(w, noise)
		})),
		"Compress, streamed": http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, noise)
		})),
		"ReadFrom": http.Compress(http.CompressConfig{MinSize: 1})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "image/png")
			io.Copy(w, struct{ io.Reader }{strings.NewReader(text)})
		})),
	}
	others := func() {
		for _, h := range handlers {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		other := strings.Repeat("OTHER ", 1000)
		for range 5 {
			http.WriteJSON(httptest.NewRecorder(), 200, other)
			handlers["ETag"].ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}
	}
	for name, h := range handlers {
		w := &refuser{header: nethttp.Header{}}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		h.ServeHTTP(w, r)
		var before [][]byte
		for _, p := range w.given {
			before = append(before, slices.Clone(p))
		}
		if len(before) == 0 {
			t.Errorf("%s wrote nothing", name)
		}
		others()
		for i, p := range w.given {
			if string(p) != string(before[i]) {
				t.Errorf("%s: the memory of a refused write was used again: %.80q", name, p)
			}
		}
	}
}

// eachServer runs test with a [http.Server] for each protocol, once with only the
// handler and once with the documented chain.
func eachServer(t *testing.T, handler nethttp.Handler, test func(t *testing.T, url string, client *nethttp.Client)) {
	t.Helper()
	for name, wrap := range map[string]func(nethttp.Handler) nethttp.Handler{
		"bare":             func(h nethttp.Handler) nethttp.Handler { return h },
		"documented chain": documentedChain(),
	} {
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			t.Run(name+" "+string(protocol), func(t *testing.T) {
				t.Parallel()
				url, client := serveOwn(t, protocol, wrap(handler))
				test(t, url, client)
			})
		}
	}
}

// awaitEnd waits until the server has finished the response of w.
func awaitEnd(w nethttp.ResponseWriter) {
	for {
		if _, err := w.Write(nil); err != nil {
			return
		}
		runtime.Gosched()
	}
}

// uses returns all ways to use a ResponseWriter. Each function returns the error of
// the method that it calls, if the method returns one.
func uses(file string) map[string]func(w nethttp.ResponseWriter) error {
	const foreign = "FOREIGN"
	return map[string]func(w nethttp.ResponseWriter) error{
		"Header": func(w nethttp.ResponseWriter) error {
			w.Header().Set("X-Foreign", foreign)
			w.Header().Del("X-Own")
			return errors.ErrUnsupported
		},
		"WriteHeader": func(w nethttp.ResponseWriter) error {
			w.WriteHeader(nethttp.StatusTeapot)
			return errors.ErrUnsupported
		},
		"Write": func(w nethttp.ResponseWriter) error {
			_, err := w.Write([]byte(foreign))
			return err
		},
		"large Write": func(w nethttp.ResponseWriter) error {
			_, err := w.Write([]byte(strings.Repeat(foreign, 10_000)))
			return err
		},
		"WriteString": func(w nethttp.ResponseWriter) error {
			_, err := io.WriteString(w, foreign)
			return err
		},
		"ReadFrom": func(w nethttp.ResponseWriter) error {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader(foreign))
			return err
		},
		"ReadFrom a file": func(w nethttp.ResponseWriter) error {
			f, err := os.Open(file)
			if err != nil {
				return nil
			}
			defer f.Close()
			_, err = w.(io.ReaderFrom).ReadFrom(f)
			return err
		},
		"Flush": func(w nethttp.ResponseWriter) error {
			w.(nethttp.Flusher).Flush()
			return nethttp.NewResponseController(w).Flush()
		},
		"Hijack": func(w nethttp.ResponseWriter) error {
			_, _, err := w.(nethttp.Hijacker).Hijack()
			return err
		},
		"Push": func(w nethttp.ResponseWriter) error { return w.(nethttp.Pusher).Push("/x", nil) },
		"write deadline": func(w nethttp.ResponseWriter) error {
			return nethttp.NewResponseController(w).SetWriteDeadline(time.Now())
		},
		"read deadline": func(w nethttp.ResponseWriter) error {
			return nethttp.NewResponseController(w).SetReadDeadline(time.Now())
		},
		"full duplex": func(w nethttp.ResponseWriter) error { return nethttp.NewResponseController(w).EnableFullDuplex() },
		"CloseNotify": func(w nethttp.ResponseWriter) error {
			select {
			case <-w.(interface{ CloseNotify() <-chan bool }).CloseNotify():
				return nil
			default:
				return errors.ErrUnsupported
			}
		},
		"WriteJSON": func(w nethttp.ResponseWriter) error {
			http.WriteJSON(w, nethttp.StatusOK, foreign)
			return errors.ErrUnsupported
		},
		"WriteError": func(w nethttp.ResponseWriter) error {
			http.WriteError(w, nethttp.StatusTeapot, foreign)
			return errors.ErrUnsupported
		},
		"Error": func(w nethttp.ResponseWriter) error {
			nethttp.Error(w, foreign, nethttp.StatusTeapot)
			return errors.ErrUnsupported
		},
		"NewSSEWriter": func(w nethttp.ResponseWriter) error { return http.NewSSEWriter(w).Data(foreign) },
		"unwrapped": func(w nethttp.ResponseWriter) error {
			for {
				u, ok := w.(interface{ Unwrap() nethttp.ResponseWriter })
				if !ok {
					break
				}
				w = u.Unwrap()
			}
			w.Header().Set("X-Foreign", foreign)
			w.WriteHeader(nethttp.StatusTeapot)
			_, err := w.Write([]byte(foreign))
			return err
		},
	}
}

type startedKey struct{}

// naiveTimeout is middleware that responds with 503 if a handler takes too long, and
// lets the handler continue to use the ResponseWriter. In these tests, the handler
// takes too long if it closes the channel in its context.
func naiveTimeout(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		started, done := make(chan struct{}), make(chan struct{})
		inner := r.WithContext(context.WithValue(r.Context(), startedKey{}, started))
		go func() {
			defer close(done)
			next.ServeHTTP(w, inner)
		}()
		select {
		case <-done:
		case <-started:
			nethttp.Error(w, "too late", nethttp.StatusServiceUnavailable)
		}
	})
}

// A refuser is a writer that fails, and continues to read the bytes of the
// failed Write. The HTTP/2 server of net/http does when the client resets a stream.
type refuser struct {
	header nethttp.Header
	given  [][]byte
}

func (w *refuser) Header() nethttp.Header { return w.header }

func (w *refuser) WriteHeader(int) {}

func (w *refuser) Write(p []byte) (int, error) {
	w.given = append(w.given, p)
	return 0, io.ErrClosedPipe
}
