package http_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

const getSlash = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// stopLaterIn calls Stop in the background and returns when nothing more happens
// without time passing. The channel receives the time that Stop took.
func (s *pipeServer) stopLaterIn(t *testing.T, ctx context.Context) <-chan time.Duration {
	t.Helper()
	took := make(chan time.Duration, 1)
	began := time.Now()
	go func() {
		if err := s.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
		took <- time.Since(began)
	}()
	synctest.Wait()
	return took
}

// wantReady sends a probe on a new connection.
func (s *pipeServer) wantReady(t *testing.T, status int, body string) {
	t.Helper()
	c := s.send(t, "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	res := c.Response("GET")
	res.Want(t, status, body)
	res.WantHeader(t, "Cache-Control", "no-store")
	c.ReadAll()
}

func readyRouter() *http.Router {
	router := http.NewRouter()
	router.Handle("GET /ready", http.ReadyHandler())
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served") })
	return router
}

func TestRequestsAreServedDuringTheDrainDelayButReadinessFails(t *testing.T) {
	t.Parallel()
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		srv := startPipeServer(t, secure, readyRouter().ServeHTTP, http.WithDrainDelay(10*time.Second))
		used, unused := srv.send(t, getSlash), srv.send(t, getSlash)
		for _, c := range []*testkit.Conn{used, unused} {
			if res := c.Response("GET"); res.Close {
				t.Error("the server closes the connection before Stop")
			}
		}
		srv.wantReady(t, 200, `{"status":"ready"}`)
		idle := make(chan string, 1)
		go func() { idle <- unused.ReadAll() }()
		took := srv.stopLaterIn(t, t.Context())
		for range 2 {
			srv.wantReady(t, 503, `{"error":"server is stopping"}`)
			time.Sleep(4 * time.Second)
		}
		for _, c := range []*testkit.Conn{used, srv.send(t, "")} { // an idle connection, and a new one
			c.Send(getSlash)
			res := c.Response("GET")
			res.Want(t, 200, "served")
			if !res.Close {
				t.Error("a response during the delay has no Connection: close")
			}
			if rest := c.ReadAll(); rest != "" {
				t.Errorf("the connection goes on with %q", rest)
			}
		}
		if got := <-idle; got != "" {
			t.Errorf("the idle connection got %q", got)
		}
		if d := <-took; d != 10*time.Second {
			t.Errorf("Stop took %v", d)
		}
	})
}

func TestReadinessFailsInTheFormOfTheRouter(t *testing.T) {
	t.Parallel()
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		router := readyRouter()
		router.ErrorForm(http.WriteProblem)
		srv := startPipeServer(t, secure, router.ServeHTTP, http.WithDrainDelay(time.Second))
		took := srv.stopLaterIn(t, t.Context())
		c := srv.send(t, "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		res := c.Response("GET")
		res.Want(t, 503, `{"status":503,"title":"Service Unavailable","detail":"server is stopping"}`)
		res.WantHeader(t, "Content-Type", "application/problem+json")
		c.ReadAll()
		<-took
	})
}

// A client may have connected just before the server stops listening. net/http would drop
// its request without a response.
func TestLastConnectionsOfTheDrainDelayAreServed(t *testing.T) {
	t.Parallel()
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		release := make(chan bool)
		srv := startPipeServer(t, secure, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-release
			}
			io.WriteString(w, "served")
		}, http.WithDrainDelay(10*time.Second))
		took := srv.stopLaterIn(t, t.Context())
		time.Sleep(9 * time.Second)
		late, silent := srv.send(t, ""), srv.send(t, "")
		slow := srv.send(t, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(1500 * time.Millisecond) // it no longer listens
		if conn, err := srv.listener.Dial(t.Context(), "", ""); err == nil {
			conn.Close()
			t.Error("the server still listens")
		}
		late.Send(getSlash)
		late.Response("GET").Want(t, 200, "served")
		late.ReadAll()
		if rest := silent.ReadAll(); rest != "" {
			t.Errorf("the client that sends nothing got %q", rest)
		}
		close(release)
		slow.Response("GET").Want(t, 200, "served")
		slow.ReadAll()
		if d := <-took; d != 11*time.Second {
			t.Errorf("Stop took %v, want a second for the client that sends nothing", d)
		}
	})
}

// Each handler lets the header be sent in a different way.
func TestEveryResponseDuringTheDrainDelayClosesItsConnection(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	handlers := map[string]http.HandlerFunc{
		"writes nothing":        func(w http.ResponseWriter, r *http.Request) {},
		"chooses the status":    func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) },
		"sends early hints":     func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103) },
		"writes":                func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("x")) },
		"writes a string":       func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") },
		"flushes":               func(w http.ResponseWriter, r *http.Request) { http.NewResponseController(w).Flush() },
		"copies":                func(w http.ResponseWriter, r *http.Request) { io.Copy(w, strings.NewReader("x")) },
		"serves a file":         func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) },
		"keeps the connection":  func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "keep-alive") },
		"names a field":         func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "X-Hop") },
		"closes the connection": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") },
		"copies a file": func(w http.ResponseWriter, r *http.Request) {
			file, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer file.Close()
			io.Copy(w, file)
		},
	}
	for name, handler := range handlers {
		for chain, wrap := range map[string]func(nethttp.Handler) nethttp.Handler{"alone": stack(), "chain": documentedChain()} {
			t.Run(name+"/"+chain, func(t *testing.T) {
				t.Parallel()
				srv := startServer(t, withReady(wrap(handler)), http.WithDrainDelay(time.Hour))
				before := testkit.Dial(t, srv.Addr())
				before.Send(getSlash)
				if res := before.Response("GET"); res.Close != (name == "closes the connection") {
					t.Errorf("before Stop, Close is %t", res.Close)
				}
				ctx, cancel := context.WithCancel(t.Context())
				result := stopLater(srv, ctx)
				waitUntilNotReady(t, srv.Addr())
				c := testkit.Dial(t, srv.Addr())
				c.Send(getSlash)
				res := c.Response("GET")
				for res.StatusCode == 103 {
					res = c.Response("GET")
				}
				if got := res.Header["Connection"]; !res.Close || len(got) > 1 {
					t.Errorf("during the delay, Close is %t and Connection is %q", res.Close, got)
				}
				if rest := c.ReadAll(); rest != "" {
					t.Errorf("the connection goes on with %q", rest)
				}
				cancel()
				testkit.Receive(t, result, "Stop") // may count connections that are being closed
			})
		}
	}
}

// withReady answers /ready with ReadyHandler, and other requests with next.
func withReady(next nethttp.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			http.ReadyHandler().ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// waitUntilNotReady returns when the readiness probe of a server fails.
func waitUntilNotReady(t *testing.T, addr string) {
	t.Helper()
	for testkit.Dial(t, addr).Get("/ready").StatusCode == 200 {
	}
}

// A request that began before Stop, and whose header is sent during the delay.
func TestRunningRequestsCloseTheirConnectionsDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, false, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
			io.WriteString(w, "late")
		}, http.WithDrainDelay(3*time.Second))
		c := srv.send(t, getSlash)
		synctest.Wait()
		time.Sleep(3 * time.Second)
		took := srv.stopLaterIn(t, t.Context())
		res := c.Response("GET")
		res.Want(t, 200, "late")
		if !res.Close {
			t.Error("the response has no Connection: close")
		}
		if d := <-took; d != 3*time.Second {
			t.Errorf("Stop took %v", d)
		}
	})
}

func TestAKeepAliveClientLosesNothingDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, false, readyRouter().ServeHTTP, http.WithDrainDelay(10*time.Second))
		transport := &nethttp.Transport{DialContext: srv.listener.Dial}
		defer transport.CloseIdleConnections()
		client := &nethttp.Client{Transport: transport}
		done := make(chan struct{})
		began := time.Now()
		go func() {
			defer close(done)
			for time.Since(began) < 9*time.Second {
				res, err := client.Post("http://x/ready", "", strings.NewReader("x"))
				if err != nil {
					t.Errorf("after %v: %v", time.Since(began), err)
					continue
				}
				if res.Close != (time.Since(began) >= time.Second) {
					t.Errorf("after %v, Close is %t", time.Since(began), res.Close)
				}
				res.Body.Close()
				time.Sleep(10 * time.Millisecond)
			}
		}()
		time.Sleep(time.Second - time.Millisecond)
		took := srv.stopLaterIn(t, t.Context())
		<-done
		if d := <-took; d != 10*time.Second {
			t.Errorf("Stop took %v", d)
		}
	})
}

// ends collects when exchanges end, relative to the beginning of the stop.
type ends struct {
	mu    sync.Mutex
	began time.Time
	at    []time.Duration
}

func (e *ends) add() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = append(e.at, time.Since(e.began))
}

// Of 100 streams and WebSockets, one ends every 50 ms during the second half of a delay
// of 10 seconds. One that begins after 9 seconds ends with the drain.
func TestLongLivedExchangesEndOneByOneDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended ends
		router := http.NewRouter()
		router.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
			http.NewSSEWriter(w)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			ended.add()
		})
		router.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
			conn, err := http.Upgrader{}.Upgrade(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.ReadMessage()
			ended.add()
		})
		srv := startPipeServer(t, false, router.ServeHTTP, http.WithDrainDelay(10*time.Second))
		open := func(path string) {
			c := srv.send(t, "")
			if path == "/socket" {
				ws, _, err := http.Dial(t.Context(), "ws://x/socket", &http.DialOptions{DialContext: srv.listener.Dial})
				if err != nil {
					t.Error(err)
					return
				}
				go ws.ReadMessage() // answers the close frame
				return
			}
			c.Send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
			if res := c.ReadResponse("GET"); res.StatusCode != 200 {
				t.Errorf("the stream got %s", res.Status)
			}
			go c.ReadAll()
		}
		for range 50 {
			open("/stream")
			open("/socket")
		}
		ended.began = time.Now()
		took := srv.stopLaterIn(t, t.Context())
		time.Sleep(9 * time.Second)
		open("/stream")
		if d := <-took; d != 10*time.Second {
			t.Errorf("Stop took %v", d)
		}
		slices.Sort(ended.at)
		for i, at := range ended.at[:100] {
			if want := 5*time.Second + time.Duration(i)*50*time.Millisecond; at != want {
				t.Errorf("exchange %d ended after %v, want %v", i+1, at, want)
			}
		}
		if last := ended.at[100:]; len(last) != 1 || last[0] != 10*time.Second {
			t.Errorf("the exchanges that began during the delay ended after %v", last)
		}
	})
}

// The context of a connection is canceled with its event stream, so it must not serve
// another request.
func TestConnectionOfAnEndedStreamServesNoOtherRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, false, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				t.Errorf("another request was served; its context: %v", r.Context().Err())
				return
			}
			http.NewSSEWriter(w).Data("x")
			<-r.Context().Done()
		}, http.WithDrainDelay(10*time.Second))
		c := srv.send(t, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		took := srv.stopLaterIn(t, t.Context())
		began := time.Now()
		res := c.Response("GET")
		if !strings.HasSuffix(res.Body, "data: x\n\n") || time.Since(began) != 5*time.Second {
			t.Errorf("after %v, the stream ended with %q", time.Since(began), res.Body)
		}
		if rest := c.ReadAll(); rest != "" || time.Since(began) != 5*time.Second {
			t.Errorf("after %v, the connection ended with %q", time.Since(began), rest)
		}
		<-took
	})
}

func TestDrainDelayEndsWithTheContextOfStop(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		timeouts []time.Duration // of the contexts of concurrent calls
		want     time.Duration
	}{
		{"done already", []time.Duration{0}, 0},
		{"shorter", []time.Duration{4 * time.Second}, 4 * time.Second},
		{"longer", []time.Duration{40 * time.Second}, 10 * time.Second},
		{"two calls", []time.Duration{40 * time.Second, 30 * time.Second}, 10 * time.Second},
		{"two calls of which one is impatient", []time.Duration{40 * time.Second, 2 * time.Second}, 2 * time.Second},
		{"second call is done already", []time.Duration{40 * time.Second, 0}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := startPipeServer(t, false, echoPath, http.WithDrainDelay(10*time.Second))
				srv.send(t, getSlash).Response("GET")
				synctest.Wait() // the connection is idle
				began := time.Now()
				var calls sync.WaitGroup
				for _, timeout := range tt.timeouts {
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					defer cancel()
					calls.Go(func() {
						if err := srv.Stop(ctx); err != nil {
							t.Errorf("Stop: %v", err)
						}
						if took := time.Since(began); took != tt.want {
							t.Errorf("Stop took %v, want %v", took, tt.want)
						}
					})
					synctest.Wait()
				}
				calls.Wait()
			})
		})
	}
}

func TestThereIsNoDrainDelayIfTheServerDoesNotServe(t *testing.T) {
	t.Parallel()
	t.Run("not started", func(t *testing.T) {
		t.Parallel()
		srv := http.NewServer(http.HandlerFunc(echoPath), onLoopback(), http.WithDrainDelay(time.Hour))
		if err := srv.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	t.Run("not started, and stopped twice at the same time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			l := slowlyClosed{testkit.NewPipeListener()}
			srv := http.NewServer(http.HandlerFunc(echoPath), http.WithListener(l), http.WithDrainDelay(time.Second))
			var calls sync.WaitGroup
			for range 2 {
				calls.Go(func() {
					if err := srv.Stop(t.Context()); err != nil {
						t.Errorf("Stop: %v", err)
					}
				})
			}
			calls.Wait()
		})
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		srv := http.NewServer(http.HandlerFunc(echoPath), http.WithListener(listenBroken(t)), http.WithDrainDelay(time.Hour))
		if err := srv.Run(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("Run returns %v", err)
		}
	})
	t.Run("fails during the delay", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := startPipeServer(t, false, echoPath, http.WithDrainDelay(time.Hour))
			took := srv.stopLaterIn(t, t.Context())
			time.Sleep(time.Second)
			srv.listener.Close()
			if d := <-took; d != time.Second {
				t.Errorf("Stop took %v", d)
			}
		})
	})
}

// All servers of Run begin to stop when Stop is called for one of them, not when its delay is
// over. Otherwise, the readiness probe on another server would not fail during the delay.
func TestRunStopsAllServersAtTheBeginningOfADrainDelay(t *testing.T) {
	t.Parallel()
	var servers []*http.Server
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, http.NewServer(readyRouter(), http.WithListener(l), http.WithDrainDelay(time.Hour)))
	}
	result := make(chan error, 1)
	go func() { result <- http.Run(t.Context(), servers...) }()
	for _, srv := range servers {
		testkit.Dial(t, srv.Addr()).Get("/ready").Want(t, 200, `{"status":"ready"}`)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := stopLater(servers[0], ctx)
	waitUntilNotReady(t, servers[1].Addr())
	cancel()
	testkit.Receive(t, first, "Stop") // may count connections that are being closed
	servers[1].Stop(noTime())         // likewise
	testkit.Receive(t, result, "Run") // likewise
}

// A slowlyClosed listener takes an hour to close.
type slowlyClosed struct{ net.Listener }

func (l slowlyClosed) Close() error {
	time.Sleep(time.Hour)
	return l.Listener.Close()
}

func TestHTTP2ConnectionsGoOnDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, true, readyRouter().ServeHTTP, http.WithDrainDelay(10*time.Second))
		client := srv.http2Client(t)
		get := func(path string, status int) {
			t.Helper()
			res := testkit.Get(t, client, "https://localhost"+path)
			if res.StatusCode != status || res.ProtoMajor != 2 || res.Header.Get("Connection") != "" {
				t.Errorf("%s %s: %s, %v", res.Proto, path, res.Status, res.Header)
			}
		}
		get("/ready", 200)
		took := srv.stopLaterIn(t, t.Context())
		for range 8 {
			get("/", 200)
			get("/ready", 503)
			time.Sleep(time.Second)
		}
		if d := <-took; d < 10*time.Second || d > 12*time.Second {
			t.Errorf("Stop took %v", d)
		}
	})
}

func TestReadyHandlerIsAlwaysReadyWithoutAServer(t *testing.T) {
	t.Parallel()
	testkit.EachProtocol(t, http.ReadyHandler(), func(t *testing.T, srv *testkit.Server) {
		res := srv.Get(t, "/")
		res.Want(t, 200, `{"status":"ready"}`)
		res.WantHeader(t, "Cache-Control", "no-store")
	})
	testkit.Serve(t, http.ReadyHandler(), "HEAD", "/", "").Want(t, 200, "")
}
