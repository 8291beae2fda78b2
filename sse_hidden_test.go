package http_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A hidingWriter hides all optional methods of a writer except Flush.
type hidingWriter struct{ next http.ResponseWriter }

func (w hidingWriter) Header() http.Header         { return w.next.Header() }
func (w hidingWriter) Write(p []byte) (int, error) { return w.next.Write(p) }
func (w hidingWriter) WriteHeader(status int)      { w.next.WriteHeader(status) }
func (w hidingWriter) Flush()                      { w.next.(http.Flusher).Flush() }

// A lateWriter delays WriteHeader until the first Write or Flush.
type lateWriter struct {
	hidingWriter
	status int
}

func (w *lateWriter) WriteHeader(status int) { w.status = status }
func (w *lateWriter) Write(p []byte) (int, error) {
	w.sendHeader()
	return w.hidingWriter.Write(p)
}
func (w *lateWriter) Flush() {
	w.sendHeader()
	w.hidingWriter.Flush()
}
func (w *lateWriter) sendHeader() {
	if w.status != 0 {
		w.next.WriteHeader(w.status)
		w.status = 0
	}
}

// hidingMiddleware wrap the ResponseWriter without an Unwrap method.
var hidingMiddleware = map[string]http.Middleware{
	"hiding": func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(hidingWriter{w}, r) })
	},
	"late": func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&lateWriter{hidingWriter: hidingWriter{w}}, r)
		})
	},
	"implicit": func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(struct {
				http.ResponseWriter
				http.Flusher
			}{w, w.(http.Flusher)}, r)
		})
	},
}

// eachHidden runs test with a fake clock for each of hidingMiddleware, inside,
// outside, and between the middleware of this package.
func eachHidden(t *testing.T, test func(t *testing.T, wrap http.Middleware)) {
	twice := func(mw http.Middleware) http.Middleware { return http.Chain(mw, mw) }
	for name, mw := range hidingMiddleware {
		for place, wrap := range map[string]http.Middleware{
			"alone":   mw,
			"twice":   twice(mw),
			"inside":  http.Chain(documentedChain(), mw),
			"outside": http.Chain(mw, documentedChain()),
			"between": http.Chain(documentedChain(), mw, http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{})),
		} {
			t.Run(name+" "+place, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { test(t, wrap) })
			})
		}
	}
}

func TestHiddenStreamOutlivesTheWriteTimeout(t *testing.T) {
	t.Parallel()
	eachHidden(t, func(t *testing.T, wrap http.Middleware) {
		handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			events := http.NewSSEWriter(w)
			for i := range 4 {
				if err := events.Data(fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
				time.Sleep(40 * time.Second)
			}
		}))
		srv := startPipeServer(t, true, handler.ServeHTTP, http.WithWriteTimeout(time.Second))
		defer srv.stop(t)
		want := []message{{data: "0"}, {data: "1"}, {data: "2"}, {data: "3"}}
		check := func(res *nethttp.Response) {
			t.Helper()
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if got := readEvents(string(body)).messages; err != nil || !slices.Equal(got, want) {
				t.Errorf("over %s came %q, %v", res.Proto, got, err)
			}
			if got := res.Header.Values("X-Accel-Buffering"); !slices.Equal(got, []string{"no"}) {
				t.Errorf("over %s X-Accel-Buffering is %q", res.Proto, got)
			}
		}
		c := srv.send(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		c.SetDeadline(time.Time{})
		check(c.ReadResponse("GET"))
		res, err := srv.http2Client(t).Get("https://localhost/")
		if err != nil {
			t.Fatal(err)
		}
		check(res)
	})
}

func TestStopEndsHiddenStreams(t *testing.T) {
	t.Parallel()
	eachHidden(t, func(t *testing.T, wrap http.Middleware) {
		srv := startPipeServer(t, true, wrap(http.HandlerFunc(serveStreams)).ServeHTTP)
		for path := range streamHandlers {
			srv.send(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n").ReadResponse("GET")
		}
		client := srv.http2Client(t)
		for _, path := range []string{"/nothing", "/goodbye"} {
			res, err := client.Get("https://localhost" + path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
		}
		synctest.Wait()
		srv.stop(t)
	})
}

func TestHiddenStreamGivesUpStalledClients(t *testing.T) {
	t.Parallel()
	eachHidden(t, func(t *testing.T, wrap http.Middleware) {
		gaveUp := make(chan time.Duration, 1)
		handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			events := http.NewSSEWriter(w)
			began := time.Now()
			for events.Data(strings.Repeat("x", 1<<20)) == nil {
			}
			gaveUp <- time.Since(began)
		}))
		srv := startPipeServer(t, true, handler.ServeHTTP)
		srv.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").ReadResponse("GET")
		if took := <-gaveUp; took > time.Minute {
			t.Errorf("over HTTP/1 it took %v", took)
		}
		res, err := srv.http2Client(t).Get("https://localhost/")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if took := <-gaveUp; took > time.Minute {
			t.Errorf("over HTTP/2 it took %v", took)
		}
		srv.stop(t)
	})
}

// Not parallel, because it replaces the default logger.
func TestStreamThatTheWriteTimeoutWillEndIsLoggedOnce(t *testing.T) {
	var log testkit.Log
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(log.Text())
	send := func(w http.ResponseWriter) {
		events := http.NewSSEWriter(w)
		for range 3 {
			if err := events.Data("x"); err != nil {
				t.Error(err)
			}
		}
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		ours    bool // whether to use a Server
		want    string
	}{
		"bare":   {func(w http.ResponseWriter, r *http.Request) { send(w) }, false, ""},
		"hidden": {func(w http.ResponseWriter, r *http.Request) { send(hidingWriter{w}) }, false, "http_test.hidingWriter"},
		"hidden twice": {func(w http.ResponseWriter, r *http.Request) {
			send(hidingWriter{&lateWriter{hidingWriter: hidingWriter{w}}})
		}, false, "http_test.hidingWriter"},
		"late":             {func(w http.ResponseWriter, r *http.Request) { send(&lateWriter{hidingWriter: hidingWriter{w}}) }, false, "*http_test.lateWriter"},
		"hidden, Server":   {func(w http.ResponseWriter, r *http.Request) { send(hidingWriter{w}) }, true, ""},
		"late, Server":     {func(w http.ResponseWriter, r *http.Request) { send(&lateWriter{hidingWriter: hidingWriter{w}}) }, true, ""},
		"bare, Server":     {func(w http.ResponseWriter, r *http.Request) { send(w) }, true, ""},
		"hidden, recorder": {func(w http.ResponseWriter, r *http.Request) { send(httptest.NewRecorder()) }, false, ""},
	}
	for name, tt := range tests {
		log.Reset()
		var addr string
		if tt.ours {
			addr = startServer(t, tt.handler).Addr()
		} else {
			addr = testkit.StartServer(t, testkit.HTTP1, tt.handler).Addr()
		}
		c := testkit.Dial(t, addr)
		c.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got := c.ReadAll(); strings.Count(got, "data: x") != 3 && name != "hidden, recorder" || strings.Count(strings.ToLower(got), "x-accel-buffering: no") > 1 {
			t.Errorf("%s: the client got %q", name, got)
		}
		got := log.String()
		if tt.want == "" && got != "" {
			t.Errorf("%s: the log is %q", name, got)
		}
		if tt.want != "" && (strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "type="+tt.want+"\n")) {
			t.Errorf("%s: the log is %q, want one warning that names %s", name, got, tt.want)
		}
	}
}

func TestStreamThatCannotFlushNamesTheWriter(t *testing.T) {
	t.Parallel()
	err := http.NewSSEWriter(struct{ http.ResponseWriter }{httptest.NewRecorder()}).Data("x")
	if !errors.Is(err, http.ErrNotSupported) || !strings.Contains(err.Error(), "struct { http.ResponseWriter } cannot flush") {
		t.Errorf("the first event returned %v", err)
	}
}

// If a goroutine starts a stream after the handler has returned, nothing is sent,
// and the next request on the connection is not affected.
func TestStreamBegunAfterTheHandlerReturned(t *testing.T) {
	t.Parallel()
	writers, entered := make(chan http.ResponseWriter, 1), make(chan bool)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/first":
			writers <- w
		case "/second":
			entered <- true
			<-entered
			if err := r.Context().Err(); err != nil {
				t.Errorf("the context of the second request ended: %v", err)
			}
			io.WriteString(w, "second")
		}
	})
	c := testkit.Dial(t, srv.Addr())
	c.Send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
	io.Copy(io.Discard, c.ReadResponse("GET").Body)
	c.Send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	late := http.NewSSEWriter(<-writers)
	if err := late.Data("leaked"); err == nil {
		t.Error("an event was accepted")
	}
	late.SetWriteTimeout(time.Second)
	result := stopLater(srv, t.Context())
	for !refusesConnections(srv.Addr()) {
		select {
		case err := <-result:
			t.Fatalf("Stop: %v", err)
		default:
		}
	}
	entered <- true
	res := c.ReadResponse("GET")
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "second" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("the second request got %q, %v, %v", body, err, res.Header)
	}
	if err := testkit.Receive(t, result, "Stop"); err != nil {
		t.Errorf("Stop: %v", err)
	}
}
