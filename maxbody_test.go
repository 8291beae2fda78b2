package http_test

import (
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// reading is a handler that reads the whole body and reports the result.
var reading = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	fmt.Fprintf(w, "%d bytes, too large %t, error %t", len(body), tooLarge, err != nil)
})

func TestMaxBody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		contentType string
		size        int
		chunked     bool
		want        string
	}{
		{"no body", "", 0, false, "0 bytes, too large false, error false"},
		{"below the limit", "text/plain", 9, false, "9 bytes, too large false, error false"},
		{"exactly the limit", "text/plain", 10, false, "10 bytes, too large false, error false"},
		{"exactly the limit, chunked", "text/plain", 10, true, "10 bytes, too large false, error false"},
		{"over the limit", "text/plain", 11, false, "10 bytes, too large true, error true"},
		{"over the limit, chunked", "text/plain", 11, true, "10 bytes, too large true, error true"},
		{"far over the limit", "text/plain", 1 << 20, false, "10 bytes, too large true, error true"},
		{"without a type", "", 11, false, "10 bytes, too large true, error true"},
		{"form", "multipart/form-data; boundary=x", 100, false, "100 bytes, too large false, error false"},
		{"multipart in capitals", "MultiPart/Mixed", 100, true, "100 bytes, too large false, error false"},
		{"not quite multipart", "multipartx/form-data", 100, false, "10 bytes, too large true, error true"},
		{"multipart further on", "text/plain; x=multipart/form-data", 100, false, "10 bytes, too large true, error true"},
		{"only the word", "multipart", 100, false, "10 bytes, too large true, error true"},
	}
	testkit.EachProtocol(t, http.MaxBody(10)(reading), func(t *testing.T, srv *testkit.Server) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r := testkit.NewRequest("POST", srv.URL, strings.Repeat("x", tt.size))
				if tt.chunked {
					r.ContentLength = -1
				}
				if tt.contentType != "" {
					r.Header.Set("Content-Type", tt.contentType)
				}
				testkit.Do(t, srv.Client(), r).Want(t, 200, tt.want)
			})
		}
	})
}

// The server closes the connection only if the limit reaches its own writer.
func TestMaxBodyClosesTheConnectionThroughWrappers(t *testing.T) {
	t.Parallel()
	wraps := map[string]http.Middleware{
		"alone":                  func(next http.Handler) http.Handler { return next },
		"behind metrics":         http.NewMetrics().Middleware(),
		"behind another wrapper": unwrapping,
		"behind both":            http.Chain(http.NewMetrics().Middleware(), unwrapping, http.SecureHeaders(http.SecureHeadersConfig{})),
	}
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := testkit.StartServer(t, testkit.HTTP1, wrap(http.MaxBody(10)(reading)))
			for _, tt := range []struct {
				body   string
				closed bool
			}{
				{strings.Repeat("x", 10), false},
				// The rest is small enough that the server would read it.
				{strings.Repeat("x", 30), true},
			} {
				conn := testkit.Dial(t, srv.Addr())
				conn.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(tt.body), tt.body))
				res := conn.ReadResponse("POST")
				if _, err := io.ReadAll(res.Body); err != nil {
					t.Fatal(err)
				}
				if res.Close != tt.closed {
					t.Errorf("%d bytes: the response announces that the connection closes: %t, want %t", len(tt.body), res.Close, tt.closed)
				}
				if tt.closed {
					if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
						t.Errorf("%d bytes: the connection stayed open", len(tt.body))
					}
					continue
				}
				conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if res := conn.ReadResponse("GET"); res.StatusCode != http.StatusOK {
					t.Errorf("%d bytes: the next request got %d", len(tt.body), res.StatusCode)
				}
			}
		})
	}
}

// unwrapping is middleware of another package that wraps the writer.
func unwrapping(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(foreignWriter{w}, r)
	})
}

type foreignWriter struct{ http.ResponseWriter }

func (w foreignWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// If a client expects 100 Continue, the server checks the body of its own request
// to see whether it has been read. If MaxBody replaced that body, the server would
// ask the client for the body and then discard it.
func TestMaxBodyKeepsExpectContinueWorking(t *testing.T) {
	t.Parallel()
	unread := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	srv := testkit.StartServer(t, testkit.HTTP1, http.MaxBody(10)(unread))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	res := conn.ReadResponse("POST")
	if res.StatusCode != http.StatusForbidden || !res.Close {
		t.Errorf("status %d, closes %t; want 403 at once, then the end", res.StatusCode, res.Close)
	}
}

func TestMaxBodyReachesTheJSONFunctions(t *testing.T) {
	t.Parallel()
	handler := http.MaxBody(10)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v any
		if r.URL.Path == "/read" {
			fmt.Fprint(w, errors.Is(http.ReadJSON(r, &v), http.ErrBodyTooLarge))
			return
		}
		if http.BindJSON(w, r, &v) {
			fmt.Fprint(w, "bound")
		}
	}))
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/read", `"123456789"`, 200, "true"},
		{"/read", `"12345678"`, 200, "false"},
		{"/bind", `"123456789"`, 400, `{"error":"request body too large"}`},
		{"/bind", `"12345678"`, 200, "bound"},
	} {
		rec := testkit.Record(handler, httptest.NewRequest("POST", tt.path, strings.NewReader(tt.body)))
		if got := strings.TrimSpace(rec.Body); rec.StatusCode != tt.status || got != tt.want {
			t.Errorf("%s %s: %d %s, want %d %s", tt.path, tt.body, rec.StatusCode, got, tt.status, tt.want)
		}
	}
}

func TestMaxBodyOfTheSmallestLimitCounts(t *testing.T) {
	t.Parallel()
	for _, limits := range [][2]int64{{10, 100}, {100, 10}} {
		rec := httptest.NewRecorder()
		handler := http.Chain(http.MaxBody(limits[0]), http.MaxBody(limits[1]))(reading)
		handler.ServeHTTP(rec, httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 50))))
		if got := rec.Body.String(); got != "10 bytes, too large true, error true" {
			t.Errorf("limits %d: %s", limits, got)
		}
	}
}

// The body of a client's or a test's request may be nil.
func TestMaxBodyTakesRequestsWithoutABody(t *testing.T) {
	t.Parallel()
	handler := http.MaxBody(10)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != nethttp.NoBody {
			t.Errorf("body %v", r.Body)
		}
	}))
	handler.ServeHTTP(httptest.NewRecorder(), &http.Request{})
	handler.ServeHTTP(httptest.NewRecorder(), &http.Request{Body: nethttp.NoBody})
}

func TestMaxBodyPanicsAtConstruction(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, -1} {
		func() {
			_, file, line, _ := runtime.Caller(0)
			defer func() {
				want := fmt.Sprintf("http: %s:%d: MaxBody: the limit is %d bytes; it must be positive", file, line+7, n)
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("panic %q, want %q", got, want)
				}
			}()
			http.MaxBody(n)
			t.Error("MaxBody returned")
		}()
	}
}

func BenchmarkMaxBody(b *testing.B) {
	handler := http.MaxBody(10)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := new(nullWriter), httptest.NewRequest("POST", "/", nil)
	for _, bench := range []struct {
		name string
		body io.ReadCloser
	}{{"no body", nethttp.NoBody}, {"body", io.NopCloser(strings.NewReader("x"))}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Body = bench.body
				handler.ServeHTTP(w, r)
			}
		})
	}
}
