package feed_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
)

const (
	interval = 10 * time.Second
	timeout  = 2 * time.Second
	longest  = 3 * timeout // how long calls of a hostile store hang
)

// TestFollowersOfAHostileStoreMissNothing lets two processes follow and publish
// over a store that does everything wrong that it may, and that loses its data
// now and then. Every client is held to the record of the store beneath. In the
// end, without a single ring, each has everything after one interval.
func TestFollowersOfAHostileStoreMissNothing(t *testing.T) {
	t.Parallel()
	gaps, events, snapshots := 0, 0, 0
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			for _, c := range runSwarm(t, seed) {
				gaps, events, snapshots = gaps+c.Gaps, events+c.Events, snapshots+c.Snapshots
			}
		})
	}
	if gaps == 0 || events == 0 || snapshots == 0 {
		t.Errorf("%d gaps, %d events, %d snapshots: the test tests nothing", gaps, events, snapshots)
	}
	t.Logf("%d gaps, %d events, %d snapshots", gaps, events, snapshots)
}

func FuzzFollowersOfAHostileStore(f *testing.F) {
	f.Add(uint64(1 << 32))
	f.Fuzz(func(t *testing.T, seed uint64) { runSwarm(t, seed) })
}

// runSwarm returns the clients of a swarm at its end.
func runSwarm(t *testing.T, seed uint64) (clients []*swarmClient) {
	synctest.Test(t, func(t *testing.T) {
		s := newSwarm(t, seed)
		for range 300 {
			s.step()
		}
		s.end()
		clients = s.clients
	})
	return clients
}

// A swarm is two processes on one store, and their clients.
type swarm struct {
	t         *testing.T
	rand      *rand.Rand
	keep      int
	store     *feedtest.Memory
	processes [2]process
	clients   []*swarmClient
	published int
	config    feed.Config
}

type process struct {
	*feed.Registry
	store *feedtest.Hostile
}

type swarmClient struct {
	feedtest.Client
	feed     string
	follower *feed.Follower
}

func newSwarm(t *testing.T, seed uint64) *swarm {
	s := &swarm{t: t, rand: rand.New(rand.NewPCG(seed, 0))}
	s.keep = 2 + s.rand.IntN(30)
	s.store = feedtest.NewMemory(s.keep)
	s.config = feed.Config{
		Limits:   feed.Limits{Events: s.keep, Bytes: 1 << 30, Age: 1000 * time.Hour},
		Start:    feed.Start{History: seed%2 == 0, Latest: seed%5 == 1},
		Interval: interval,
		Timeout:  timeout,
		Logger:   slog.New(slog.DiscardHandler),
	}
	if seed%3 == 0 {
		s.config.Snapshot = func(_ context.Context, key string) (feed.Event, error) {
			return feed.Event{Data: fmt.Sprint(len(s.store.Record(key).Events))}, nil
		}
	}
	for i := range s.processes {
		s.processes[i].store = feedtest.NewHostile(s.store, seed*2+uint64(i), longest)
		s.restart(i)
	}
	if seed%4 == 3 { // pages are larger than the copies
		s.config.Limits.Events = max(s.keep/4, 1)
	}
	for i := range 10 {
		c := &swarmClient{feed: []string{"a", "b", "c"}[i%3]}
		c.Latest = s.config.Start.Latest
		s.clients = append(s.clients, c)
	}
	return s
}

func (s *swarm) restart(i int) {
	if old := s.processes[i].Registry; old != nil {
		old.Close()
	}
	s.config.Store = s.processes[i].store
	s.processes[i].Registry = feed.NewRegistry(s.config)
}

func (s *swarm) step() {
	switch op := s.rand.IntN(100); {
	case op < 30:
		s.publish(s.rand.IntN(2), []string{"a", "b", "c"}[s.rand.IntN(3)])
	case op < 31:
		s.store.Flush()
	case op < 32:
		s.restart(s.rand.IntN(2))
	case op < 40:
		s.leave(s.clients[s.rand.IntN(len(s.clients))])
	case op < 60:
		time.Sleep(time.Duration(s.rand.Int64N(int64(timeout))))
	default:
		s.next(s.clients[s.rand.IntN(len(s.clients))])
	}
}

// publish publishes an event until that succeeds, as a caller should do.
func (s *swarm) publish(i int, name string) {
	s.published++
	process := s.processes[i].Registry
	e := feed.Event{Name: "n", Data: fmt.Sprint("event ", s.published), Key: fmt.Sprint("key ", s.published)}
	go func() {
		for {
			id, err := process.Publish(s.t.Context(), name, e)
			if err == feed.ErrClosed {
				return
			}
			if err == nil {
				r := s.store.Record(name)
				if at := r.Positions[id].Next - 1; at < 0 || r.Events[at].Key != e.Key {
					s.t.Errorf("Publish of %q returned the id %q of event %d", e.Key, id, at)
				}
				return
			}
			time.Sleep(time.Second)
		}
	}()
}

func (s *swarm) leave(c *swarmClient) {
	if c.follower != nil {
		c.follower.Close()
		c.follower = nil
	}
}

// next has a client take a step, or return if its process has closed its feed.
func (s *swarm) next(c *swarmClient) (more bool) {
	if c.follower == nil {
		f, err := s.processes[s.rand.IntN(2)].Follow(c.feed, c.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		c.follower = f
	}
	step, changed, err := c.follower.Next()
	if err == feed.ErrClosed || err == feed.ErrBehind {
		s.leave(c)
		return true
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if step.Empty() && changed == nil {
		s.t.Fatal("an empty step without a channel")
	}
	r := s.store.Record(c.feed)
	first := max(r.First, len(r.Events)-s.config.Limits.Events) // of the copy, or later
	if step.Gap && c.Placed && c.Incarnation == r.Incarnation && (c.Next > first || s.config.Start.Latest) {
		s.t.Fatalf("a gap for nothing: client %+v is at event %d, kept from %d on", c, c.Next, first)
	}
	if err := c.Take(step, &r); err != nil {
		s.t.Fatalf("client %+v: %v", c, err)
	}
	return !step.Empty()
}

// settle has all clients take all their steps.
func (s *swarm) settle() {
	for range 4 { // snapshots, and returns after ErrBehind
		synctest.Wait()
		for _, c := range s.clients {
			for s.next(c) {
			}
		}
	}
}

// end checks that everybody gets everything, one interval after it was
// published, although all rings are lost.
func (s *swarm) end() {
	s.feel(feedtest.Calm)
	time.Sleep(10 * longest) // calls that hang
	s.settle()
	s.feel(feedtest.Deaf)
	for round := range 3 {
		for _, name := range []string{"a", "b", "c"} {
			if _, err := s.store.Append(s.t.Context(), name, feed.Event{Data: fmt.Sprint("last ", round)}); err != nil {
				s.t.Fatal(err)
			}
		}
		time.Sleep(interval)
		s.settle()
		for _, c := range s.clients {
			if r := s.store.Record(c.feed); c.Next != len(r.Events) || c.Incarnation != r.Incarnation {
				s.t.Errorf("round %d: client %+v is at event %d of %d", round, c, c.Next, len(r.Events))
			}
		}
		time.Sleep(time.Duration(s.rand.Int64N(int64(interval))))
	}
	for _, c := range s.clients {
		s.leave(c)
	}
	for _, p := range s.processes {
		p.Close()
		time.Sleep(10 * longest)
		if n := p.Abandoned(); n != 0 {
			s.t.Errorf("%d calls of the store are still counted", n)
		}
		if n := p.Len(); n != 0 {
			s.t.Errorf("%d feeds are left", n)
		}
	}
}

func (s *swarm) feel(mood feedtest.Mood) {
	for _, p := range s.processes {
		p.store.Feel(mood)
	}
}
