package http_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestErrorAnswersDropWhatDescribedTheLostBody(t *testing.T) {
	t.Parallel()
	prepare := func(w http.ResponseWriter) {
		for _, fields := range []map[string]string{lostFields, keptFields} {
			for name, value := range fields {
				w.Header().Set(name, value)
			}
		}
		w.Header().Set("Content-Type", `text/csv; charset="x"; header=present`)
		w.Header().Set("Content-Length", "12345")
	}
	chain := http.Chain(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.Recovery(nil))
	fails := map[string]http.Handler{
		"WriteError": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			prepare(w)
			http.WriteError(w, 500, "internal server error")
		}),
		"a value that cannot be encoded": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { prepare(w); http.WriteJSON(w, 200, make(chan int)) }),
		"a panic": http.Recovery(nil)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			prepare(w)
			panic("oops")
		})),
		"a panic after a held write": chain(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			prepare(w)
			w.Header().Del("Content-Encoding") // ETag does not hold an encoded body
			w.Header().Del("Content-Range")
			w.Header().Del("Etag")
			w.Header().Del("Accept-Ranges")
			w.Header().Del("Trailer")
			w.Header().Del("X-Sum")
			io.WriteString(w, "some")
			panic("oops")
		})),
	}
	for name, handler := range fails {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
				resp := srv.Get(t, "/")
				resp.Want(t, 500, `{"error":"internal server error"}`)
				for name, value := range lostFields {
					if v, ok := resp.Header[name]; ok && !(name == "Etag" && v[0] != value) {
						t.Errorf("%s: %q is left of the lost body", name, v)
					}
				}
				for name, value := range keptFields {
					if v := resp.Header[name]; !slices.Contains(v, value) {
						t.Errorf("%s is %q, want %q among it", name, v, value)
					}
				}
				if ct := resp.Header.Get("Content-Type"); ct != "application/json" || resp.ContentLength != int64(len(resp.Body)) || len(resp.Trailer) > 0 {
					t.Errorf("type %q, length %d, trailer %v", ct, resp.ContentLength, resp.Trailer)
				}
			})
		})
	}
}

func TestWriteErrorKeepsWhatItsStatusNeeds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status            int
		name, value, want string
	}{
		{416, "Content-Range", "bytes */1234", "bytes */1234"},
		{416, "Content-Range", "bytes 0-9/1234", ""},
		{404, "Content-Range", "bytes */1234", ""},
		{307, "Location", "/new", "/new"},
		{404, "Location", "/new", ""},
		{426, "Upgrade", "websocket", "websocket"},
		{503, "Retry-After", "9", "9"},
	}
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var i int
		fmt.Sscanf(r.URL.Path, "/%d", &i)
		w.Header().Set(tests[i].name, tests[i].value)
		http.WriteError(w, tests[i].status, "no")
	}))
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for i, tt := range tests {
		resp := testkit.Get(t, client, fmt.Sprintf("%s/%d", srv.URL, i))
		if got := resp.Header.Get(tt.name); resp.StatusCode != tt.status || got != tt.want {
			t.Errorf("%d with %s: %s came with %q, want %q", tt.status, tt.name, tt.value, got, tt.want)
		}
	}
}

func TestErrorAnswersInsideAForeignEncoder(t *testing.T) {
	t.Parallel()
	everything := http.Chain(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware(), http.RequestLogger(slog.New(slog.DiscardHandler)),
		http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.Recovery(nil))
	handlers := map[string]http.Handler{
		"plain, around a router":               plainGzip(failingRouter()),
		"plain, around a chain":                plainGzip(failingRouter(everything)),
		"plain, in a chain":                    failingRouter(everything, plainGzip),
		"plain, around it all with a recorder": stack(observing, plainGzip)(failingRouter()),
		"gorilla, around a router":             gorillaGzip(failingRouter()),
		"gorilla, around a chain":              gorillaGzip(failingRouter(everything)),
		"gorilla, in a chain":                  failingRouter(everything, gorillaGzip),
		"gorilla, first in a chain":            failingRouter(gorillaGzip, everything),
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) { checkEncodedErrors(t, srv.Client(), srv.URL) })
			t.Run("own server", func(t *testing.T) {
				checkEncodedErrors(t, &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}},
					"http://"+startServer(t, handler.ServeHTTP).Addr())
			})
		})
	}
}

// If the handler itself set Content-Encoding for the body that it did not write,
// the field is removed, even if the ResponseWriter is wrapped.
func TestErrorAnswersDropTheHandlersOwnCoding(t *testing.T) {
	t.Parallel()
	lost := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		if r.URL.Path == "/panic" {
			panic("oops")
		}
		http.WriteError(w, 500, "internal server error")
	})
	for name, handler := range map[string]http.Handler{
		"nothing outside":        http.Recovery(nil)(lost),
		"Compress":               stack(http.Compress(http.CompressConfig{}), http.Recovery(nil))(lost),
		"ETag":                   stack(http.ETag(http.ETagConfig{}), http.Recovery(nil))(lost),
		"a wrapper outside":      stack(foreignWrapper, http.Recovery(nil))(lost),
		"recovery outside":       stack(http.Recovery(nil), http.ETag(http.ETagConfig{}), http.Compress(http.CompressConfig{}))(lost),
		"the documented chain":   documentedChain()(lost),
		"an encoder after a 200": stack(http.Recovery(nil), http.ETag(http.ETagConfig{}), http.Compress(http.CompressConfig{}))(late(lost)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
				for _, path := range []string{"/panic", "/error"} {
					resp := srv.Get(t, path)
					resp.Want(t, 500, `{"error":"internal server error"}`)
					resp.WantHeader(t, "Content-Encoding", "")
				}
			})
		})
	}
}

// lostFields describe the body that a handler did not write.
var lostFields = map[string]string{
	"Content-Disposition": `attachment; filename="a.csv"`, "Content-Range": "bytes 0-9/100", "Content-Language": "de",
	"Content-Location": "/a", "Content-Encoding": "br", "Content-Md5": "Q2hlY2s=", "Content-Digest": "sha-256=:AA==:",
	"Repr-Digest": "sha-256=:AA==:", "Digest": "sha-256=AA==", "Content-Transfer-Encoding": "binary", "Content-Description": "a file",
	"Accept-Ranges": "bytes", "Etag": `"x"`, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
	"Cache-Control": "public, max-age=31536000", "Cdn-Cache-Control": "max-age=9", "Pragma": "cache", "Age": "7", "Location": "/b",
	"Refresh": "1; url=/b", "Trailer": "X-Sum", "X-Sum": "1", http.TrailerPrefix + "X-More": "2", "X-Accel-Redirect": "/internal/a",
	"X-Accel-Buffering": "no", "X-Sendfile": "/a",
}

// keptFields describe the resource, the client or the connection.
var keptFields = map[string]string{
	"Set-Cookie": "a=b", "Vary": "Cookie", "Allow": "GET", "Retry-After": "9", "Www-Authenticate": "Basic", "X-Request-Id": "1",
	"Content-Security-Policy": "default-src 'none'", "Access-Control-Allow-Origin": "https://a.example", "Strict-Transport-Security": "max-age=1",
	"Link": `</style.css>; rel="preload"`,
}

// plainGzip is gzip middleware as many programs write it.
func plainGzip(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		zw := gzip.NewWriter(w)
		next.ServeHTTP(plainGzipWriter{w, zw}, r)
		zw.Close()
	})
}

type plainGzipWriter struct {
	http.ResponseWriter
	zw io.Writer
}

func (w plainGzipWriter) Write(p []byte) (int, error) { return w.zw.Write(p) }

// A gorillaWriter behaves like the writer of gorilla's CompressHandler, which
// compresses, flushes and has an Unwrap method.
type gorillaWriter struct {
	http.ResponseWriter
	zw *gzip.Writer
}

func (w *gorillaWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *gorillaWriter) WriteHeader(status int) {
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(status)
}

func (w *gorillaWriter) Write(p []byte) (int, error) {
	w.Header().Del("Content-Length")
	return w.zw.Write(p)
}

func (w *gorillaWriter) Flush() {
	w.zw.Flush()
	http.NewResponseController(w.ResponseWriter).Flush()
}

func gorillaGzip(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Add("Vary", "Accept-Encoding")
		zw := gzip.NewWriter(w)
		defer zw.Close()
		next.ServeHTTP(&gorillaWriter{w, zw}, r)
	})
}

// failingRouter returns a router whose routes fail in different ways.
func failingRouter(mw ...http.Middleware) http.Handler {
	router := http.NewRouter()
	router.Use(mw...)
	router.HandleFunc("GET /error", func(w http.ResponseWriter, _ *http.Request) { http.WriteError(w, 500, "sorry") })
	router.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		http.WriteJSON(w, 200, map[string]string{"error": "sorry"})
	})
	router.HandleFunc("GET /unencodable", func(w http.ResponseWriter, _ *http.Request) { http.WriteJSON(w, 200, make(chan int)) })
	router.HandleFunc("GET /number/{n}", func(w http.ResponseWriter, r *http.Request) { http.PathParamInt64(w, r, "n") })
	router.HandleFunc("GET /net", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"sorry"}`, 500) })
	router.Handle("GET /panic", http.Recovery(nil)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		panic("oops")
	})))
	return router
}

// checkEncodedErrors requests every route of failingRouter and checks that the
// response can be decompressed.
func checkEncodedErrors(t *testing.T, client *nethttp.Client, url string) {
	t.Helper()
	for path, status := range map[string]int{
		"GET /error": 500, "GET /json": 200, "GET /unencodable": 500, "GET /number/x": 400, "GET /net": 500, "GET /panic": 500,
		"GET /nowhere": 404, "POST /error": 405,
	} {
		method, path, _ := strings.Cut(path, " ")
		resp := testkit.Do(t, client, testkit.NewRequest(method, url+path, "", "Accept-Encoding: gzip"))
		resp.WantHeader(t, "Content-Encoding", "gzip")
		if plain := resp.Plain(t); resp.StatusCode != status || !strings.HasPrefix(plain, `{"error":"`) {
			t.Errorf("%s %s: %s, %q", method, path, resp.Status, plain)
		}
	}
}

// foreignWrapper is middleware whose ResponseWriter has an Unwrap method.
func foreignWrapper(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct{ unwrappable }{unwrappable{w}}, r)
	})
}

type unwrappable struct{ http.ResponseWriter }

func (w unwrappable) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// late makes the handler panic after it has written a body that Compress has begun
// to encode and ETag still holds.
func late(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			io.WriteString(w, sample(5000))
			panic("oops")
		}
		next.ServeHTTP(w, r)
	})
}
