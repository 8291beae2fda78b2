package redisfeed_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestMain turns off the logs, which contain every failed connection attempt.
func TestMain(m *testing.M) {
	redis.SetLogger(silent{})
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// A server is a redis-server on a Unix socket that writes every event to disk
// before it responds.
type server struct {
	tb     testing.TB
	socket string
	args   []string
	cmd    *exec.Cmd
}

// startRedis starts a server, which runs until the test ends. Goroutines and
// connections must have ended by then.
func startRedis(tb testing.TB, args ...string) *server {
	tb.Helper()
	testkit.CheckLeaks(tb)
	dir, err := os.MkdirTemp("", "redis") // the path of t.TempDir may be too long for a socket
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{tb: tb, socket: filepath.Join(dir, "s")}
	s.args = append([]string{"--port", "0", "--unixsocket", s.socket, "--appendonly", "yes", "--appendfsync", "always"}, args...)
	s.start()
	tb.Cleanup(func() {
		if s.cmd.ProcessState == nil && !tb.Failed() {
			s.checkConnections()
		}
		s.kill()
	})
	return s
}

// checkConnections waits until there is no connection of a client.
func (s *server) checkConnections() {
	s.tb.Helper()
	for deadline := time.Now().Add(testkit.Patience); ; after(2 * time.Millisecond) {
		list := s.connections()
		switch {
		case list == "":
			return
		case time.Now().After(deadline):
			s.tb.Errorf("connections are left:\n%s", list)
			return
		}
	}
}

// connections returns what Redis says about the connections of other clients, a line
// for each.
func (s *server) connections() string {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket})
	defer client.Close()
	var list strings.Builder
	for _, kind := range []string{"normal", "pubsub"} {
		lines, err := client.Do(context.Background(), "CLIENT", "LIST", "TYPE", kind).Text() // the test's context is done
		if err != nil {
			s.tb.Fatal(err)
		}
		for line := range strings.Lines(lines) {
			if !strings.Contains(line, "cmd=client|list") {
				list.WriteString(line)
			}
		}
	}
	return list.String()
}

func (s *server) start() {
	s.tb.Helper()
	s.cmd = tools.StartRedis(s.tb, filepath.Dir(s.socket), s.args...)
}

// kill ends the server like a crash.
func (s *server) kill() { tools.StopRedis(s.cmd) }

// signal sends a signal to the server. After SIGSTOP, it waits until the thread that runs
// commands has stopped.
func (s *server) signal(signal os.Signal) {
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.tb.Error(err)
	}
	for signal == syscall.SIGSTOP {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		if err != nil || strings.Contains(string(stat), ") T ") {
			return
		}
		time.Sleep(time.Millisecond) // there is no notification
	}
}

// pause stops the server for a while without closing its connections.
func (s *server) pause(d time.Duration) {
	s.signal(syscall.SIGSTOP)
	after(d)
	s.signal(syscall.SIGCONT)
}

// after returns when a time has passed. Tests use it for faults that last a time.
func after(d time.Duration) { <-time.After(d) }

// client returns a new client, like that of a separate process.
func (s *server) client(tb testing.TB) *redis.Client { return newClient(tb, "unix", s.socket) }

func newClient(tb testing.TB, network, addr string) *redis.Client {
	client := redis.NewClient(&redis.Options{
		Network: network, Addr: addr,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, ReadTimeout: testkit.Patience,
	})
	tb.Cleanup(func() { client.Close() })
	return client
}

func (s *server) store(tb testing.TB, config redisfeed.Config) feed.Store {
	return newStore(tb, s.client(tb), config)
}

func newStore(tb testing.TB, client *redis.Client, config redisfeed.Config) feed.Store {
	tb.Helper()
	store, err := redisfeed.New(client, config)
	if err != nil {
		tb.Fatal(err)
	}
	return innerStore{store}
}

// An innerStore is a Store in the form of package feed.
type innerStore struct{ http.FeedStore }

func (s innerStore) Append(ctx context.Context, name string, e feed.Event) (string, error) {
	return s.FeedStore.Append(ctx, name, http.Event{Name: e.Name, Data: e.Data, Key: e.Key})
}

func (s innerStore) Read(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
	positions := make([]http.FeedPosition, len(after))
	for i, p := range after {
		positions[i] = http.FeedPosition(p)
	}
	found, err := s.FeedStore.Read(ctx, positions)
	pages := make([]feed.Page, len(found))
	for i, p := range found {
		pages[i] = feed.Page{First: p.First, Next: p.Next, More: p.More, Gap: p.Gap}
		for _, e := range p.Events {
			pages[i].Events = append(pages[i].Events, feed.Event{ID: e.ID, Name: e.Name, Data: e.Data, Key: e.Key})
		}
	}
	return pages, err
}

// do runs a Redis command.
func (s *server) do(args ...any) any {
	s.tb.Helper()
	client := s.client(s.tb)
	defer client.Close()
	result, err := client.Do(s.tb.Context(), args...).Result()
	if err != nil {
		s.tb.Fatal(err)
	}
	return result
}

// name is the feed that tests use, and key its stream.
const (
	name = "f"
	key  = "feed:{f}"
)

// interval is how often processes read a feed that gets no events, and timeout how
// long they wait for Redis.
const (
	interval = time.Second
	timeout  = interval * 9 / 10
)

// newRegistry returns the feeds of one process on a store.
func newRegistry(tb testing.TB, store feed.Store) *feed.Registry {
	r := feed.NewRegistry(feed.Config{
		Limits:   feed.Limits{Events: 100_000, Bytes: 1 << 30, Age: time.Hour},
		Start:    feed.Start{History: true},
		Store:    store,
		Interval: interval,
		Timeout:  timeout,
	})
	tb.Cleanup(r.Close)
	return r
}

// publishUntilAccepted publishes an event, with a Key, as often as necessary: a busy
// machine may exceed the timeout. It returns the id.
func publishUntilAccepted(tb testing.TB, r *feed.Registry, e feed.Event) string {
	tb.Helper()
	e.Key = cmp.Or(e.Key, "key of "+e.Data)
	for {
		id, err := r.Publish(tb.Context(), name, e)
		if err == nil {
			return id
		}
		if tb.Context().Err() != nil {
			tb.Fatal(err)
		}
	}
}

// A reader follows a feed in its own goroutine and notes what it gets.
type reader struct {
	tb   testing.TB
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	steps   int
	gaps    int
	runs    [][]feed.Event // between the gaps
	events  []feed.Event   // since the last gap
	last    string
}

// read follows the feed. If reconnect is positive, the reader leaves after each
// that many steps, and returns with the last id.
func read(tb testing.TB, r *feed.Registry, reconnect int) *reader {
	f := startReader(tb, func(ctx context.Context, f *reader) { f.run(ctx, r, reconnect) })
	f.until("a position", func() bool { return f.steps > 0 })
	return f
}

// startReader returns a reader that runs until the test ends.
func startReader(tb testing.TB, run func(ctx context.Context, f *reader)) *reader {
	ctx, cancel := context.WithCancel(tb.Context())
	f := &reader{tb: tb, stop: cancel, changed: make(chan struct{})}
	f.done.Go(func() { run(ctx, f) })
	tb.Cleanup(f.end)
	return f
}

// position returns the last position or id.
func (f *reader) position() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

func (f *reader) run(ctx context.Context, r *feed.Registry, reconnect int) {
	for ctx.Err() == nil {
		follower, err := r.Follow(name, f.position())
		if err != nil {
			return
		}
		for n := 0; reconnect == 0 || n < reconnect; n++ {
			step, err := follower.Wait(ctx)
			if err != nil {
				break
			}
			f.take(step)
		}
		follower.Close()
	}
}

func (f *reader) take(step feed.Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps++
	if step.Gap {
		f.gaps++
		f.runs = append(f.runs, f.events)
		f.events = nil
	}
	if step.Position != "" {
		f.last = step.Position
	}
	for _, entry := range step.Events {
		f.events = append(f.events, entry.Event)
		f.last = entry.ID
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// until waits for a condition, which is evaluated under mu.
func (f *reader) until(what string, condition func() bool) {
	f.tb.Helper()
	deadline := time.After(testkit.Patience)
	for {
		f.mu.Lock()
		ok, changed := condition(), f.changed
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			f.mu.Lock()
			defer f.mu.Unlock()
			f.tb.Fatalf("waited for %s; there are %d gaps and %d events after the last", what, f.gaps, len(f.events))
		}
	}
}

// want waits until the last event has come and compares all events since the last
// gap.
func (f *reader) want(gaps int, events []feed.Event) {
	f.tb.Helper()
	last := ""
	if len(events) > 0 {
		last = events[len(events)-1].ID
	}
	f.until("the last event", func() bool {
		return last == "" || len(f.events) > 0 && f.events[len(f.events)-1].ID == last
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gaps != gaps {
		f.tb.Errorf("got %d gaps, want %d", f.gaps, gaps)
	}
	if !slices.Equal(f.events, events) {
		f.tb.Errorf("got %d events, want %d: they differ from the stream", len(f.events), len(events))
	}
}

// end ends the reader and returns when it has.
func (f *reader) end() {
	f.stop()
	f.done.Wait()
}

// contents returns the events in the stream. They are read without the store.
func (s *server) contents() []feed.Event {
	s.tb.Helper()
	client := s.client(s.tb)
	defer client.Close()
	entries, err := client.XRange(s.tb.Context(), key, "-", "+").Result()
	if err != nil {
		s.tb.Fatal(err)
	}
	var events []feed.Event
	for _, entry := range entries {
		if entry.Values["d"] == nil {
			continue
		}
		e := feed.Event{ID: fmt.Sprint(entry.ID, ".", entry.Values["t"]), Name: entry.Values["n"].(string), Data: entry.Values["d"].(string)}
		e.Key, _ = entry.Values["k"].(string)
		events = append(events, e)
	}
	return events
}
