package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// oneSecond is the Timeout of most tests. They use a fake clock.
func oneSecond() http.Middleware { return http.Timeout(http.TimeoutConfig{Timeout: time.Second}) }

// inBothProtocols serves handler to test with a fake clock, and stops the server.
func inBothProtocols(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, client *nethttp.Client, url string), opts ...http.ServerOption) {
	t.Helper()
	for protocol, secure := range map[testkit.Protocol]bool{testkit.HTTP1: false, testkit.HTTP2: true} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := startPipeServer(t, secure, handler, opts...)
				transport, url := &nethttp.Transport{DialContext: srv.listener.Dial}, "http://localhost"
				if secure {
					transport.TLSClientConfig, transport.ForceAttemptHTTP2, url = srv.tls, true, "https://localhost"
				}
				defer srv.stop(t)
				defer transport.CloseIdleConnections()
				test(t, &nethttp.Client{Transport: transport}, url)
			})
		})
	}
}

// wantTimedOut checks the response to a request whose handler took too long.
func wantTimedOut(t *testing.T, res *testkit.Response) {
	t.Helper()
	res.Want(t, http.StatusServiceUnavailable, `{"error":"request timed out"}`)
	res.WantHeader(t, "Content-Type", "application/json")
}

// send sends a GET request to url. The body of the response may be incomplete.
func send(client *nethttp.Client, url string) (*testkit.Response, error) {
	req, err := nethttp.NewRequest("GET", url, nil)
	if err != nil {
		return nil, err
	}
	return testkit.Send(client, req)
}

// A timeoutCase is a handler and what its client gets.
type timeoutCase struct {
	serve  func(w http.ResponseWriter, r *http.Request) error // the error of the last call
	err    error                                              // of serve
	status int                                                // 0 if the response is aborted
	body   string
	sleeps bool // needs a fake clock
}

// check sends a request to the handler. failure receives its error.
func (c timeoutCase) check(t *testing.T, client *nethttp.Client, url string, failure <-chan error) {
	t.Helper()
	res, err := send(client, url)
	switch {
	case c.status == 0:
		if err == nil {
			t.Errorf("the client got %v, want an incomplete response", res)
		}
	case err != nil:
		t.Fatal(err)
	case c.status == 503:
		wantTimedOut(t, res)
	default:
		res.Want(t, c.status, c.body)
	}
	if err := <-failure; !errors.Is(err, c.err) {
		t.Errorf("the handler got %v, want %v", err, c.err)
	}
}

// timeoutCases are handlers whose deadline passes at different times.
var timeoutCases = map[string]timeoutCase{
	"before the first byte, nothing is written": {serve: func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return nil
	}, status: 503},
	"before the first byte, then Write": {serve: func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		_, err := io.WriteString(w, "late")
		return err
	}, err: http.ErrHandlerTimeout, status: 503},
	"before the first byte, then ReadFrom": {serve: func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		_, err := io.Copy(w, strings.NewReader("late"))
		return err
	}, err: http.ErrHandlerTimeout, status: 503},
	"before the first byte, while a reader is copied": {serve: func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.Copy(w, readFunc(func(p []byte) (int, error) {
			<-r.Context().Done()
			return copy(p, "late"), nil
		}))
		return err
	}, err: http.ErrHandlerTimeout, status: 503},
	"before the first byte, then WriteJSON": {serve: func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		http.WriteJSON(w, 200, "late")
		return nil
	}, status: 503},
	"before the first byte, then a flush": {serve: func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return http.NewResponseController(w).Flush()
	}, err: http.ErrHandlerTimeout, status: 503},
	"before the first byte, then Hijack": {serve: func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		_, _, err := http.NewResponseController(w).Hijack()
		return err
	}, err: http.ErrHandlerTimeout, status: 503},
	"before the first byte, then an event stream": {serve: func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return http.NewSSEWriter(w).Data("late")
	}, err: http.ErrHandlerTimeout, status: 503},
	"before the first byte, without looking at the context": {serve: func(w http.ResponseWriter, r *http.Request) error {
		time.Sleep(5 * time.Second)
		return r.Context().Err()
	}, err: context.DeadlineExceeded, status: 503, sleeps: true},
	"after the header": {serve: func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(200)
		<-r.Context().Done()
		return nil
	}},
	"after the first byte": {serve: func(w http.ResponseWriter, r *http.Request) error {
		io.WriteString(w, "early")
		<-r.Context().Done()
		_, err := io.WriteString(w, "late")
		return err
	}, err: http.ErrHandlerTimeout},
	"after a flush": {serve: func(w http.ResponseWriter, r *http.Request) error {
		io.WriteString(w, "early")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return http.NewResponseController(w).Flush()
	}, err: http.ErrHandlerTimeout},
	"within a declared body": {serve: func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Length", "6")
		io.WriteString(w, "early")
		<-r.Context().Done()
		return nil
	}},
	"after a whole declared body": {serve: func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "early")
		<-r.Context().Done()
		return nil
	}, status: 200, body: "early"},
	"after a status without a body": {serve: func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(204)
		<-r.Context().Done()
		return nil
	}, status: 204},
	"after the handler": {serve: func(w http.ResponseWriter, r *http.Request) error {
		time.Sleep(999 * time.Millisecond)
		io.WriteString(w, "in time")
		return r.Context().Err()
	}, status: 200, body: "in time", sleeps: true},
}

// A readFunc is a Read method.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestTimeoutBeforeDuringAndAfterTheResponse(t *testing.T) {
	t.Parallel()
	around := map[string]func(nethttp.Handler) nethttp.Handler{
		"alone":                      oneSecond(),
		"inside an observer":         stack(observing, oneSecond()),
		"around an observer":         stack(oneSecond(), observing),
		"inside a longer one":        stack(http.Timeout(http.TimeoutConfig{Timeout: 2 * time.Second}), oneSecond()),
		"around a longer one":        stack(oneSecond(), http.Timeout(http.TimeoutConfig{Timeout: 2 * time.Second})),
		"inside Recovery and logger": stack(http.RequestLogger((&testkit.Log{}).Text()), http.Recovery(nil), oneSecond()),
	}
	for name, c := range timeoutCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for position, wrap := range around {
				t.Run(position, func(t *testing.T) {
					t.Parallel()
					failure := make(chan error, 1)
					handler := wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { failure <- c.serve(w, r) }))
					inBothProtocols(t, handler.ServeHTTP, func(t *testing.T, client *nethttp.Client, url string) {
						c.check(t, client, url, failure)
					})
				})
			}
		})
	}
}

// The same over sockets.
func TestTimeoutOverSockets(t *testing.T) {
	t.Parallel()
	for name, c := range timeoutCases {
		if c.sleeps {
			continue
		}
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			t.Run(fmt.Sprintf("%s, %s", name, protocol), func(t *testing.T) {
				t.Parallel()
				failure := make(chan error, 1)
				limit := http.Timeout(http.TimeoutConfig{Timeout: 20 * time.Millisecond})
				url, client := serveOwn(t, protocol, limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { failure <- c.serve(w, r) })))
				c.check(t, client, url, failure)
			})
		}
	}
}

// Compress and ETag hold the response outside of Timeout, so that it can still be replaced,
// or inside of it, so that nothing has been sent.
func TestTimeoutReplacesHeldResponses(t *testing.T) {
	t.Parallel()
	both := http.Chain(http.Compress(http.CompressConfig{MinSize: 1}), http.ETag(http.ETagConfig{}))
	small := http.Chain(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{MaxSize: 10_000}))
	long := strings.Repeat("early", 10_000)
	for name, wrap := range map[string]http.Middleware{
		"outside":             http.Chain(both, oneSecond()),
		"inside":              http.Chain(oneSecond(), both),
		"inside, streaming":   http.Chain(oneSecond(), small),
		"inside, Compress":    http.Chain(oneSecond(), http.Compress(http.CompressConfig{})),
		"inside, ETag":        http.Chain(oneSecond(), http.ETag(http.ETagConfig{})),
		"between":             http.Chain(http.Compress(http.CompressConfig{}), oneSecond(), http.ETag(http.ETagConfig{})),
		"inside two Timeouts": http.Chain(oneSecond(), observing, oneSecond(), both),
	} {
		handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			if r.URL.Path == "/long" {
				w.Header().Set("Content-Length", strconv.Itoa(len(long)))
				io.WriteString(w, long)
			} else {
				if r.URL.Path == "/whole" {
					w.Header().Set("Content-Length", "5")
				}
				io.WriteString(w, "early")
			}
			<-r.Context().Done()
		}))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBothProtocols(t, handler.ServeHTTP, func(t *testing.T, client *nethttp.Client, url string) {
				res, err := send(client, url+"/part")
				if err != nil {
					t.Fatal(err)
				}
				wantTimedOut(t, res)
				for path, body := range map[string]string{"/whole": "early", "/long": long} {
					whole, err := send(client, url+path)
					if err != nil {
						t.Fatal(err)
					}
					whole.Want(t, 200, body)
				}
			})
		})
	}
}

// An event stream or a WebSocket that starts too late is not counted as one.
func TestTimeoutRefusesStreams(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"event stream": func(w http.ResponseWriter, r *http.Request) error { return http.NewSSEWriter(w).Data("late") },
		"WebSocket": func(w http.ResponseWriter, r *http.Request) error {
			_, err := http.Upgrader{}.Upgrade(w, r)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := http.NewMetrics()
				handler := stack(m.Middleware(), oneSecond())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					if err := start(w, r); !errors.Is(err, http.ErrHandlerTimeout) {
						t.Errorf("the error is %v", err)
					}
				}))
				srv := startPipeServer(t, false, handler.ServeHTTP)
				res := srv.send(t, handshake).Response("GET")
				wantTimedOut(t, res)
				res.WantHeader(t, "Connection", "")
				if mean := m.Stats().AvgDurationMs; mean != 1000 {
					t.Errorf("the mean duration is %v ms", mean)
				}
				srv.stop(t)
			})
		})
	}
}

// A response that Compress or ETag holds inside of Timeout accepts nothing late either.
func TestTimeoutRefusesHeldResponses(t *testing.T) {
	t.Parallel()
	for name, inner := range map[string]func(nethttp.Handler) nethttp.Handler{
		"ETag":                   http.ETag(http.ETagConfig{}),
		"Compress":               http.Compress(http.CompressConfig{}),
		"the chain":              documentedChain(),
		"ETag, inside observers": stack(observing, http.ETag(http.ETagConfig{}), observing),
	} {
		for how, write := range map[string]func(w http.ResponseWriter) error{
			"Write":   func(w http.ResponseWriter) error { _, err := w.Write([]byte("late")); return err },
			"copying": func(w http.ResponseWriter) error { _, err := io.Copy(w, strings.NewReader("late")); return err },
			"Flush":   func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				handler := stack(oneSecond(), inner)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, "early")
					<-r.Context().Done()
					if err := write(w); !errors.Is(err, http.ErrHandlerTimeout) {
						t.Errorf("the error is %v", err)
					}
				}))
				inBothProtocols(t, handler.ServeHTTP, func(t *testing.T, client *nethttp.Client, url string) {
					res, err := send(client, url)
					if err != nil {
						t.Fatal(err)
					}
					wantTimedOut(t, res)
				})
			})
		}
	}
}

// The context and all that are derived from it end at the same moment, without a
// goroutine. When the handler returns, they are canceled.
func TestTimeoutEndsContextsOfTheHandler(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		base, disconnect := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		var kept []context.Context
		handler := oneSecond()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			if deadline, ok := ctx.Deadline(); !ok || !deadline.Equal(start.Add(time.Second)) {
				t.Errorf("the deadline is %v, %t", deadline, ok)
			}
			if r.URL.Path == "/unused" {
				time.Sleep(time.Second)
				if err := ctx.Err(); err != context.DeadlineExceeded {
					t.Errorf("the error is %v", err)
				}
				<-ctx.Done()
				return
			}
			child, cancel := context.WithCancel(context.WithValue(ctx, &kept, 1))
			defer cancel()
			if kept = append(kept, ctx, child); ctx.Value(key{}) != "value" || ctx.Err() != nil || child.Err() != nil {
				t.Errorf("value %v, error %v", ctx.Value(key{}), ctx.Err())
			}
			called := make(chan bool)
			context.AfterFunc(ctx, func() { close(called) })
			switch r.URL.Path {
			case "/return":
				return
			case "/disconnect":
				disconnect(io.ErrUnexpectedEOF)
			}
			<-child.Done()
			<-called
		}))
		serve := func(path string, want, cause error) {
			kept = nil
			start = time.Now()
			testkit.Record(handler, httptest.NewRequest("GET", path, nil).WithContext(base))
			for i, ctx := range kept {
				if err := ctx.Err(); err != want || context.Cause(ctx) != cause {
					t.Errorf("%s: context %d ended with %v because of %v, want %v because of %v", path, i, err, context.Cause(ctx), want, cause)
				}
			}
		}
		serve("/expire", context.DeadlineExceeded, context.DeadlineExceeded)
		serve("/unused", nil, nil)
		serve("/return", context.Canceled, context.Canceled)
		serve("/disconnect", context.Canceled, io.ErrUnexpectedEOF)
	})
}

// An earlier deadline of an outer context applies.
func TestTimeoutKeepsEarlierDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		want, _ := ctx.Deadline()
		handler := oneSecond()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			if got, _ := r.Context().Deadline(); got != want || r.Context().Err() != context.DeadlineExceeded {
				t.Errorf("deadline %v, error %v", got, r.Context().Err())
			}
			http.WriteError(w, 418, "mine")
		}))
		testkit.Record(handler, httptest.NewRequest("GET", "/", nil).WithContext(ctx)).Want(t, 418, `{"error":"mine"}`)
	})
}

// Once an event stream or a WebSocket has started, the handler has no deadline, nor do
// its read and write deadlines apply.
func TestTimeoutDoesNotApplyToStreams(t *testing.T) {
	t.Parallel()
	wait := func(t *testing.T, r *http.Request, d time.Duration) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			t.Errorf("the context ended: %v", r.Context().Err())
		}
		if deadline, ok := r.Context().Deadline(); ok {
			t.Errorf("the context has the deadline %v", deadline)
		}
	}
	for name, wrap := range map[string]func(nethttp.Handler) nethttp.Handler{
		"alone":     oneSecond(),
		"nested":    stack(oneSecond(), oneSecond()),
		"the chain": stack(oneSecond(), documentedChain(), oneSecond()),
		"hidden":    stack(oneSecond(), hidingMiddleware["implicit"], oneSecond()),
	} {
		for _, used := range []string{"context in use", "context not in use"} {
			handler := wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if used == "context in use" {
					defer context.AfterFunc(r.Context(), func() {})()
				}
				if r.Header.Get("Upgrade") != "" {
					conn, err := http.Upgrader{}.Upgrade(w, r)
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					wait(t, r, 5*time.Second) // less than the client's patience
					conn.WriteMessage(http.TextMessage, []byte("after a while"))
					return
				}
				s := http.NewSSEWriter(w)
				wait(t, r, time.Minute)
				if err := s.Data("after a minute"); err != nil {
					t.Error(err)
				}
			}))
			t.Run(name+", "+used, func(t *testing.T) {
				t.Parallel()
				inBothProtocols(t, handler.ServeHTTP, func(t *testing.T, client *nethttp.Client, url string) {
					res, err := send(client, url)
					if err != nil || res.Body != "data: after a minute\n\n" {
						t.Errorf("the client got %v, %v", res, err)
					}
				})
				if name == "hidden" {
					return // and cannot be hijacked
				}
				overPlainAndTLS(t, func(t *testing.T, secure bool) {
					srv := startPipeServer(t, secure, handler.ServeHTTP)
					conn := srv.upgrade(t, "/")
					if frame := conn.ReadAll(); !strings.Contains(frame, "after a while") {
						t.Errorf("the client got %q", frame)
					}
					srv.stop(t)
				})
			})
		}
	}
}

// A body that arrives slowly may take as long as the handler, longer than the server allows.
func TestTimeoutReplacesTheServersTimeouts(t *testing.T) {
	t.Parallel()
	minute := http.Timeout(http.TimeoutConfig{Timeout: time.Minute})
	for name, tt := range map[string]struct {
		mw     http.Middleware
		every  time.Duration // between 10 parts of the body
		status int
		body   string
		took   time.Duration
	}{
		"a minute":                   {minute, 2 * time.Second, 201, "10", 20 * time.Second},
		"a minute, too slow":         {minute, 7 * time.Second, 503, `{"error":"request timed out"}`, time.Minute},
		"only reading":               {http.Timeout(http.TimeoutConfig{ReadTimeout: time.Minute}), 2 * time.Second, 201, "10", 20 * time.Second},
		"only reading, too slow":     {http.Timeout(http.TimeoutConfig{ReadTimeout: 3 * time.Second}), 2 * time.Second, 408, `{"error":"body"}`, 3 * time.Second},
		"reading as long as writing": {http.Timeout(http.TimeoutConfig{ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second}), 2 * time.Second, 408, `{"error":"body"}`, 3 * time.Second},
		"reading for less":           {http.Timeout(http.TimeoutConfig{Timeout: time.Minute, ReadTimeout: 5 * time.Second}), 2 * time.Second, 408, `{"error":"body"}`, 5 * time.Second},
		"the inner one":              {http.Chain(oneSecond(), http.Timeout(http.TimeoutConfig{ReadTimeout: time.Minute})), 2 * time.Second, 503, `{"error":"request timed out"}`, time.Second},
		"the server's":               {http.Chain(), 2 * time.Second, 408, `{"error":"body"}`, 15 * time.Second},
		"the server's, enough":       {http.Chain(), time.Second, 201, "10", 10 * time.Second},
	} {
		handler := tt.mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("reading failed with %v", err)
				}
				http.WriteError(w, http.StatusRequestTimeout, "body")
				return
			}
			w.WriteHeader(201)
			fmt.Fprint(w, n)
		}))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBothProtocols(t, handler.ServeHTTP, func(t *testing.T, client *nethttp.Client, url string) {
				body, w := io.Pipe()
				var sending sync.WaitGroup
				defer sending.Wait()
				defer body.Close()
				sending.Go(func() {
					defer w.Close()
					for range 10 {
						time.Sleep(tt.every)
						if _, err := io.WriteString(w, "x"); err != nil {
							return
						}
					}
				})
				start := time.Now()
				req, err := nethttp.NewRequest("POST", url, body)
				if err != nil {
					t.Fatal(err)
				}
				req.ContentLength = 10
				res, err := testkit.Send(client, req)
				if err != nil {
					t.Fatal(err)
				}
				res.Want(t, tt.status, tt.body)
				if took := time.Since(start); took < tt.took || took > tt.took+time.Second {
					t.Errorf("the response took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// The write timeout is longer than 15 seconds only for requests with a body.
func TestWriteTimeoutWithAndWithoutBody(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(16 * time.Second)
		io.WriteString(w, "late")
	}
	inBothProtocols(t, handler, func(t *testing.T, client *nethttp.Client, url string) {
		if res, err := client.Post(url, "text/plain", strings.NewReader("x")); err != nil || res.StatusCode != 200 {
			t.Errorf("POST got %v, %v", res, err)
		} else {
			res.Body.Close()
		}
		if res, err := send(client, url); err == nil {
			t.Errorf("GET got %v", res)
		}
	})
}

// The longest durations do not overflow.
func TestLongestTimeouts(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]http.TimeoutConfig{
		"Timeout":      {Timeout: math.MaxInt64},
		"ReadTimeout":  {ReadTimeout: math.MaxInt64},
		"WriteTimeout": {WriteTimeout: math.MaxInt64},
		"all":          {Timeout: math.MaxInt64 - 1, ReadTimeout: math.MaxInt64 - 1, WriteTimeout: math.MaxInt64},
	} {
		handler := http.Timeout(config)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			time.Sleep(time.Hour)
			fmt.Fprintf(w, "%s, %v, %v", body, err, r.Context().Err())
		}))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBothProtocols(t, handler.ServeHTTP, func(t *testing.T, client *nethttp.Client, url string) {
				req, err := nethttp.NewRequest("POST", url, strings.NewReader("hello"))
				if err != nil {
					t.Fatal(err)
				}
				res, err := testkit.Send(client, req)
				if err != nil {
					t.Fatal(err)
				}
				res.Want(t, 200, "hello, <nil>, <nil>")
			})
		})
	}
}

// The end of a response has a deadline too, although the server has none.
func TestTimeoutLimitsTheEndOfTheResponse(t *testing.T) {
	t.Parallel()
	for name, mw := range map[string]http.Middleware{
		"Timeout":   http.Timeout(http.TimeoutConfig{WriteTimeout: time.Minute}),
		"Streaming": http.Streaming(),
	} {
		synctest.Test(t, func(t *testing.T) {
			handler := mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "unread") }))
			srv := startPipeServer(t, false, handler.ServeHTTP, http.WithWriteTimeout(0))
			srv.send(t, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
			time.Sleep(61 * time.Second)
			synctest.Wait()
			began := time.Now()
			if err := srv.Stop(t.Context()); err != nil || time.Since(began) > time.Second {
				t.Errorf("%s: Stop took %v: %v", name, time.Since(began), err)
			}
		})
	}
}

// The deadlines of a request do not remain for the next one on the connection.
func TestTimeoutLeavesTheNextRequestAlone(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]http.ServerOption{
		"without server timeouts": {http.WithReadTimeout(0), http.WithWriteTimeout(0), http.WithIdleTimeout(0)},
		"with server timeouts":    {http.WithReadTimeout(time.Hour), http.WithWriteTimeout(time.Hour), http.WithIdleTimeout(0)},
	} {
		router := http.NewRouter()
		limited := router.Group("/limited")
		limited.Use(http.Timeout(http.TimeoutConfig{Timeout: time.Second, ReadTimeout: time.Second, WriteTimeout: 2 * time.Second}))
		limited.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprint(w, len(body), err)
		})
		router.HandleFunc("POST /slow", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			time.Sleep(time.Minute)
			fmt.Fprint(w, len(body), err, r.Context().Err())
		})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBothProtocols(t, router.ServeHTTP, func(t *testing.T, client *nethttp.Client, url string) {
				post := func(path, body, want string) {
					res, err := client.Post(url+path, "", strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					if got, err := io.ReadAll(res.Body); string(got) != want || err != nil {
						t.Errorf("%s: %q, %v", path, got, err)
					}
				}
				post("/limited/", "hello", "5 <nil>")
				time.Sleep(time.Minute)
				post("/slow", "hello", "5 <nil> <nil>")
			}, opts...)
		})
	}
}

// A panic passes through. Recovery responds to it, inside and outside.
func TestTimeoutPassesPanicsOn(t *testing.T) {
	t.Parallel()
	const internal = `{"error":"internal server error"}`
	for name, tt := range map[string]struct {
		chain http.Middleware
		late  string
	}{
		"inside Recovery": {http.Chain(http.Recovery(nil), oneSecond()), internal},
		"around Recovery": {http.Chain(oneSecond(), http.Recovery(nil)), `{"error":"request timed out"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				handler := tt.chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/late" {
						<-r.Context().Done()
					}
					panic("boom")
				}))
				if got := testkit.Record(handler, httptest.NewRequest("GET", "/early", nil)).Body; got != internal {
					t.Errorf("the early panic gives %s", got)
				}
				if got := testkit.Record(handler, httptest.NewRequest("GET", "/late", nil)).Body; got != tt.late {
					t.Errorf("the late panic gives %s, want %s", got, tt.late)
				}
			})
		})
	}
}

// Metrics and logger see the status that the client gets.
func TestTimeoutIsLoggedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log testkit.Log
		metrics := http.NewMetrics()
		router := http.NewRouter()
		router.Use(metrics.Middleware(), http.RequestLogger(log.Text()), http.Timeout(http.TimeoutConfig{Timeout: time.Second, Message: "too slow"}))
		router.HandleFunc("GET /{id}", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		testkit.Record(router, httptest.NewRequest("GET", "/7", nil)).Want(t, 503, `{"error":"too slow"}`)
		if line := log.String(); !strings.Contains(line, "status=503") || !strings.Contains(line, `pattern="GET /{id}"`) {
			t.Errorf("the log is %s", line)
		}
		if n := metrics.Stats().Status5xx; n != 1 {
			t.Errorf("%d requests with status 5xx are counted", n)
		}
	})
}

// BindJSON and ReadJSON say that the body came too late.
func TestLateJSONBodies(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		var v any
		if r.URL.Path == "/bind" {
			if http.BindJSON(w, r, &v) {
				t.Error("a body without an end was accepted")
			}
			return
		}
		err := http.ReadJSON(r, &v)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		http.WriteError(w, http.StatusRequestTimeout, err.Error())
	}
	inBothProtocols(t, handler, func(t *testing.T, client *nethttp.Client, url string) {
		for path, want := range map[string]string{
			"/bind": `{"error":"the request body did not arrive in time"}`,
			"/read": `{"error":"http: the request body did not arrive in time"}`,
		} {
			body, w := io.Pipe()
			defer w.Close()
			req, err := nethttp.NewRequest("POST", url+path, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := testkit.Send(client, req)
			if err != nil {
				t.Fatal(err)
			}
			res.Want(t, http.StatusRequestTimeout, want)
		}
	})
}

func TestTimeoutNeedsDurationsThatFitTogether(t *testing.T) {
	t.Parallel()
	for message, config := range map[string]http.TimeoutConfig{
		"TimeoutConfig.Timeout: is not set, and ReadTimeout and WriteTimeout are not either": {},
		"TimeoutConfig.Message: has no effect without Timeout":                               {ReadTimeout: 1, Message: "x"},
		"TimeoutConfig.ReadTimeout: 2s is longer than Timeout, 1s":                           {Timeout: time.Second, ReadTimeout: 2 * time.Second},
		"TimeoutConfig.WriteTimeout: 1s is not longer than Timeout, 1s":                      {Timeout: time.Second, WriteTimeout: time.Second},
	} {
		wantPanic(t, message, func() { http.Timeout(config) })
	}
}
