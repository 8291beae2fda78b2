package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// bin is the width of a column of the histogram.
const bin = 100 * time.Millisecond

// An audience is a group of clients, each of which keeps a stream open. When the stream ends,
// the client reconnects as a page would.
type audience struct {
	addr string
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu        sync.Mutex
	connected int
	ends      []time.Time // of streams
	aborted   int         // streams that ended without being announced
	opened    []time.Time
	refused   map[string]int // attempts that failed, by reason
}

// newAudience starts n clients of each kind, and waits until all are connected.
func newAudience(addr string, n int) (*audience, error) {
	a := &audience{addr: addr, refused: make(map[string]int)}
	a.ctx, a.stop = context.WithCancel(context.Background())
	for range n {
		a.all.Go(func() { a.follow(a.events) })
		a.all.Go(func() { a.follow(a.socket) })
		time.Sleep(time.Millisecond) // do not overflow the proxy's queue
	}
	if err := a.wait(2 * n); err != nil {
		a.end()
		return nil, err
	}
	return a, nil
}

// end ends all clients.
func (a *audience) end() {
	a.stop()
	a.all.Wait()
}

// wait waits until n clients are connected.
func (a *audience) wait(n int) error {
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		a.mu.Lock()
		connected, refused := a.connected, list(a.refused)
		a.mu.Unlock()
		if connected == n {
			return nil
		}
		if time.Since(start) > patience {
			return fmt.Errorf("%d of %d streams are connected; refused: %s", connected, n, refused)
		}
	}
}

// follow keeps a stream open until the audience ends.
func (a *audience) follow(stream func() (retry time.Duration, err error)) {
	for a.ctx.Err() == nil {
		retry, err := stream()
		if a.ctx.Err() != nil {
			return
		}
		var refused *refusedError
		a.mu.Lock()
		if errors.As(err, &refused) {
			a.refused[err.Error()]++
		} else {
			a.connected--
			a.ends = append(a.ends, time.Now())
			if err != nil {
				a.aborted++
			}
		}
		a.mu.Unlock()
		select {
		case <-time.After(retry):
		case <-a.ctx.Done():
		}
	}
}

// open records that a stream has begun.
func (a *audience) open() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connected++
	a.opened = append(a.opened, time.Now())
}

// A refusedError is the reason why a stream could not be opened.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return endpoints.ReplaceAllString(e.reason, "") }

// backoff returns how long a page waits before it opens a stream again, like the script
// in docs/production.md.
func backoff() time.Duration { return time.Second + rand.N(4*time.Second) }

// events reads an event stream like EventSource, which reconnects after the time that the
// stream has set. It returns nil if the stream was ended by the server. If the stream is
// refused, it returns the backoff, because EventSource does not reconnect then.
func (a *audience) events() (retry time.Duration, err error) {
	conn, err := new(net.Dialer).DialContext(a.ctx, "tcp", a.addr)
	if err != nil {
		return backoff(), &refusedError{err.Error()}
	}
	defer conn.Close()
	defer context.AfterFunc(a.ctx, func() { conn.Close() })()
	fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", a.addr)
	response, err := nethttp.ReadResponse(bufio.NewReaderSize(conn, 1<<10), nil)
	if err != nil {
		return backoff(), &refusedError{err.Error()}
	}
	if response.StatusCode != nethttp.StatusOK {
		return backoff(), &refusedError{response.Status}
	}
	a.open()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 256), 1<<10)
	for lines.Scan() {
		if ms, found := strings.CutPrefix(lines.Text(), "retry: "); found {
			n, _ := strconv.Atoi(ms) // if it is not a number, reconnect immediately, which the histogram shows
			retry = time.Duration(n) * time.Millisecond
		}
	}
	return retry, lines.Err()
}

// socket reads a WebSocket and reconnects after the backoff. It returns nil if the
// server has announced the end.
func (a *audience) socket() (time.Duration, error) {
	conn, response, err := http.Dial(a.ctx, "ws://"+a.addr+"/socket", &http.DialOptions{ReadBufferSize: 512})
	if err != nil {
		reason := err.Error()
		if response != nil {
			reason = response.Status
		}
		return backoff(), &refusedError{reason}
	}
	defer conn.CloseNow()
	defer context.AfterFunc(a.ctx, func() { conn.CloseNow() })()
	a.open()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			var closed *http.CloseError
			if errors.As(err, &closed) && closed.Code == http.CloseGoingAway {
				err = nil
			}
			return backoff(), err
		}
	}
}

// measureStreams restarts one instance while n event streams and n WebSockets are open
// through the proxy, and prints when they ended and reconnected.
func (b *build) measureStreams(out io.Writer, s setup, n int) error {
	site, err := b.start(s)
	if err != nil {
		return err
	}
	defer site.stop()
	a, err := newAudience(site.proxy.addr, n)
	if err != nil {
		return err
	}
	defer a.end()
	time.Sleep(s.pause)
	a.mu.Lock()
	a.opened = nil
	a.mu.Unlock()
	start := time.Now()
	if err := site.fleet.restart(0); err != nil {
		return err
	}
	down := time.Since(start)
	time.Sleep(s.pause) // streams that were refused or ended again reconnect
	if err := a.wait(2 * n); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ended, opened := histogram(start, a.ends), histogram(start, a.opened)
	fmt.Fprintf(out, "%s, %s: %d streams ended, %d of them without an announcement; %d reconnected, at most %d within %v; the restart took %v\n",
		s.proxyName(), s.serverName(), len(a.ends), a.aborted, len(a.opened), slices.Max(append(opened, 0)), bin, down.Round(bin))
	if len(a.refused) > 0 {
		fmt.Fprintf(out, "attempts that failed: %s\n", list(a.refused))
	}
	fmt.Fprintf(out, "\n```\n%s%s```\n\n", rows("ended", ended), rows("reconnected", opened))
	return nil
}

// histogram counts the times in each bin after start.
func histogram(start time.Time, times []time.Time) []int {
	var bins []int
	for _, t := range times {
		i := int(t.Sub(start) / bin)
		for len(bins) <= i {
			bins = append(bins, 0)
		}
		bins[i]++
	}
	return bins
}

// rows formats a histogram with one line per second.
func rows(title string, bins []int) string {
	var b strings.Builder
	perSecond := int(time.Second / bin)
	for i := 0; i < len(bins); i += perSecond {
		fmt.Fprintf(&b, "%-12s %2d s ", title, i/perSecond)
		for _, n := range bins[i:min(i+perSecond, len(bins))] {
			fmt.Fprintf(&b, " %4d", n)
		}
		b.WriteString("\n")
		title = ""
	}
	return b.String()
}
