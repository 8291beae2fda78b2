// Package storm_test lets thousands of clients follow a feed of another process, which
// is killed, replaced and stopped.
package storm_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A server is this test binary, running TestServer.
type server struct {
	t       *testing.T
	cmd     *exec.Cmd
	addr    string
	output  strings.Builder
	exited  chan struct{}
	exitErr error // set before exited is closed
}

// stopTimeout bounds Stop. It fails if it had to cut anything.
const stopTimeout = time.Minute

// stats is what a server reports about itself.
type stats struct {
	Snapshots  int64
	Ended      int64         // streams and sockets
	Slowest    time.Duration // call of Publish
	Goroutines int
	Heap       int64 // bytes in use
}

// startServer starts a server at an address, which ends with the test. Its feed has the
// times of config.
func startServer(t *testing.T, addr string, config http.FeedConfig) *server {
	t.Helper()
	s := &server{t: t, exited: make(chan struct{})}
	s.cmd = exec.Command(os.Args[0], "-test.run=^TestServer$", "-test.timeout=10m")
	s.cmd.Env = append(os.Environ(), "STORM_ADDR="+addr, "STORM_HEARTBEAT="+config.Heartbeat.String(),
		"STORM_WRITE_TIMEOUT="+config.WriteTimeout.String())
	s.cmd.Stderr = &s.output
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	go func() {
		rest, _ := io.ReadAll(lines) // until the server ends
		s.output.Write(rest)
		s.exitErr = s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() { s.signal(syscall.SIGKILL) })
	if err != nil {
		t.Fatalf("%v\n%s", err, s.output.String())
	}
	s.addr = strings.TrimSpace(line)
	return s
}

// signal sends a signal to the server and waits for its end.
func (s *server) signal(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig) // fails if it has ended
	<-s.exited
}

// get calls a path of the server and decodes the response.
func (s *server) get(path string, into any) {
	s.t.Helper()
	res, err := nethttp.Get("http://" + s.addr + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		s.t.Fatal(err)
	}
}

// stats returns what the server reports.
func (s *server) stats() (now stats) {
	s.t.Helper()
	s.get("/stats", &now)
	return now
}

// publish publishes n events of a size.
func (s *server) publish(n, size int) {
	s.t.Helper()
	var published int
	s.get(fmt.Sprintf("/publish?n=%d&size=%d", n, size), &published)
}

// setting returns a duration of the environment.
func setting(t *testing.T, name string) time.Duration {
	d, err := time.ParseDuration(os.Getenv(name))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestServer is the server of other tests. Events are numbered, and a snapshot is the
// number of events so far.
func TestServer(t *testing.T) {
	addr := os.Getenv("STORM_ADDR")
	if addr == "" {
		t.Skip("started by other tests")
	}
	var count, snapshots, ended, slowest atomic.Int64
	feed := http.NewFeed(http.FeedConfig{
		Retry:        2 * time.Second,
		Heartbeat:    setting(t, "STORM_HEARTBEAT"),
		WriteTimeout: setting(t, "STORM_WRITE_TIMEOUT"),
		Snapshot: func(context.Context, string) (http.Event, error) {
			snapshots.Add(1)
			return http.JSONEvent("state", count.Load()), nil
		},
	})
	router := http.NewRouter()
	router.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		defer ended.Add(1)
		feed.ServeHTTP(w, r)
	})
	router.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
		defer ended.Add(1)
		_ = feed.Send(r.Context(), conn, "") // the client has left, or the server stops
	})
	router.HandleFunc("GET /publish", func(w http.ResponseWriter, r *http.Request) {
		n := http.QueryParamInt(r, "n", 1)
		for range n {
			number := count.Add(1)
			data := strconv.FormatInt(number, 10)
			data += strings.Repeat(" ", max(http.QueryParamInt(r, "size", 0)-len(data), 0)) // JSON too
			began := time.Now()
			if _, err := feed.Publish(r.Context(), http.Event{Name: "n", Data: data}); err != nil {
				t.Error(err)
			}
			slowest.Store(max(slowest.Load(), int64(time.Since(began))))
		}
		http.WriteJSON(w, 200, n)
	})
	router.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		http.WriteJSON(w, 200, stats{snapshots.Load(), ended.Load(), time.Duration(slowest.Load()), runtime.NumGoroutine(), int64(m.HeapAlloc)})
	})
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	srv := http.NewServer(router, http.WithAddr(addr))
	ctx, cancel := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer cancel()
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println(srv.Addr())
	<-ctx.Done()
	bounded, cancel := context.WithTimeout(t.Context(), stopTimeout)
	defer cancel()
	if err := srv.Stop(bounded); err != nil {
		t.Error(err)
	}
}
