package http_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestRecovery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler nethttp.HandlerFunc
		status  int  // 0 if the client gets an error
		told    bool // onPanic is called
	}{
		{"no panic", func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "fine") }, 200, false},
		{"before the write", func(nethttp.ResponseWriter, *nethttp.Request) { panic("oops") }, 500, true},
		{"with fields of the lost answer", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Cache-Control"} {
				w.Header().Set(name, "7")
			}
			w.Header().Set("X-Kept", "1")
			panic("oops")
		}, 500, true},
		{"after a write", func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "part"); panic("oops") }, 0, true},
		{"after a flush", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			io.WriteString(w, "part")
			w.(nethttp.Flusher).Flush()
			panic("oops")
		}, 0, true},
		{"abort", func(nethttp.ResponseWriter, *nethttp.Request) { panic(nethttp.ErrAbortHandler) }, 0, false},
		{"nil", func(nethttp.ResponseWriter, *nethttp.Request) { panic(nil) }, 500, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var told atomic.Int32
			var stack atomic.Value
			handler := http.Recovery(func(v any, s []byte) { told.Add(1); stack.Store(string(s)) })(tt.handler)
			testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
				told.Store(0)
				resp, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL, ""))
				switch {
				case tt.status == 0 && err == nil:
					t.Errorf("the client got a complete response: %v", resp)
				case tt.status != 0 && (err != nil || resp.StatusCode != tt.status):
					t.Fatalf("the client got %v, %v", resp, err)
				}
				if tt.status == 500 {
					if strings.TrimSuffix(resp.Body, "\n") != `{"error":"internal server error"}` {
						t.Errorf("body %q", resp.Body)
					}
					for _, name := range []string{"Content-Encoding", "ETag", "Last-Modified", "Cache-Control"} {
						if v := resp.Header.Get(name); v != "" {
							t.Errorf("%s: %q is left from the lost answer", name, v)
						}
					}
				}
				if tt.told {
					if s, _ := stack.Load().(string); told.Load() != 1 || !strings.Contains(s, "recovery_test.go") {
						t.Errorf("onPanic was called %d times, with the stack %q", told.Load(), s)
					}
				} else if told.Load() != 0 {
					t.Error("onPanic was told of no panic of its kind")
				}
				if strings.Contains(srv.Logged(), "goroutine") {
					t.Errorf("the server logged a stack: %s", srv.Logged())
				}
			})
		})
	}
}

func TestRecoveryTakesBackAHeldBody(t *testing.T) {
	t.Parallel()
	handler := stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.Recovery(nil))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			io.WriteString(w, sample(3000))
			panic("halfway")
		}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		resp := srv.Get(t, "/")
		if resp.StatusCode != 500 || !strings.HasPrefix(resp.Body, `{"error":"internal server error"}`) {
			t.Errorf("got %v, although nothing was sent before the panic", resp)
		}
	})
}

func TestRecoveryClosesAHijackedConnection(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"a panic": "oops", "an abort": nethttp.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := testkit.StartServer(t, testkit.HTTP1, http.Recovery(nil)(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				if _, _, err := nethttp.NewResponseController(w).Hijack(); err != nil {
					t.Error(err)
				}
				panic(value)
			})))
			conn := testkit.Dial(t, srv.Addr())
			conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if got := conn.ReadAll(); got != "" {
				t.Errorf("after the hijacking came %q, want the end of the connection alone", got)
			}
		})
	}
}

// The callback can tell which request panicked: its route, ID and logger.
func TestRecoveryFuncGetsTheRequest(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(out.JSON()),
		func(next nethttp.Handler) nethttp.Handler {
			return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { next.ServeHTTP(w, r.Clone(r.Context())) })
		},
		http.RecoveryFunc(func(r *nethttp.Request, recovered any, stack []byte) {
			http.LoggerFromContext(r.Context()).Error("panic", "value", recovered, "method", r.Method,
				"route", r.Pattern, "id", http.GetRequestID(r), "stack", bytes.Contains(stack, []byte("TestRecoveryFuncGetsTheRequest")))
		}))
	router.HandleFunc("GET /users/{id}", func(nethttp.ResponseWriter, *nethttp.Request) { panic("oops") })
	rec := testkit.Record(router, testkit.NewRequest("GET", "/users/7", "", "X-Request-ID: trace-1"))
	rec.Want(t, 500, `{"error":"internal server error"}`)
	const want = `"msg":"panic","request_id":"trace-1","value":"oops","method":"GET","route":"GET /users/{id}","id":"trace-1","stack":true}`
	if !strings.Contains(out.String(), want) {
		t.Errorf("logged %s, want %s", out.String(), want)
	}
}

// copiesRequest is middleware of another package that adds a value to the context, and
// wraps the writer.
func copiesRequest(next nethttp.Handler) nethttp.Handler {
	type key struct{}
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w = struct{ nethttp.ResponseWriter }{w}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, true)))
	})
}

// The callbacks know the route, although the router was called with another request.
func TestCallbacksKnowTheRouteOfACopiedRequest(t *testing.T) {
	t.Parallel()
	var recovered, counted string
	recovery := http.RecoveryFunc(func(r *nethttp.Request, _ any, _ []byte) { recovered = r.Pattern })
	limit := http.RateLimit(http.RateLimitConfig{CountFunc: func(r *nethttp.Request, _ int) bool {
		counted = r.Pattern
		return true
	}})
	for _, mw := range []http.Middleware{stack(recovery, copiesRequest), stack(limit, copiesRequest, http.Recovery(nil))} {
		router := http.NewRouter()
		router.Use(mw)
		router.HandleFunc("GET /users/{id}", func(nethttp.ResponseWriter, *nethttp.Request) { panic("oops") })
		testkit.Record(router, testkit.NewRequest("GET", "/users/7", "")).Want(t, 500, `{"error":"internal server error"}`)
	}
	if want := "GET /users/{id}"; recovered != want || counted != want {
		t.Errorf("the callbacks got the patterns %q and %q, want %q", recovered, counted, want)
	}
}

// Without any other middleware, and without a callback.
func TestRecoveryFuncAlone(t *testing.T) {
	t.Parallel()
	var path string
	panics := nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) { panic("oops") })
	for _, onPanic := range []func(*nethttp.Request, any, []byte){nil, func(r *nethttp.Request, _ any, _ []byte) { path = r.URL.Path }} {
		rec := testkit.Record(http.RecoveryFunc(onPanic)(panics), testkit.NewRequest("GET", "/alone", ""))
		rec.Want(t, 500, `{"error":"internal server error"}`)
	}
	if path != "/alone" {
		t.Errorf("the callback got a request for %q", path)
	}
}

func TestPanicOfTheCallbackIsLogged(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	handler := stack(http.RequestLogger(out.Text()), http.Recovery(func(any, []byte) { panic("worse") }))(
		nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) { panic("bad") }))
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	resp := srv.Get(t, "/")
	srv.Close()
	if resp.StatusCode != 500 || !strings.Contains(out.String(), "panic=worse") || !strings.Contains(out.String(), "reported=bad") {
		t.Errorf("the client got %s; logged %s", resp.Status, out.String())
	}
}

// TestPanicsInsideOtherMiddleware adds Recovery first. It then responds to panics
// of the whole chain, and the chain releases all its resources.
func TestPanicsInsideOtherMiddleware(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	bad := func(nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) { panic("a middleware's mistake") })
	}
	handler := stack(http.Recovery(nil), http.RequestLogger(out.JSON()), http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}), bad)(nethttp.NotFoundHandler())
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		resp := srv.Get(t, "/")
		if resp.StatusCode != 500 {
			t.Errorf("the client got %s", resp.Status)
		}
	})
	if got := out.String(); strings.Count(got, "\n") != 2 || strings.Count(got, `"status":500`) != 2 {
		t.Errorf("logged %s, want one line of status 500 for each of two requests", got)
	}
}

func TestRecoveryAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	h := http.Recovery(nil)(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {}))
	w, r := new(nullWriter), &nethttp.Request{Method: "GET", Header: nethttp.Header{}}
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 1 {
		t.Errorf("Recovery allocates %v times a request", n)
	}
}

// Readers of a panic trace do not know this package. Every frame must have a name,
// and each middleware must be recognizable.
func TestPanicTraceNamesEveryMiddleware(t *testing.T) {
	t.Parallel()
	const module = "github.com/stanza-go/framework/pkg/http"
	links := []string{
		module + ".(*trustedProxiesHandler).ServeHTTP", module + ".(*requestIDHandler).ServeHTTP",
		module + ".(*metricsHandler).ServeHTTP", module + ".(*requestLogHandler).ServeHTTP",
		module + "/internal/secureheaders.(*Handler).ServeHTTP", module + ".(*maxBodyHandler).ServeHTTP",
		module + "/internal/response/compress.(*Handler).ServeHTTP", module + "/internal/response/etag.(*Handler).ServeHTTP",
		module + "/internal/cors.(*Handler).ServeHTTP", module + ".(*rateLimitHandler).ServeHTTP",
		module + "/internal/response/compress.(*Handler).ServeHTTP", module + "/internal/response/etag.(*Handler).ServeHTTP",
		module + ".(*Router).ServeHTTP",
	}
	for _, recovers := range []bool{true, false} {
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			t.Run(fmt.Sprintf("Recovery %t %s", recovers, protocol), func(t *testing.T) {
				t.Parallel()
				stacks := make(chan string, 1)
				router := http.NewRouter()
				for _, l := range everything(&watch{metrics: http.NewMetrics()}) {
					if l.name != "Recovery" {
						router.Use(l.wrap)
					}
				}
				if recovers {
					router.Use(http.Recovery(func(_ any, stack []byte) { stacks <- string(stack) }))
				}
				group := router.Group("/api")
				group.Use(http.Chain(rateLimit(), http.MaxBody(100)))
				group.HandleFunc("GET /{id}", explode)
				logged := chanWriter(stacks)
				url, client := serveOwn(t, protocol, router, http.WithHTTPServer(func(s *nethttp.Server) { s.ErrorLog = log.New(logged, "", 0) }))
				if resp, err := client.Get(url + "/api/1"); err == nil {
					resp.Body.Close()
				}
				stack := testkit.Receive(t, stacks, "the stack")
				t.Log(stack)
				for line := range strings.Lines(stack) {
					if strings.HasPrefix(line, module) && strings.Contains(line, ".func") {
						t.Errorf("a frame has no name: %s", line)
					}
				}
				for _, link := range links {
					if !strings.Contains(stack, "\n"+link+"(") {
						t.Errorf("no frame is %s", link)
					}
				}
			})
		}
	}
}

func explode(nethttp.ResponseWriter, *nethttp.Request) { panic("oops") }

// A chanWriter sends each write as a string.
type chanWriter chan<- string

func (c chanWriter) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}
