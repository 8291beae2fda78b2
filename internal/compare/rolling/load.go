package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A tally counts the requests of one kind.
type tally struct {
	mu      sync.Mutex
	sent    int
	failed  map[string]int // by reason
	longest time.Duration
}

func (t *tally) add(took time.Duration, failure string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	t.longest = max(t.longest, took)
	if failure != "" {
		t.fail(failure, 1)
	}
}

func (t *tally) fail(reason string, n int) {
	if n > 0 {
		if t.failed == nil {
			t.failed = make(map[string]int)
		}
		t.failed[reason] += n
	}
}

// failures returns the number of failed requests.
func (t *tally) failures() int {
	n := 0
	for _, of := range t.failed {
		n += of
	}
	return n
}

// A load is steady traffic to the proxy: wrk with GET, wrk with POST, and clients that
// send GET, POST, and slow requests at constant rates and record why requests fail.
type load struct {
	get, post, slow tally
	wrkGet, wrkPost tally
	url             string
	stop            context.CancelFunc
	all             sync.WaitGroup
	wrkErrors       [2]error
	client          *nethttp.Client
	ctx             context.Context
}

// startLoad starts the traffic.
func startLoad(url, dir string) (*load, error) {
	l := &load{url: url, client: &nethttp.Client{
		Timeout:   patience,
		Transport: &nethttp.Transport{MaxIdleConns: 1000, MaxIdleConnsPerHost: 1000},
	}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	for i, method := range []string{"GET", "POST"} {
		tally := []*tally{&l.wrkGet, &l.wrkPost}[i]
		cmd, err := startWrk(dir, url, method)
		if err != nil {
			l.end()
			return nil, err
		}
		l.all.Go(func() { l.wrkErrors[i] = finishWrk(l.ctx, cmd, tally) })
	}
	l.all.Go(func() { l.send(&l.get, 10*time.Millisecond, "GET", "/", "") })
	l.all.Go(func() { l.send(&l.post, 10*time.Millisecond, "POST", "/items", `{"name":"x"}`) })
	l.all.Go(func() { l.send(&l.slow, 50*time.Millisecond, "GET", "/slow", "") })
	return l, nil
}

// end stops the traffic, waits until all requests have been answered, and returns an error of wrk.
func (l *load) end() error {
	l.stop()
	l.all.Wait()
	l.client.CloseIdleConnections()
	for _, err := range l.wrkErrors {
		if err != nil {
			return err
		}
	}
	return nil
}

// send sends a request every interval, whether or not earlier ones have been answered.
func (l *load) send(t *tally, interval time.Duration, method, path, body string) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
			l.all.Go(func() {
				start := time.Now()
				failure := l.request(method, path, body)
				t.add(time.Since(start), failure)
			})
		}
	}
}

// request sends one request, and returns why it failed, or "".
func (l *load) request(method, path, body string) string {
	request, err := nethttp.NewRequest(method, l.url+path, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	response, err := l.client.Do(request)
	if err != nil {
		return endpoints.ReplaceAllString(err.Error(), "")
	}
	defer response.Body.Close()
	switch _, err = io.Copy(io.Discard, response.Body); {
	case err != nil:
		return endpoints.ReplaceAllString(err.Error(), "")
	case response.StatusCode >= 300:
		return response.Status
	}
	return ""
}

// script makes wrk wait for 20 ms on average before each request on a connection, and print
// its counts as JSON.
const script = `
wrk.method = %q
wrk.body = %q
wrk.headers["Content-Type"] = "application/json"
function delay() return math.random(10, 30) end
function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format('\n{"requests":%%d,"longest":%%d,"connect":%%d,"read":%%d,"write":%%d,"status":%%d,"timeout":%%d}\n',
		summary.requests, latency.max, e.connect, e.read, e.write, e.status, e.timeout))
end
`

// startWrk starts wrk, which runs until it is interrupted.
func startWrk(dir, url, method string) (*exec.Cmd, error) {
	path, body := "/", ""
	if method == "POST" {
		path, body = "/items", `{"name":"x"}`
	}
	file := filepath.Join(dir, method+".lua")
	if err := os.WriteFile(file, fmt.Appendf(nil, script, method, body), 0o666); err != nil {
		return nil, err
	}
	cmd := exec.Command("wrk", "-t1", "-c8", "-d1h", "--timeout", patience.String(), "-s", file, url+path)
	cmd.Stdout = new(bytes.Buffer)
	return cmd, cmd.Start()
}

// finishWrk interrupts wrk when ctx is done, and reads its counts.
func finishWrk(ctx context.Context, cmd *exec.Cmd, t *tally) error {
	<-ctx.Done()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("wrk: %w", err)
	}
	output := cmd.Stdout.(*bytes.Buffer).String()
	var c struct{ Requests, Longest, Connect, Read, Write, Status, Timeout int }
	if err := json.Unmarshal([]byte(output[strings.LastIndexByte(strings.TrimSpace(output), '\n')+1:]), &c); err != nil {
		return fmt.Errorf("wrk: %w: %s", err, output)
	}
	t.sent, t.longest = c.Requests, time.Duration(c.Longest)*time.Microsecond
	t.fail("wrk: status", c.Status)
	t.fail("wrk: connect", c.Connect)
	t.fail("wrk: read", c.Read)
	t.fail("wrk: write", c.Write)
	t.fail("wrk: timeout", c.Timeout)
	return nil
}

// list formats counts, the largest first.
func list(counts map[string]int) string {
	var parts []string
	for _, reason := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	}) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, "; ")
}
