// Package feedtest tests feeds and the stores of feeds. It contains a store in
// memory, a hostile one, a client that checks its steps, and a suite of tests that
// every [feed.Store] must pass. Only test files import it.
package feedtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// A Memory is a feed.Store in memory, which several registries can share. It
// remembers all events that it ever had, so that tests can compare. It is safe
// for concurrent use by multiple goroutines.
type Memory struct {
	keep int // number of events per feed

	mu       sync.Mutex
	stopped  bool
	feeds    map[string]*memoryFeed
	watchers map[*func(string)]bool
	records  map[string]*Record
}

// A memoryFeed is a feed until it is flushed.
type memoryFeed struct {
	tag     string
	dropped int          // number of events before kept
	kept    []feed.Event // the oldest first
}

// A Record lists all events that a feed ever had, in order.
type Record struct {
	Events       []feed.Event
	Incarnations []int // of each event
	Incarnation  int   // the current one
	First        int   // number of the oldest event that is kept
	Positions    map[string]Place
}

// A Place is a place between the events of a feed.
type Place struct {
	Next        int // number of the event after it
	Incarnation int
}

// NewMemory returns an empty Memory that keeps a number of events per feed.
func NewMemory(keep int) *Memory {
	return &Memory{
		keep:     keep,
		feeds:    make(map[string]*memoryFeed),
		watchers: make(map[*func(string)]bool),
		records:  make(map[string]*Record),
	}
}

var errStopped = errors.New("feedtest: the store is stopped")

// find returns a feed, which it creates if necessary. The caller holds mu.
func (m *Memory) find(name string) (*memoryFeed, *Record) {
	record := m.records[name]
	if record == nil {
		record = NewRecord()
		m.records[name] = record
	}
	f := m.feeds[name]
	if f == nil {
		f = &memoryFeed{tag: rand.Text()[:12]}
		m.feeds[name] = f
		record.First = len(record.Events)
		record.Positions[f.id(0)] = Place{record.First, record.Incarnation}
	}
	return f, record
}

func (f *memoryFeed) id(n int) string { return fmt.Sprintf("%d-0.%s", n, f.tag) }

// Append implements feed.Store.
func (m *Memory) Append(ctx context.Context, name string, e feed.Event) (string, error) {
	id, err := m.append(ctx, name, e)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	watchers := slices.Collect(maps.Keys(m.watchers))
	m.mu.Unlock()
	for _, changed := range watchers {
		(*changed)(name)
	}
	return id, nil
}

func (m *Memory) append(ctx context.Context, name string, e feed.Event) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return "", err
	}
	f, record := m.find(name)
	known := slices.IndexFunc(f.kept, func(old feed.Event) bool { return e.Key != "" && old.Key == e.Key })
	if known >= 0 {
		return f.kept[known].ID, nil
	}
	f.kept = append(f.kept, e)
	e.ID = f.id(f.dropped + len(f.kept))
	f.kept[len(f.kept)-1] = e
	record.Add(e)
	if len(f.kept) > m.keep {
		f.kept = f.kept[1:]
		f.dropped++
		record.First++
	}
	return e.ID, nil
}

// NewRecord returns an empty Record.
func NewRecord() *Record { return &Record{Positions: make(map[string]Place)} }

// Add adds an event, under its id.
func (r *Record) Add(e feed.Event) {
	r.Events = append(r.Events, e)
	r.Incarnations = append(r.Incarnations, r.Incarnation)
	r.Positions[e.ID] = Place{len(r.Events), r.Incarnation}
}

// usable returns an error if a call must fail. The caller holds mu.
func (m *Memory) usable(ctx context.Context) error {
	if m.stopped {
		return errStopped
	}
	return ctx.Err()
}

// Read implements feed.Store.
func (m *Memory) Read(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	pages := make([]feed.Page, len(after))
	for i, position := range after {
		f, _ := m.find(position.Feed)
		pages[i] = f.page(position.After)
	}
	return pages, nil
}

func (f *memoryFeed) page(after string) feed.Page {
	last := f.dropped + len(f.kept)
	for n := f.dropped; n <= last; n++ {
		if f.id(n) == after {
			return feed.Page{Events: slices.Clone(f.kept[n-f.dropped:]), Next: f.id(last)}
		}
	}
	return feed.Page{Events: slices.Clone(f.kept), First: f.id(f.dropped), Next: f.id(last), Gap: after != ""}
}

// Watch implements feed.Store.
func (m *Memory) Watch(ctx context.Context, changed func(string)) error {
	m.mu.Lock()
	err := m.usable(ctx)
	m.watchers[&changed] = true
	m.mu.Unlock()
	if err == nil {
		changed("")
		<-ctx.Done()
		err = ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watchers, &changed)
	return err
}

// Flush loses all events and ids.
func (m *Memory) Flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.feeds)
	for _, r := range m.records {
		r.Incarnation++
		r.First = len(r.Events)
	}
}

// Stop makes all calls fail, and Start ends that.
func (m *Memory) Stop() { m.setStopped(true) }

// Start lets calls succeed again after Stop.
func (m *Memory) Start() { m.setStopped(false) }

func (m *Memory) setStopped(stopped bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = stopped
}

// Record returns a copy of the record of a feed.
func (m *Memory) Record(name string) Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, r := m.find(name)
	copied := *r
	copied.Events = slices.Clone(r.Events)
	copied.Incarnations = slices.Clone(r.Incarnations)
	copied.Positions = maps.Clone(r.Positions)
	return copied
}
