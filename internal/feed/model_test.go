package feed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
)

// FuzzLogAgreesWithModel runs operations on a log and on a model of it that
// keeps everything in one slice. The model predicts exactly which events are
// kept, whether a follower gets a gap, and which events follow.
func FuzzLogAgreesWithModel(f *testing.F) {
	f.Add([]byte{}) // nothing
	for options := range byte(16) {
		f.Add(append([]byte{options}, "publish and follow: \x00\x01\x05\x00\x00\x02\x06\x00\x00\x03\x00\x04\x06\x00\x06\x01"...))
		f.Add(append([]byte{options, 2, 9, 4}, pattern(0x9e3779b9+uint32(options), 400)...))
		f.Add(append([]byte{options, 9, 200, 200}, pattern(0x85ebca6b+uint32(options), 400)...))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 1000 {
			ops = ops[:1000]
		}
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, ops)
			defer m.unblock()
			for len(m.ops) > 0 {
				m.step()
			}
			m.end()
		})
	})
}

// pattern returns n bytes of a linear congruential generator.
func pattern(x uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// A model is a simple log, and the clients of the log under test.
type model struct {
	t      *testing.T
	ops    []byte
	limits feed.Limits
	start  feed.Start

	log       *feed.Log
	snapshots *feed.Snapshots // nil if there are no snapshots

	*feedtest.Record
	added     []time.Time
	sizes     []int64
	startable bool // the position before First is known

	clients []*modelClient

	blocked   chan struct{}  // snapshots wait for it, unless nil
	shotAt    feedtest.Place // where the last call of Snapshot began
	shotBegan time.Time      // when it began
}

type modelClient struct {
	feedtest.Client
	follower *feed.Follower
	arriving bool           // the next step is the first
	waiting  bool           // for a snapshot
	pending  feedtest.Place // of the follower, if the client has got nothing yet

	// Of the call of Snapshot that it waits for, or the one before.
	shotAt    feedtest.Place // at or before its position
	shotBegan time.Time
}

func newModel(t *testing.T, ops []byte) *model {
	m := &model{t: t, ops: ops, Record: feedtest.NewRecord()}
	options := m.byte()
	m.limits = feed.Limits{
		Events: 1 + int(m.byte())%12,
		Bytes:  int64(1+m.byte()) * 100,
		Age:    time.Duration(1+m.byte()) * time.Second,
	}
	m.start = feed.Start{History: options&1 != 0, Latest: options&2 != 0}
	m.restart()
	if options&4 != 0 {
		m.snapshots = feed.NewSnapshots(m.log, m.snapshot)
	}
	for range 4 {
		m.clients = append(m.clients, &modelClient{Client: feedtest.Client{Latest: m.start.Latest}})
	}
	return m
}

// byte returns the next byte of the operations, or 0 if there are no more.
func (m *model) byte() byte {
	if len(m.ops) == 0 {
		return 0
	}
	b := m.ops[0]
	m.ops = m.ops[1:]
	return b
}

func (m *model) client() *modelClient { return m.clients[int(m.byte())%len(m.clients)] }

// step runs one operation, and compares.
func (m *model) step() {
	switch op := m.byte() % 16; op {
	case 0, 1, 2, 3:
		m.publish()
	case 4:
		m.reset()
	case 5:
		m.extend()
	case 6:
		time.Sleep(time.Duration(m.byte()) * time.Second / 8)
	case 7:
		m.encode()
	case 8:
		m.leave(m.client())
	case 9:
		c := m.client()
		m.leave(c)
		c.ID, c.Placed = m.strangeID(), false
	case 10:
		if m.byte()%8 == 0 {
			m.restart()
		}
	case 11:
		if m.blocked == nil {
			m.blocked = make(chan struct{})
		} else {
			m.unblock()
		}
	default:
		m.next(m.client())
	}
	synctest.Wait() // for timers
	m.expire()
	m.compare()
}

// end checks that each client that continues gets everything, and that each gets
// ErrClosed in the end.
func (m *model) end() {
	m.unblock()
	for _, c := range m.clients {
		for m.next(c) {
		}
		if c.follower != nil && c.Placed && c.Next != len(m.Events) && !(m.First == len(m.Events) && m.start.Latest) {
			m.t.Fatalf("client is at event %d of %d at the end", c.Next, len(m.Events))
		}
	}
	m.log.Close()
	if _, err := m.log.Append(feed.Event{}); err != feed.ErrClosed {
		m.t.Fatalf("Append after Close: %v", err)
	}
	for _, c := range m.clients {
		if c.follower == nil {
			continue
		}
		if step, _, err := c.follower.Next(); err != feed.ErrClosed {
			m.t.Fatalf("after Close: %+v, %v", step, err)
		}
		c.follower.Close()
	}
}

func (m *model) unblock() {
	if m.blocked != nil {
		close(m.blocked)
		m.blocked = nil
	}
}

func (m *model) here() feedtest.Place {
	return feedtest.Place{Next: len(m.Events), Incarnation: m.Incarnation}
}

func (m *model) newEvent() feed.Event {
	e := feed.Event{Name: "n", Data: strings.Repeat("d", int(m.byte()))}
	if b := m.byte(); b%4 == 0 {
		e.Key = fmt.Sprint(b % 5)
	}
	return e
}

// publish appends an event, whose id must be new unless its key is known.
func (m *model) publish() {
	m.expire()
	e := m.newEvent()
	id, err := m.log.Append(e)
	if err != nil {
		m.t.Fatal(err)
	}
	for i := m.First; i < len(m.Events); i++ {
		if e.Key != "" && m.Events[i].Key == e.Key {
			if id != m.Events[i].ID {
				m.t.Fatalf("key %q has id %q, want %q", e.Key, id, m.Events[i].ID)
			}
			return
		}
	}
	if _, used := m.Positions[id]; used || !feed.ValidID(id) {
		m.t.Fatalf("id %q is invalid, or was used before: %v", id, used)
	}
	e.ID = id
	m.add(e)
}

// add adds an event to the model.
func (m *model) add(e feed.Event) {
	m.Add(e)
	m.added = append(m.added, time.Now())
	m.sizes = append(m.sizes, e.Memory())
	m.trim()
}

func (m *model) trim() {
	var bytes int64
	for _, size := range m.sizes[m.First:] {
		bytes += size
	}
	for n := len(m.Events) - m.First; n > 1 && (n > m.limits.Events || bytes > m.limits.Bytes); n-- {
		bytes -= m.sizes[m.First]
		m.drop()
	}
}

func (m *model) expire() {
	for m.First < len(m.Events) && time.Since(m.added[m.First]) >= m.limits.Age {
		m.drop()
	}
}

func (m *model) drop() {
	m.First++
	m.startable = true
}

// storeEvents returns events as a store returns them.
func (m *model) storeEvents() []feed.Event {
	var events []feed.Event
	for range int(m.byte()) % 4 {
		e := m.newEvent()
		e.Key = "" // a store has checked it
		e.ID = fmt.Sprintf("%d-%d.store", len(m.Events), len(events))
		events = append(events, e)
	}
	return events
}

func (m *model) extend() {
	events := m.storeEvents()
	m.log.Extend(events)
	for _, e := range events {
		m.add(e)
	}
}

func (m *model) reset() {
	events := m.storeEvents()
	m.Incarnation++
	position := fmt.Sprintf("%d-%d.empty", len(m.Events), m.Incarnation)
	m.log.Reset(events, position)
	m.First, m.startable = len(m.Events), true
	m.Positions[position] = feedtest.Place{Next: m.First, Incarnation: m.Incarnation}
	for _, e := range events {
		m.add(e)
	}
}

// restart replaces the log, as a new process does. Clients come back.
func (m *model) restart() {
	if m.log != nil {
		m.log.Close()
		for _, c := range m.clients {
			m.leave(c)
		}
	}
	m.log = feed.New(m.limits)
	if m.snapshots != nil {
		m.snapshots = feed.NewSnapshots(m.log, m.snapshot)
	}
	m.Incarnation++
	m.First, m.startable = len(m.Events), true
	m.Positions[m.log.Newest()] = feedtest.Place{Next: m.First, Incarnation: m.Incarnation}
}

// encode has the newest event encoded, which may drop others.
func (m *model) encode() {
	if m.First == len(m.Events) || m.log.Empty() {
		return
	}
	f := m.log.Follow("", feed.Start{History: true}, nil)
	defer f.Close()
	f.Next()
	step, _, err := f.Next()
	if err != nil || len(step.Events) == 0 {
		m.t.Fatalf("%+v, %v", step, err)
	}
	i := m.First + int(m.byte())%len(step.Events)
	form, size := feed.Encoding(m.byte()%3), int(m.byte())
	called := false
	b := step.Events[i-m.First].Encoded(form, func(e feed.Event) []byte {
		called = true
		if e != m.Events[i] {
			m.t.Fatalf("encoded %+v, want %+v", e, m.Events[i])
		}
		return make([]byte, size)
	})
	if called {
		m.sizes[i] += int64(cap(b))
		m.trim()
	}
}

func (m *model) strangeID() string {
	id := m.log.Newest()
	return []string{
		"", feed.Beginning, strings.Repeat("x", feed.MaxID), strings.Repeat("x", feed.MaxID+1), strings.Repeat("y", 1<<20),
		"zz" + id, id + "A", "a\nb", "a,b", "~", id[:len(id)-1], feed.New(m.limits).Newest(),
	}[int(m.byte())%12]
}

func (m *model) leave(c *modelClient) {
	if c.follower != nil {
		c.follower.Close()
		c.follower.Close()
	}
	c.follower = nil
}

// next has a client take its next step. It reports whether there was one.
func (m *model) next(c *modelClient) bool {
	m.expire()
	if c.follower == nil {
		c.follower, c.arriving, c.waiting = m.log.Follow(c.ID, m.start, m.snapshots), true, false
	}
	gap := m.mustMiss(c)
	step, changed, err := c.follower.Next()
	if err == nil && step.Empty() {
		synctest.Wait() // for the snapshot
		c.shotAt, c.shotBegan = m.shotAt, m.shotBegan
		step, changed, err = c.follower.Next()
	}
	switch {
	case errors.Is(err, feed.ErrBehind):
		if c.shotAt.Next >= m.First && c.shotAt.Incarnation == m.Incarnation {
			m.t.Fatalf("behind, although the events from %d on are kept and the snapshot began at %+v", m.First, c.shotAt)
		}
		m.leave(c)
		return true
	case errors.Is(err, feed.ErrSlow):
		if time.Since(c.shotBegan) < time.Minute {
			m.t.Fatalf("%v, after %v", err, time.Since(c.shotBegan))
		}
		m.leave(c)
		return true
	case err != nil:
		m.t.Fatal(err)
	case step.Gap != gap:
		m.t.Fatalf("gap: %v, want %v, for client %+v (first %d, incarnation %d): %+v", step.Gap, gap, c, m.First, m.Incarnation, step)
	case step.Empty() && changed == nil:
		m.t.Fatal("an empty step without a channel")
	}
	m.unread(c, &step)
	if err := c.Take(step, m.Record); err != nil {
		m.t.Fatalf("client %+v: %v", c, err)
	}
	m.follow(c, step)
	if m.start.Latest && len(step.Events) > 0 && (len(step.Events) != 1 || c.Next != len(m.Events)) {
		m.t.Fatalf("Latest: got %d events up to %d of %d", len(step.Events), c.Next, len(m.Events))
	}
	return !step.Empty()
}

// unread gives the last events of a step back now and then, as a client does whose
// write is full.
func (m *model) unread(c *modelClient, step *feed.Step) {
	if n := len(step.Events); n > 0 && m.byte()%4 == 1 {
		left := 1 + int(m.byte())%n
		c.follower.Unread(left)
		step.Events = step.Events[:n-left]
	}
}

// follow notes where the follower of a client is after a step.
func (m *model) follow(c *modelClient, step feed.Step) {
	if step.Position == feed.Beginning {
		c.waiting = m.snapshots != nil
		c.pending = feedtest.Place{Next: m.First, Incarnation: m.Incarnation}
	} else if c.arriving && !c.Placed {
		c.pending = feedtest.Place{Next: len(m.Events) - 1, Incarnation: m.Incarnation} // Latest
	}
	if step.Snapshot != nil {
		c.waiting = false
	}
	c.arriving = false
}

// mustMiss predicts whether the next step is a gap.
func (m *model) mustMiss(c *modelClient) bool {
	place, known := m.Positions[c.ID]
	switch {
	case c.waiting, c.arriving && (c.ID == "" || c.ID == feed.Beginning):
		return false
	case m.start.Latest && m.First < len(m.Events) && (!c.arriving || feed.ValidID(c.ID)):
		return false
	case c.arriving && place.Next == m.First && !m.startable:
		return true
	case c.arriving:
	case c.Placed:
		place, known = feedtest.Place{Next: c.Next, Incarnation: c.Incarnation}, true
	default:
		place, known = c.pending, true
	}
	return !known || place.Incarnation != m.Incarnation || place.Next < m.First
}

func (m *model) snapshot(ctx context.Context) (feed.Event, error) {
	m.shotAt, m.shotBegan = m.here(), time.Now()
	if m.blocked != nil {
		select {
		case <-m.blocked:
		case <-ctx.Done():
			return feed.Event{}, ctx.Err()
		}
	}
	return feed.Event{Name: "state", Data: fmt.Sprint(len(m.Events))}, nil
}

// compare compares the contents of the log and of the model.
func (m *model) compare() {
	total, sum := m.log.Bytes()
	var want int64
	for _, size := range m.sizes[m.First:] {
		want += size
	}
	if total != want || sum != want {
		m.t.Fatalf("log counts %d bytes, its events %d, want %d", total, sum, want)
	}
	if m.log.Empty() != (m.First == len(m.Events)) {
		m.t.Fatalf("empty: %v, want %d events", m.log.Empty(), len(m.Events)-m.First)
	}
	for i := max(0, m.First-30); i < len(m.Events); i++ {
		_, ok := m.log.Find(m.Events[i].ID)
		kept := m.Incarnations[i] == m.Incarnation && (i >= m.First || i == m.First-1)
		if ok != kept {
			m.t.Fatalf("event %d found: %v, want %v (first %d)", i, ok, kept, m.First)
		}
	}
}
