package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The concurrent load on the demo.
const (
	soakInstances   = 2
	soakConnections = 8   // of wrk, for each of two URLs of each instance
	soakClients     = 200 // in the chat, and the same number following the board
	warmUpClients   = 10
	warmUpTime      = 2 * time.Second
)

// settleTime is how long the demo may take to send outstanding messages and to
// end the goroutines of disconnected clients.
const settleTime = 15 * time.Second

// leastSoak is the minimum duration, which gives each part of the time some
// samples and the clients time to recover from the outage.
const leastSoak = 25 * time.Second

// A soak is two instances of the demo, with one Redis, under sustained load of every kind.
type soak struct {
	redis     *redisServer
	instances []*instance
	outage    outage
	faults    faults
}

// An outcome is the result of a soak.
type outcome struct {
	list, page      load
	clients         int // of each kind
	changes, failed int64
	said, heard     int64 // messages sent, and received over all members
	pings           int64
	streams, chats  int64 // connections that were opened again
	before, after   int64 // goroutines of all instances
	samples         []sample
	early, late     window // windows whose memory is compared
	logged          int64  // lines
	faults          int
}

// measureSoak runs two instances of the demo, each with a memory limit of 64 MiB, under
// concurrent requests, WebSocket connections, and event streams. In the middle, it kills
// Redis and starts it again. No event or message may be lost or received twice, and
// requests may fail only while Redis is away. Afterwards, the instances must have no more
// goroutines than before the load and no more memory than early on, and must exit with
// status 0. If a check fails, measureSoak returns the block with the figures as well as an
// error.
func measureSoak(d time.Duration) (string, error) {
	if d < leastSoak {
		return "", fmt.Errorf("a soak of %v is too short; the minimum is %v", d, leastSoak)
	}
	dir, err := os.MkdirTemp("", "measure")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	s := &soak{redis: &redisServer{socket: filepath.Join(dir, "redis")}}
	if err := s.redis.start(); err != nil {
		return "", err
	}
	defer func() { s.redis.kill() }() // the one that is running then
	if s.instances, err = startInstances(soakInstances, dir, s.redis.socket); err != nil {
		return "", err
	}
	o, err := s.run(d)
	for _, instance := range s.instances {
		err = errors.Join(err, instance.process.stop())
	}
	err = errors.Join(s.faults.err(), err)
	if o == nil {
		return "", err
	}
	for _, instance := range s.instances {
		o.logged += int64(bytes.Count(instance.process.stderr.Bytes(), []byte("\n")))
	}
	return o.block(d), errors.Join(err, o.check())
}

// run warms up the instances, applies the load for d, and waits until they have settled.
func (s *soak) run(d time.Duration) (*outcome, error) {
	if _, err := s.press(warmUpClients, warmUpTime, nil); err != nil {
		return nil, err
	}
	before, err := s.sum((*scraper).steadyGoroutines)
	if err != nil {
		return nil, err
	}
	o, err := s.press(soakClients, d, s.redis)
	if err != nil {
		return nil, err
	}
	o.before = before
	if o.after, err = s.sum(func(m *scraper) (int64, error) { return m.fewGoroutines(before / soakInstances) }); err != nil {
		return nil, err
	}
	o.early, o.late = memoryWindows(d)
	o.faults = s.faults.count
	return o, nil
}

// sum returns the sum of a figure over all instances.
func (s *soak) sum(of func(*scraper) (int64, error)) (sum int64, err error) {
	for _, instance := range s.instances {
		n, err := of(instance.metrics)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// press applies load to the instances: the given number of clients of each kind, and
// wrk with requests for a JSON list and for the page. It ends when wrk does. If victim is
// not nil, press kills it halfway.
func (s *soak) press(clients int, d time.Duration, victim *redisServer) (*outcome, error) {
	chat, err := s.joinChat(clients)
	if err != nil {
		return nil, err
	}
	defer chat.leave()
	audience, err := s.followBoard(clients)
	if err != nil {
		return nil, err
	}
	defer audience.leave()
	editors := newEditors(s.instances)

	o := &outcome{clients: clients}
	var work sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	work.Go(func() { chat.talk(ctx) })
	for _, e := range editors {
		work.Go(func() { s.faults.add(e.name, e.edit(ctx, &s.outage)) })
	}
	work.Go(func() { o.samples = s.sample(ctx) })
	if victim != nil {
		work.Go(func() {
			time.Sleep(d / 2)
			s.faults.add("Redis", s.outage.inflict(victim))
		})
	}
	s.request(o, d)
	stop()
	work.Wait()

	made, failed := changes(editors)
	s.await(func() string { return chat.lacks() + audience.lacks(made) })
	o.changes, o.failed = audience.followers[0].seen.now().count, failed
	o.said = chat.sum(func(m *member) int64 { return int64(len(m.said)) })
	o.heard = chat.sum(func(m *member) int64 { return m.heard.now().count })
	o.pings = chat.sum(func(m *member) int64 { return m.answered + m.pongs })
	o.streams = audience.reopened()
	o.chats = chat.sum(func(m *member) int64 { return m.reopened.Load() })
	return o, nil
}

// request runs wrk on two paths of each instance. Only requests for the list, which is in
// Redis, may fail.
func (s *soak) request(o *outcome, d time.Duration) {
	var mu sync.Mutex
	var wrk sync.WaitGroup
	for _, instance := range s.instances {
		for path, sum := range map[string]*load{"/api/tasks?limit=20": &o.list, "/": &o.page} {
			wrk.Go(func() {
				l, err := runWrk(instance.url+path, nethttp.Header{"Accept-Encoding": {"gzip"}}, soakConnections, d)
				s.faults.add("wrk", err)
				mu.Lock()
				defer mu.Unlock()
				*sum = sum.with(l)
			})
		}
	}
	wrk.Wait()
	if o.page.failed > 0 {
		s.faults.add("wrk", fmt.Errorf("%d requests for the page failed", o.page.failed))
	}
}

// await waits until lacks returns "". If that takes longer than settleTime,
// await adds a fault.
func (s *soak) await(lacks func() string) {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	late := time.After(settleTime)
	for {
		lacking := lacks()
		if lacking == "" {
			return
		}
		select {
		case <-again.C:
		case <-late:
			s.faults.add("after all was sent", errors.New(lacking))
			return
		}
	}
}

// check returns an error that describes all failed checks of an outcome.
func (o *outcome) check() error {
	var errs []error
	if o.after > o.before {
		errs = append(errs, fmt.Errorf("%d goroutines are left, want at most %d", o.after, o.before))
	}
	early, late := o.resident(o.early), o.resident(o.late)
	if early == 0 || late == 0 {
		errs = append(errs, errors.New("the memory could not be read"))
	}
	// Within the first minute, memory grows until the garbage collector has found its pace.
	if o.early.from >= time.Minute && float64(late) > 1.1*float64(early) {
		errs = append(errs, fmt.Errorf("resident memory grew from %s to %s", mebibytes(early), mebibytes(late)))
	}
	return errors.Join(errs...)
}

// block returns the figures in Markdown.
func (o *outcome) block(d time.Duration) string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | "+format+" |\n", append([]any{what}, args...)...)
	}
	fmt.Fprintf(&b, "%d instances of the demo with one Redis under load for %d s, each with GOMEMLIMIT=64MiB. In the middle, Redis is killed, and started again after %v:\n\n| | |\n|---|---|\n",
		soakInstances, seconds(d), outageLength)
	row("requests for the page", "%d, %.0f/s, 99%% within %s", o.page.requests, o.page.rate, duration(o.page.p99.Seconds()))
	row("requests for a JSON list", "%d, %.0f/s, 99%% within %s; %d failed while Redis was away", o.list.requests, o.list.rate, duration(o.list.p99.Seconds()), o.list.failed)
	row("changes of the board", "%d; %d failed while Redis was away", o.changes, o.failed)
	row("event streams", "%d, each with all changes, once and in the same order", o.clients)
	row("WebSocket connections", "%d, which sent %d and received %d messages, each once and in the same order, and pongs for %d pings", o.clients, o.said, o.heard, o.pings)
	row("opened again while Redis was away", "%d event streams, %d WebSocket connections", o.streams, o.chats)
	least, _, most := spread(o.samples, func(s sample) int64 { return s.goroutines })
	row("goroutines of both", "%d before, %d–%d during, %d after", o.before, least, most, o.after)
	row("log lines", "%d", o.logged)
	row("faults", "%d", o.faults)
	b.WriteString("\n" + o.memoryTable(d))
	fmt.Fprintf(&b, "\nMedian of the resident memory: %s in %s, %s in %s.\n",
		mebibytes(o.resident(o.early)), o.early, mebibytes(o.resident(o.late)), o.late)
	return b.String()
}

// memoryTable returns a table with a row for each fifth of the time.
func (o *outcome) memoryTable(d time.Duration) string {
	var b strings.Builder
	b.WriteString("| fifth of the time | resident memory of both: minimum, median, maximum | heap in use: median |\n|---|---|---|\n")
	for i := range 5 {
		part := window{d * time.Duration(i) / 5, d * time.Duration(i+1) / 5}.of(o.samples)
		least, middle, most := spread(part, func(s sample) int64 { return s.resident })
		_, heap, _ := spread(part, func(s sample) int64 { return s.heap })
		fmt.Fprintf(&b, "| %d | %s, %s, %s | %s |\n", i+1, mebibytes(least), mebibytes(middle), mebibytes(most), mebibytes(heap))
	}
	return b.String()
}
