package redisfeed_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

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
	Followers    []followerReport
}

type followerReport struct {
	Gaps   int
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
	out := os.NewFile(3, "reports")
	store := newStore(t, newClient(t, "unix", work.Socket), redisfeed.Config{Keep: work.Keep, Patience: time.Second})
	r := newRegistry(t, store)
	var readers []*reader
	for _, reconnect := range []int{0, 0, 3, 50} {
		readers = append(readers, read(t, r, reconnect))
	}
	fmt.Fprintln(out, "following")
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
	result := report{Accepted: p.accepted, Keyed: p.keyed, Failed: p.failed, Lost: p.lost}
	for _, f := range readers {
		f.until("the last event", func() bool { return f.last == last })
		f.end()
		result.Followers = append(result.Followers, followerReport{f.gaps, f.events})
	}
	if err := json.NewEncoder(out).Encode(result); err != nil {
		t.Fatal(err)
	}
}

// TestProcessesMissNothingWhileRedisFails lets two processes follow and publish
// while Redis is killed, paused and restarted.
func TestProcessesMissNothingWhileRedisFails(t *testing.T) {
	server := startRedis(t)
	n := count(t, 4000)
	var processes []*process
	for i := range 2 {
		processes = append(processes, startProcess(t, task{server.socket, 10 * n, i * n / 2, (i + 1) * n / 2}))
	}
	for _, p := range processes {
		p.line(t)
	}
	start := time.Now()
	for _, p := range processes {
		fmt.Fprintln(p.orders, "publish")
	}
	const rounds = 4
	for round := range rounds {
		server.reached((2*round + 1) * n / (2*rounds + 1))
		server.kill()
		after(200 * time.Millisecond)
		server.start()
		server.reached((2*round + 2) * n / (2*rounds + 1))
		server.pause(800 * time.Millisecond) // longer than the timeout of a call
	}
	for _, p := range processes {
		p.line(t)
	}
	took := time.Since(start)
	events := server.contents()
	all := publication{accepted: make(map[string]string), keyed: make(map[string]string)}
	followers := 0
	for i, p := range processes {
		fmt.Fprintln(p.orders, events[len(events)-1].ID)
		var result report
		if err := json.Unmarshal([]byte(p.line(t)), &result); err != nil {
			t.Fatal(err)
		}
		all.add(result)
		for k, f := range result.Followers {
			followers++
			if f.Gaps != 0 || !slices.Equal(f.Events, events) {
				t.Errorf("follower %d of process %d got %d events and %d gaps, want exactly the %d events of the stream", k, i, len(f.Events), f.Gaps, len(events))
			}
		}
	}
	all.check(t, events)
	t.Logf("%d events published by 2 processes in %v, Redis killed %d times and paused %d times: %d accepted, %d calls failed, %d events without a Key given up, of which %d are there; %d followers got all %d events once, in order, without a gap",
		n, took.Round(time.Millisecond), rounds, rounds, len(all.accepted), all.failed, all.lost, len(events)-len(all.accepted), followers, len(events))
}

// add adds what another process did.
func (p *publication) add(r report) {
	for id, data := range r.Accepted {
		p.accepted[id] = data
	}
	for key, id := range r.Keyed {
		p.keyed[key] = id
	}
	p.failed += r.Failed
	p.lost += r.Lost
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
