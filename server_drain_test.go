package http_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	nethttp "net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// holdRouter has routes of all kinds whose handlers do not end by themselves. Each sends
// on entered.
func holdRouter(t *testing.T, entered chan<- struct{}) *http.Router {
	hold := func(w http.ResponseWriter, r *http.Request) {
		r.Method, r.Pattern = "CHANGED", "changed" // handlers may do that
		entered <- struct{}{}
		<-t.Context().Done()
	}
	router := http.NewRouter()
	router.HandleFunc("GET /report/{id}", hold)
	router.HandleFunc("POST /report/{id}", hold)
	group := router.Group("/group")
	group.Use(http.Compress(http.CompressConfig{}), http.RequestID(http.RequestIDConfig{}))
	group.HandleFunc("GET /slow", hold)
	router.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		http.NewSSEWriter(w)
		hold(w, r)
	})
	router.HandleFunc("GET /chat", func(w http.ResponseWriter, r *http.Request) {
		if _, err := (http.Upgrader{}).Upgrade(w, r); err != nil {
			t.Error(err)
		}
		entered <- struct{}{} // and return: the WebSocket goes on
	})
	router.NotFound(http.HandlerFunc(hold))
	return router
}

func TestWhatStopCutsIsNamedByRoute(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	wraps := map[string]func(nethttp.Handler) nethttp.Handler{
		"router alone": stack(),
		"state":        http.RequestID(http.RequestIDConfig{}),
		"stage":        http.Compress(http.CompressConfig{}),
	}
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			srv := startServer(t, wrap(holdRouter(t, entered)).ServeHTTP)
			for _, line := range []string{
				"GET /report/1", "GET /report/2", "POST /report/3", "GET /group/slow", "DELETE /nowhere", "BREW /nowhere", "GET /events", "GET /chat",
			} {
				request := line + " HTTP/1.1\r\nHost: x\r\n\r\n"
				if line == "GET /chat" {
					request = strings.Replace(handshake, "GET / ", "GET /chat ", 1)
				}
				testkit.Dial(t, srv.Addr()).Send(request)
				testkit.Receive(t, entered, line)
			}
			err := srv.Stop(noTime())
			want := "http: stop: aborted 7 connections, " + // and that of the WebSocket, whose handler has returned
				"6 requests (GET /report/{id}: 2, DELETE unmatched: 1, GET /group/slow: 1, POST /report/{id}: 1, other method unmatched: 1), " +
				"1 WebSocket (GET /chat: 1), 1 event stream (GET /events: 1): context canceled"
			if err == nil || err.Error() != want {
				t.Errorf("Stop returns %v\nwant %s", err, want)
			}
		})
	}
}

func TestWhatStopCutsIsNamedByRouteOverHTTP2(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	var srv *http.Server
	url, client := serveOwn(t, testkit.HTTP2, holdRouter(t, entered), func(s *http.Server) { srv = s })
	for _, path := range []string{"/report/1", "/report/2", "/nowhere", "/events"} {
		go testkit.Send(client, testkit.NewRequest("GET", url+path, ""))
		testkit.Receive(t, entered, path)
	}
	err := srv.Stop(noTime())
	want := "http: stop: aborted 1 connection, 3 requests (GET /report/{id}: 2, GET unmatched: 1), 1 event stream (GET /events: 1): context canceled"
	if err == nil || err.Error() != want {
		t.Errorf("Stop returns %v\nwant %s", err, want)
	}
}

func TestStopNamesTenRoutesAtMost(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 12)
	router := http.NewRouter()
	for i := range 12 {
		router.HandleFunc(fmt.Sprintf("GET /route%02d", i), func(w http.ResponseWriter, r *http.Request) {
			entered <- struct{}{}
			<-t.Context().Done()
		})
	}
	srv := startServer(t, router.ServeHTTP)
	for i := range 12 {
		testkit.Dial(t, srv.Addr()).Send(fmt.Sprintf("GET /route%02d HTTP/1.1\r\nHost: x\r\n\r\n", i))
		testkit.Receive(t, entered, "a handler")
	}
	err := srv.Stop(noTime())
	if err == nil || !strings.Contains(err.Error(), "12 requests (GET /route00: 1, ") ||
		!strings.Contains(err.Error(), "GET /route09: 1, and 2 more): context canceled") {
		t.Errorf("Stop returns %v", err)
	}
}

func TestDrainHooksRunWithTheDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, false, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
		}, http.WithDrainDelay(3*time.Second))
		began := time.Now()
		var calls atomic.Int64
		for i := range 3 {
			srv.OnDrain(func(ctx context.Context) {
				if after := time.Since(began); after != 3*time.Second {
					t.Errorf("hook %d was called after %v", i, after)
				}
				time.Sleep(4 * time.Second) // longer than the request
				if err := ctx.Err(); err != nil {
					t.Errorf("the hook's context ended: %v", err)
				}
				calls.Add(1)
			})
		}
		go srv.send(t, getSlash).ReadAll()
		synctest.Wait()
		var stops sync.WaitGroup
		for range 2 {
			stops.Go(func() {
				if err := srv.Stop(t.Context()); err != nil {
					t.Errorf("Stop: %v", err)
				}
				if took := time.Since(began); took != 7*time.Second || calls.Load() != 3 {
					t.Errorf("after %v, Stop has waited for %d hooks", took, calls.Load())
				}
			})
		}
		stops.Wait()
	})
}

func TestDrainHooksRunOnceInEveryCase(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(echoPath)
	tests := []struct {
		name  string
		srv   *http.Server
		start bool
	}{
		{"not started", http.NewServer(handler, onLoopback()), false},
		{"started", http.NewServer(handler, onLoopback()), true},
		{"failed", http.NewServer(handler, http.WithListener(listenBroken(t))), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			called := make(chan string, 10)
			tt.srv.OnDrain(func(context.Context) { called <- "before" })
			if tt.start {
				if err := tt.srv.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := tt.srv.Stop(t.Context()); err != nil {
					t.Errorf("Stop: %v", err)
				}
			}
			if n := len(called); n != 1 {
				t.Errorf("the hook was called %d times", n)
			}
			<-called
			tt.srv.OnDrain(func(ctx context.Context) {
				if ctx.Err() == nil {
					t.Error("the context of a late hook is not canceled")
				}
				called <- "late"
			})
			testkit.Receive(t, called, "the hook that was added after Stop")
		})
	}
}

func TestPanickingDrainHookIsReportedAndTheOthersRun(t *testing.T) {
	var logged testkit.Log
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(logged.JSON())
	for _, errorLog := range []*log.Logger{nil, log.New(&logged, "", 0)} {
		logged.Reset()
		srv := http.NewServer(http.HandlerFunc(echoPath), onLoopback(), http.WithHTTPServer(func(hs *nethttp.Server) { hs.ErrorLog = errorLog }))
		var called atomic.Bool
		srv.OnDrain(func(context.Context) { panic("oh no") })
		srv.OnDrain(func(context.Context) { called.Store(true) })
		err := srv.Stop(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), " panicked: oh no") || !strings.Contains(err.Error(), "server_drain_test.go:") {
			t.Errorf("Stop returns %v", err)
		}
		if !called.Load() {
			t.Error("the other hook was not called")
		}
		if got := logged.String(); !strings.Contains(got, "panicked: oh no") || !strings.Contains(got, "goroutine") {
			t.Errorf("logged %q", got)
		}
	}
}

func hangingHook(release <-chan struct{}) func(context.Context) {
	return func(context.Context) { <-release }
}

func TestStopNamesADrainHookThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		srv := startPipeServer(t, false, echoPath)
		canceled := make(chan error, 1)
		srv.OnDrain(hangingHook(release))
		srv.OnDrain(func(ctx context.Context) {
			<-ctx.Done()
			canceled <- context.Cause(ctx)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		err := srv.Stop(ctx)
		if took := time.Since(began); took != time.Minute || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop took %v and returned %v", took, err)
		}
		if !strings.Contains(err.Error(), "OnDrain function ") || !strings.Contains(err.Error(), "http_test.TestStopNamesADrainHookThatHangs") ||
			!strings.Contains(err.Error(), "server_drain_test.go:") {
			t.Errorf("Stop returns %v", err)
		}
		if err := <-canceled; err == nil {
			t.Error("the other hook's context was not canceled")
		}
		close(release)
	})
}
