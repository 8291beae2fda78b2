package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A busyHandler handles one request at a time, until finish is called, and records
// the paths that it has handled.
type busyHandler struct {
	http.Handler
	paths  []string // written by one request at a time
	finish chan func(w http.ResponseWriter, r *http.Request)
}

// newBusyHandler returns a handler with a Throttle. It must be used in a bubble of
// synctest.
func newBusyHandler(backlog int, wait time.Duration) *busyHandler {
	h := &busyHandler{finish: make(chan func(w http.ResponseWriter, r *http.Request))}
	limit := http.Throttle(http.ThrottleConfig{Limit: 1, Backlog: backlog, Wait: wait})
	h.Handler = limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.paths = append(h.paths, r.URL.Path)
		(<-h.finish)(w, r)
	}))
	return h
}

// passes ends a request normally.
func passes(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "passed "+r.URL.Path) }

// start starts a request and waits until it is blocked or has ended. The channel
// receives the response.
func (h *busyHandler) start(ctx context.Context, path string) <-chan *testkit.Response {
	answer := make(chan *testkit.Response, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				close(answer)
			}
		}()
		answer <- testkit.Record(h, httptest.NewRequest("GET", path, nil).WithContext(ctx))
	}()
	synctest.Wait()
	return answer
}

// wantBusy checks a response to a request that was not admitted.
func wantBusy(t *testing.T, res *testkit.Response, retryAfter string) {
	t.Helper()
	res.Want(t, http.StatusServiceUnavailable, `{"error":"server is busy"}`)
	res.WantHeader(t, "Retry-After", retryAfter)
	res.WantHeader(t, "Content-Type", "application/json")
}

func TestThrottleAdmitsInOrderAndRejectsTheRestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := newBusyHandler(2, 1500*time.Millisecond)
		var answers []<-chan *testkit.Response
		for i := range 4 {
			answers = append(answers, h.start(t.Context(), fmt.Sprintf("/%d", i)))
		}
		wantBusy(t, <-answers[3], "2")
		for i := range 3 {
			h.finish <- passes
			(<-answers[i]).Want(t, 200, fmt.Sprintf("passed /%d", i))
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("that took %v", took)
		}
		if got := strings.Join(h.paths, " "); got != "/0 /1 /2" {
			t.Errorf("handled %s", got)
		}
	})
}

func TestThrottleBoundsTheWait(t *testing.T) {
	for name, tt := range map[string]struct {
		config, want time.Duration
		retryAfter   string
	}{
		"default": {0, 5 * time.Second, "5"},
		"short":   {time.Nanosecond, time.Nanosecond, "1"},
		"rounded": {1001 * time.Millisecond, 1001 * time.Millisecond, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newBusyHandler(1, tt.config)
				first := h.start(t.Context(), "/0")
				began := time.Now()
				wantBusy(t, <-h.start(t.Context(), "/1"), tt.retryAfter)
				if took := time.Since(began); took != tt.want {
					t.Errorf("it waited %v, want %v", took, tt.want)
				}
				h.finish <- passes
				(<-first).Want(t, 200, "passed /0")
			})
		})
	}
}

func TestThrottleWithoutBacklogLetsNobodyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBusyHandler(0, 0)
		first := h.start(t.Context(), "/0")
		wantBusy(t, <-h.start(t.Context(), "/1"), "1")
		h.finish <- passes
		(<-first).Want(t, 200, "passed /0")
	})
}

func TestThrottleFreesThePlaceOfAHandlerThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBusyHandler(1, time.Minute)
		first, second := h.start(t.Context(), "/0"), h.start(t.Context(), "/1")
		h.finish <- func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		if res, ok := <-first; ok {
			t.Errorf("got %v, want a panic", res)
		}
		h.finish <- passes
		(<-second).Want(t, 200, "passed /1")
	})
}

func TestThrottleForgetsAWaitingRequestWhoseContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBusyHandler(1, time.Minute)
		first := h.start(t.Context(), "/0")
		ctx, leave := context.WithCancel(t.Context())
		second := h.start(ctx, "/1")
		leave()
		wantBusy(t, <-second, "60")
		third := h.start(t.Context(), "/2")
		h.finish <- passes
		h.finish <- passes
		<-first
		(<-third).Want(t, 200, "passed /2")
		if got := strings.Join(h.paths, " "); got != "/0 /2" {
			t.Errorf("handled %s", got)
		}
	})
}

func TestThrottleIsSharedByTheHandlersOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan bool)
		router := http.NewRouter()
		group := router.Group("")
		group.Use(http.Throttle(http.ThrottleConfig{Limit: 1}))
		group.HandleFunc("GET /a", func(http.ResponseWriter, *http.Request) { <-finish })
		group.HandleFunc("GET /b", func(http.ResponseWriter, *http.Request) {})
		router.HandleFunc("GET /free", func(http.ResponseWriter, *http.Request) {})
		go router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a", nil))
		synctest.Wait()
		wantBusy(t, testkit.Record(router, httptest.NewRequest("GET", "/b", nil)), "1")
		testkit.Record(router, httptest.NewRequest("GET", "/free", nil)).Want(t, 200, "")
		finish <- true
		synctest.Wait()
		testkit.Record(router, httptest.NewRequest("GET", "/b", nil)).Want(t, 200, "")
	})
}

// A client that closes its connection while it waits frees its place. Requests that
// wait when the server stops are handled.
func TestThrottleOnAServer(t *testing.T) {
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		h := newBusyHandler(1, time.Minute)
		srv := startPipeServer(t, secure, h.ServeHTTP)
		get := func(path string) *testkit.Conn {
			conn := srv.send(t, "GET "+path+" HTTP/1.1\r\nHost: a.example\r\n\r\n")
			synctest.Wait()
			return conn
		}
		first, second := get("/0"), get("/1")
		wantBusy(t, get("/2").Response("GET"), "60")
		second.Close()
		synctest.Wait()
		third := get("/3")
		stopped := make(chan bool)
		go func() {
			srv.stop(t)
			close(stopped)
		}()
		synctest.Wait()
		h.finish <- passes
		h.finish <- passes
		first.Response("GET").Want(t, 200, "passed /0")
		third.Response("GET").Want(t, 200, "passed /3")
		<-stopped
	})
}

// The body of a waiting request is read, because net/http notices only then that the
// client has disconnected. The handler of another request gets it whole.
func TestThrottleForgetsAWaitingUploadWhoseClientIsGone(t *testing.T) {
	for name, tt := range map[string]struct{ sent, rest string }{
		"whole at once":      {"hello", ""},
		"whole in two parts": {"hel", "lo"},
		"whole, but late":    {"", "hello"},
		"a part":             {"hel", ""},
		"nothing":            {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newBusyHandler(1, time.Minute)
				srv := startPipeServer(t, false, h.ServeHTTP)
				first := srv.send(t, "GET /0 HTTP/1.1\r\nHost: a.example\r\n\r\n")
				synctest.Wait()
				post := func(sent, rest string) *testkit.Conn {
					conn := srv.send(t, "POST /1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n"+sent)
					synctest.Wait()
					if rest != "" {
						conn.Send(rest)
						synctest.Wait()
					}
					return conn
				}
				post(tt.sent, tt.rest).Close()
				synctest.Wait()
				second := post("he", "llo") // waits only if the place is free
				h.finish <- passes
				first.Response("GET").Want(t, 200, "passed /0")
				h.finish <- func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }
				second.Response("POST").Want(t, 200, "hello")
				srv.stop(t)
			})
		})
	}
}

// The handler gets the error of a body that is longer than the limit, after what came
// before it.
func TestThrottleHandsErrorsOfTheBodyToTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBusyHandler(1, time.Minute)
		srv := startPipeServer(t, false, http.MaxBody(4)(h).ServeHTTP)
		first := srv.send(t, "GET /0 HTTP/1.1\r\nHost: a.example\r\n\r\n")
		synctest.Wait()
		second := srv.send(t, "POST /1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello")
		synctest.Wait()
		h.finish <- passes
		first.Response("GET").Want(t, 200, "passed /0")
		h.finish <- func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s, %v", body, err)
		}
		second.Response("POST").Want(t, 200, "hell, http: request body too large")
		srv.stop(t)
	})
}

// A read timeout does not interrupt net/http, which waits for the client to disconnect after
// the body was read.
func TestTimeoutInsideThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBusyHandler(1, time.Minute)
		srv := startPipeServer(t, false, h.ServeHTTP)
		first := srv.send(t, "GET /0 HTTP/1.1\r\nHost: a.example\r\n\r\n")
		synctest.Wait()
		second := srv.send(t, "POST /1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello")
		synctest.Wait()
		h.finish <- passes
		first.Response("GET").Want(t, 200, "passed /0")
		limit := http.Chain(http.MaxBody(10), http.Timeout(http.TimeoutConfig{ReadTimeout: time.Second}))
		h.finish <- limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s, %v, %v", body, err, r.Context().Err())
		})).ServeHTTP
		res := second.Response("POST")
		res.Want(t, 200, "hello, <nil>, <nil>")
		if res.Close {
			t.Error("the connection was closed")
		}
		second.Send("GET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n")
		h.finish <- func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Context().Err()) }
		second.Response("GET").Want(t, 200, "<nil>")
		srv.stop(t)
	})
}

// A Timeout that ends the wait responds, and only its reason is counted.
func TestThrottleInsideTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, m := newBusyHandler(1, time.Minute), http.NewMetrics()
		handler := stack(m.Middleware(), oneSecond())(h)
		srv := startPipeServer(t, false, handler.ServeHTTP)
		first := srv.send(t, "GET /0 HTTP/1.1\r\nHost: a.example\r\n\r\n")
		synctest.Wait()
		res := srv.send(t, "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n").Response("GET")
		wantTimedOut(t, res)
		res.WantHeader(t, "Retry-After", "")
		h.finish <- passes
		wantTimedOut(t, first.Response("GET"))
		for _, metric := range m.Collect() {
			if metric.Name == "http_requests_rejected_total" && (metric.Labels["reason"] != "timeout" || metric.Value != 2) {
				t.Errorf("%v requests were rejected because of %s", metric.Value, metric.Labels["reason"])
			}
		}
		srv.stop(t)
	})
}

// The server's write timeout begins when a request stops waiting.
func TestThrottleWaitsLongerThanTheWriteTimeout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		outer  http.Middleware
		serve  time.Duration // the time of each handler; the server's write timeout is 15 seconds
		status int           // of the second request, which waits for up to 20 seconds
	}{
		"rejected":                  {http.Chain(), 25 * time.Second, 503},
		"admitted":                  {http.Chain(), 14 * time.Second, 200},
		"admitted, too slow":        {http.Chain(), 16 * time.Second, 0},
		"admitted inside Timeout":   {http.Timeout(http.TimeoutConfig{WriteTimeout: time.Minute}), 18 * time.Second, 200},
		"rejected inside Timeout":   {http.Timeout(http.TimeoutConfig{WriteTimeout: time.Minute}), 25 * time.Second, 503},
		"admitted inside Streaming": {http.Streaming(), 18 * time.Second, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			throttled := func() http.Handler {
				limit := http.Throttle(http.ThrottleConfig{Limit: 1, Backlog: 1, Wait: 20 * time.Second})
				return http.Chain(tt.outer, limit)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(tt.serve)
					io.WriteString(w, "ok")
				}))
			}
			// The two protocols are tested at the same time, in different bubbles.
			handlers := map[int]http.Handler{1: throttled(), 2: throttled()}
			handler := func(w http.ResponseWriter, r *http.Request) { handlers[r.ProtoMajor].ServeHTTP(w, r) }
			inBothProtocols(t, handler, func(t *testing.T, client *nethttp.Client, url string) {
				first := make(chan bool)
				go func() {
					defer close(first)
					_, _ = send(client, url) // may be cut
				}()
				synctest.Wait()
				res, err := send(client, url)
				switch {
				case tt.status == 0 && err == nil:
					t.Errorf("the client got %v", res)
				case tt.status != 0 && err != nil:
					t.Error(err)
				case tt.status != 0 && res.StatusCode != tt.status:
					t.Errorf("the client got %v", res)
				}
				<-first
			})
		})
	}
}

// A request that a program makes may have a length without a body.
func TestThrottleNeedsNoBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBusyHandler(1, time.Minute)
		first := h.start(t.Context(), "/0")
		r := httptest.NewRequest("POST", "/1", nil)
		r.ContentLength, r.Body = 5, nil
		second := make(chan *testkit.Response, 1)
		go func() { second <- testkit.Record(h, r) }()
		synctest.Wait()
		h.finish <- passes
		(<-first).Want(t, 200, "passed /0")
		h.finish <- passes
		(<-second).Want(t, 200, "passed /1")
	})
}

// Over HTTP/2, a client frees its place by resetting its stream, even if its body was
// not read.
func TestThrottleForgetsAStreamThatIsReset(t *testing.T) {
	t.Parallel()
	arrived, entered, returned, finish := make(chan bool), make(chan bool), make(chan bool, 2), make(chan bool)
	limited := http.Throttle(http.ThrottleConfig{Limit: 1, Backlog: 1, Wait: time.Hour})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			entered <- true
			<-finish
		}))
	srv := testkit.StartServer(t, testkit.HTTP2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		limited.ServeHTTP(w, r)
		returned <- true
	}))
	post := func(ctx context.Context) <-chan error {
		failed := make(chan error, 1)
		r := testkit.NewRequest("POST", srv.URL, "body").WithContext(ctx)
		r.RequestURI = ""
		go func() {
			_, err := testkit.Send(srv.Client(), r)
			failed <- err
		}()
		testkit.Receive(t, arrived, "a request")
		return failed
	}
	first := post(t.Context())
	testkit.Receive(t, entered, "the first request in the handler")
	ctx, leave := context.WithCancel(t.Context())
	second := post(ctx)
	leave()
	if err := testkit.Receive(t, second, "the canceled request"); !errors.Is(err, context.Canceled) {
		t.Errorf("the second request returned %v", err)
	}
	testkit.Receive(t, returned, "the end of the second request")
	close(finish)
	if err := testkit.Receive(t, first, "the first response"); err != nil {
		t.Error(err)
	}
}

// A client that is still sending a body gets status 503 at once, unless net/http reads
// the body first because it is short. The connection can then be used again.
func TestThrottleRejectsUploadsAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		fields, body string
		closed       bool
	}{
		"short":          {"Content-Length: 5", "hello", false},
		"medium":         {"Content-Length: 100000", "hel", true},
		"long":           {"Content-Length: 1000000", "hel", true},
		"unknown length": {"Transfer-Encoding: chunked", "3\r\nhel\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newBusyHandler(0, 0)
				srv := startPipeServer(t, false, h.ServeHTTP)
				first := srv.send(t, "GET /0 HTTP/1.1\r\nHost: a.example\r\n\r\n")
				synctest.Wait()
				began := time.Now()
				second := srv.send(t, "POST /1 HTTP/1.1\r\nHost: a.example\r\n"+tt.fields+"\r\n\r\n"+tt.body)
				res := second.Response("POST")
				wantBusy(t, res, "1")
				if took := time.Since(began); took > 0 || res.Close != tt.closed {
					t.Errorf("the response took %v and closes the connection: %t, want 0s and %t", took, res.Close, tt.closed)
				}
				h.finish <- passes
				first.Response("GET").Want(t, 200, "passed /0")
				if !tt.closed {
					second.Send("GET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n")
					h.finish <- passes
					second.Response("GET").Want(t, 200, "passed /2")
				}
				second.Close()
				srv.stop(t)
			})
		})
	}
}

// A hijacked connection and an event stream take their place until the handler
// returns.
func TestThrottleFreesThePlaceOfAStreamWhenItsHandlerReturns(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"hijacked": func(w http.ResponseWriter, r *http.Request) error {
			conn, _, err := nethttp.NewResponseController(w).Hijack()
			if err == nil {
				err = conn.Close()
			}
			return err
		},
		"event stream": func(w http.ResponseWriter, r *http.Request) error {
			return http.NewSSEWriter(w).Comment("open")
		},
	} {
		t.Run(name, func(t *testing.T) {
			opened, finish, returned := make(chan error), make(chan bool), make(chan bool, 1)
			inner := http.Throttle(http.ThrottleConfig{Limit: 1})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/short" {
					return
				}
				opened <- open(w, r)
				<-finish
			}))
			srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
				inner.ServeHTTP(w, r)
				if r.URL.Path != "/short" {
					returned <- true
				}
			})
			conn := testkit.Dial(t, srv.Addr())
			conn.Send("GET /long HTTP/1.1\r\nHost: a.example\r\n\r\n")
			if err := testkit.Receive(t, opened, "opening"); err != nil {
				t.Fatal(err)
			}
			wantBusy(t, testkit.Dial(t, srv.Addr()).Get("/short"), "1")
			finish <- true
			testkit.Receive(t, returned, "the handler's return")
			testkit.Dial(t, srv.Addr()).Get("/short").Want(t, 200, "")
		})
	}
}

func TestThrottleNeedsALimitAndABacklogToWaitIn(t *testing.T) {
	t.Parallel()
	wantPanicMatch(t, `ThrottleConfig\.Limit: 0 is not positive; ThrottleConfig\.Wait: has no effect without Backlog`, func() {
		http.Throttle(http.ThrottleConfig{Wait: time.Second})
	})
}
