package redisfeed_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A process is this test binary, running TestProcess.
type process struct {
	orders  io.WriteCloser
	reports chan string
}

// A task is what a process does.
type task struct {
	Socket   string
	Keep     int
	From, To int // events to publish
}

// A report is what a process did.
type report struct {
	Accepted     map[string]string // data, by id
	Keyed        map[string]string // id, by key
	Failed, Lost int
	Retried      int
	Followers    []followerReport
}

type followerReport struct {
	Gaps   int
	Before []feed.Event // before the last gap
	Events []feed.Event
}

// startProcess starts a process, which runs until it has reported or the test
// ends.
func startProcess(t *testing.T, work task) *process {
	t.Helper()
	setting, err := json.Marshal(work)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "REDISFEED_PROCESS="+string(setting))
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{write}
	p := &process{reports: make(chan string, 10)}
	if p.orders, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	go func() {
		defer close(p.reports)
		defer read.Close()
		lines := bufio.NewReader(read)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			p.reports <- line
		}
	}()
	t.Cleanup(func() {
		p.orders.Close() // which ends a process that waits for an order
		if t.Failed() {
			_ = cmd.Process.Kill() // fails if it has ended already
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("a process failed: %v\n%s", err, output.String())
		}
	})
	return p
}

// line waits for a line from the process.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-p.reports:
		if !ok {
			t.Fatal("the process ended")
		}
		return line
	case <-time.After(4 * time.Minute):
		t.Fatal("the process does not report")
	}
	return ""
}

// TestProcess is a process of another test. It follows a feed and publishes, and
// then waits until its followers have the event that it is told.
func TestProcess(t *testing.T) {
	var work task
	setting := os.Getenv("REDISFEED_PROCESS")
	if setting == "" {
		t.Skip("other tests run it")
	}
	if err := json.Unmarshal([]byte(setting), &work); err != nil {
		t.Fatal(err)
	}
	testkit.CheckLeaks(t)
	out := os.NewFile(3, "reports")
	config := redisfeed.Config{Keep: work.Keep, Patience: time.Second}
	r := newRegistry(t, newStore(t, newClient(t, "unix", work.Socket), config))
	var readers []*reader
	for _, reconnect := range []int{0, 0, 3, 50} {
		readers = append(readers, read(t, r, reconnect))
	}
	fmt.Fprintln(out, serveHistory(t, newClient(t, "unix", work.Socket), config))
	orders := bufio.NewReader(os.Stdin)
	order := func() string {
		line, err := orders.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	order()
	var p publication
	p.publish(t, work.From, work.To, r).Wait()
	fmt.Fprintln(out, "published")
	last := order()
	result := report{Accepted: p.accepted, Keyed: p.keyed, Failed: p.failed, Lost: p.lost, Retried: p.retried}
	for _, f := range readers {
		f.until("the last event", func() bool { return f.last == last })
		f.end()
		result.Followers = append(result.Followers, followerReport{f.gaps, slices.Concat(f.runs...), f.events})
	}
	if err := json.NewEncoder(out).Encode(result); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, orders) // the followers of the server may need longer
}

// A pair is two processes that follow a feed and publish to it. Each also serves the
// feed to two clients of this process, of which one goes to the other server after
// each 50 events.
type pair struct {
	processes [2]*process
	clients   []*reader
}

// startPair starts two processes, which publish n events from now on.
func startPair(t *testing.T, server *server, n int) pair {
	var p pair
	for i := range p.processes {
		p.processes[i] = startProcess(t, task{server.socket, 10 * n, i * n / 2, (i + 1) * n / 2})
	}
	urls := p.lines(t)
	for range 2 {
		p.clients = append(p.clients, readHTTP(t, urls, 0), readHTTP(t, urls, 50))
		slices.Reverse(urls)
	}
	p.order("publish")
	return p
}

func (p pair) order(line string) {
	for _, process := range p.processes {
		fmt.Fprintln(process.orders, line)
	}
}

// lines waits for a line from each process.
func (p pair) lines(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, process := range p.processes {
		lines = append(lines, strings.TrimSpace(process.line(t)))
	}
	return lines
}

// finish waits until the followers have the last of the events in the stream. It
// returns what was published, and what each follower got.
func (p pair) finish(t *testing.T, events []feed.Event) (*publication, []followerReport) {
	t.Helper()
	p.order(events[len(events)-1].ID)
	all := &publication{accepted: make(map[string]string), keyed: make(map[string]string)}
	var followers []followerReport
	for _, line := range p.lines(t) {
		var result report
		if err := json.Unmarshal([]byte(line), &result); err != nil {
			t.Fatal(err)
		}
		all.add(result)
		followers = append(followers, result.Followers...)
	}
	for _, f := range followers {
		withoutKeys(f.Events)
		withoutKeys(f.Before)
	}
	for _, f := range p.clients {
		f.until("the last event", func() bool { return f.last == events[len(events)-1].ID })
		f.end()
		followers = append(followers, followerReport{f.gaps, slices.Concat(f.runs...), f.events})
	}
	return all, followers
}

// withoutKeys removes the Keys, which clients do not receive.
func withoutKeys(events []feed.Event) {
	for i := range events {
		events[i].Key = ""
	}
}

// add adds what another process did.
func (p *publication) add(r report) {
	maps.Copy(p.accepted, r.Accepted)
	maps.Copy(p.keyed, r.Keyed)
	p.failed += r.Failed
	p.lost += r.Lost
	p.retried += r.Retried
}

// TestProcessesMissNothingWhileRedisFails lets two processes follow and publish
// while Redis is killed, paused and restarted.
func TestProcessesMissNothingWhileRedisFails(t *testing.T) {
	server := startRedis(t)
	n := count(t, 10_000)
	start := time.Now()
	processes := startPair(t, server, n)
	const rounds = 4
	for round := range rounds {
		server.reached((2*round + 1) * n / (2*rounds + 1))
		if round%2 == 0 {
			server.kill()
		} else {
			server.signal(syscall.SIGTERM) // Redis ends regularly
			_ = server.cmd.Wait()          // the status is that of the signal
		}
		after(200 * time.Millisecond)
		server.start()
		server.reached((2*round + 2) * n / (2*rounds + 1))
		server.pause(timeout + 300*time.Millisecond)
	}
	processes.lines(t)
	took := time.Since(start)
	events := server.contents()
	all, followers := processes.finish(t, events)
	all.check(t, events)
	withoutKeys(events)
	gaps := 0
	for i, f := range followers {
		gaps += f.Gaps
		if f.Gaps != 0 || !slices.Equal(f.Events, events) {
			t.Errorf("follower %d got %d events and %d gaps, want exactly the %d events of the stream", i, len(f.Events), f.Gaps, len(events))
		}
	}
	t.Logf("%d events published by 2 processes in %v, Redis killed %d times, restarted %d times and paused %d times: %d accepted; %d calls failed; %d events with a Key were retried; %d events without a Key were given up, of which %d are there; %d followers got all %d events once, in order, with %d gaps",
		n, took.Round(time.Millisecond), rounds/2, rounds/2, rounds, len(all.accepted), all.failed, all.retried, all.lost, len(events)-len(all.accepted), len(followers), len(events), gaps)
}

// TestFlushIsOneGap deletes all data while two processes follow and publish, in one
// pipeline with an event before and one after.
func TestFlushIsOneGap(t *testing.T) {
	server := startRedis(t)
	n := count(t, 10_000)
	start := time.Now()
	processes := startPair(t, server, n)
	server.reached(n / 2)
	unread := server.flushBetweenEvents()
	processes.lines(t)
	took := time.Since(start)
	events := server.contents()
	all, followers := processes.finish(t, events)
	withoutKeys(events)
	all.accepted[unread] = "accepted from another program, and deleted at once"
	seen := make(map[string]bool)
	for _, e := range events {
		seen[e.ID] = true
	}
	kept := len(seen)
	for i, f := range followers {
		if f.Gaps != 1 || !slices.Equal(f.Events, events) {
			t.Errorf("follower %d got %d gaps and then %d events, want one gap and exactly the %d events of the stream", i, f.Gaps, len(f.Events), len(events))
		}
		for k, e := range f.Before {
			if other := followers[0].Before; k < len(other) && e != other[k] {
				t.Fatalf("event %d before the gap differs between followers 0 and %d", k, i)
			}
			seen[e.ID] = true
		}
	}
	lost := 0
	for id := range all.accepted {
		if !seen[id] {
			lost++
		}
	}
	if lost == 0 || seen[unread] {
		t.Error("no accepted event was lost before it was read: the test tests nothing")
	}
	t.Logf("%d events published by 2 processes in %v: %d accepted; %d calls failed; %d events are in the stream after FLUSHALL, and each of %d followers got one gap and then all of these; followers had read %d events before; %d accepted events were lost before any process had read them",
		n, took.Round(time.Millisecond), len(all.accepted), all.failed, len(events), len(followers), len(seen)-kept, lost)
}

// flushBetweenEvents deletes all data, in one transaction with an event before and
// one after, and returns the id of the first, which no process can read.
func (s *server) flushBetweenEvents() (unread string) {
	s.tb.Helper()
	client := s.client(s.tb)
	defer client.Close()
	pipe := client.TxPipeline()
	id := pipe.XAdd(s.tb.Context(), &redis.XAddArgs{Stream: key, Values: []any{"t", "lost", "n", "e", "d", "before"}})
	pipe.FlushAll(s.tb.Context())
	pipe.XAdd(s.tb.Context(), &redis.XAddArgs{Stream: key, Values: []any{"t", "kept", "n", "e", "d", "after"}})
	if _, err := pipe.Exec(s.tb.Context()); err != nil {
		s.tb.Fatal(err)
	}
	return id.Val() + ".lost" // the other one may have the same id in Redis
}

// reached waits until the stream has n events.
func (s *server) reached(n int) {
	s.tb.Helper()
	client := s.client(s.tb)
	defer client.Close()
	for deadline := time.Now().Add(4 * testkit.Patience); ; after(2 * time.Millisecond) {
		length, err := client.XLen(s.tb.Context(), key).Result()
		if err == nil && length >= int64(n) {
			return
		}
		if time.Now().After(deadline) {
			s.tb.Fatalf("the stream has %d entries, want %d: %v", length, n, err)
		}
	}
}
