package feedtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// A Suite says how to test a [feed.Store].
type Suite struct {
	// Open returns a new client of the Store under test, like one in another
	// process. All clients share their data. Open must clean up with tb.Cleanup.
	Open func(tb testing.TB) feed.Store

	// Dropped is a number of events. If a feed has got that many after an event,
	// the Store must have dropped it. If zero, the test is skipped.
	Dropped int

	// Flush deletes all data. If nil, the test is skipped.
	Flush func(tb testing.TB)

	// Restart restarts the server without loss of data. If nil, the test is
	// skipped.
	Restart func(tb testing.TB)

	// Patience is how long the Store may need to announce an event. Zero means
	// 10 seconds.
	Patience time.Duration
}

// Run runs the tests of the suite as subtests. Their feeds differ.
func (s Suite) Run(t *testing.T) {
	if s.Patience == 0 {
		s.Patience = 10 * time.Second
	}
	for _, test := range []struct {
		name    string
		run     func(*storeTest)
		skipped bool
	}{
		{"EmptyFeedHasAPosition", (*storeTest).empty, false},
		{"EventsAreReadAsTheyWereAppended", (*storeTest).order, false},
		{"ReadReturnsPagesInTheOrderOfPositions", (*storeTest).several, false},
		{"EveryPositionContinues", (*storeTest).positions, false},
		{"MoreIsSetUntilAllIsRead", (*storeTest).more, false},
		{"UnknownPositionIsAGap", (*storeTest).unknown, false},
		{"DroppedPositionIsAGap", (*storeTest).dropped, s.Dropped == 0},
		{"EventsDroppedDuringReadAreAGap", (*storeTest).dropping, s.Dropped == 0},
		{"LostDataIsAGap", (*storeTest).flush, s.Flush == nil},
		{"KeyIsAppendedOnce", (*storeTest).key, false},
		{"KeyIsAppendedOnceByMany", (*storeTest).keyRace, false},
		{"AppendsInParallelAreAllKept", (*storeTest).parallel, false},
		{"ReturnedBeforeIsOrderedBefore", (*storeTest).returnedBefore, false},
		{"WatchAnnounces", (*storeTest).watch, false},
		{"WatchEndsWithItsContext", (*storeTest).watchEnds, false},
		{"DoneContextFails", (*storeTest).done, false},
		{"RestartLosesNothing", (*storeTest).restart, s.Restart == nil},
		{"RegistriesAgree", (*storeTest).registries, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.skipped {
				t.Skip("the suite does not say how")
			}
			test.run(&storeTest{T: t, suite: s, store: s.Open(t), feed: "feed of " + t.Name()})
		})
	}
}

// A storeTest is a test in progress.
type storeTest struct {
	*testing.T
	suite Suite
	store feed.Store
	feed  string
}

func (t *storeTest) append(s feed.Store, e feed.Event) string {
	t.Helper()
	id, err := s.Append(t.Context(), t.feed, e)
	if err != nil {
		t.Fatal(err)
	}
	if !feed.ValidID(id) || id == feed.Beginning {
		t.Fatalf("Append returned the invalid id %q", id)
	}
	return id
}

// fill appends n events and returns them with their ids.
func (t *storeTest) fill(n int) []feed.Event {
	t.Helper()
	events := make([]feed.Event, n)
	for i := range events {
		events[i] = feed.Event{Name: "n", Data: fmt.Sprint("event ", i)}
		events[i].ID = t.append(t.store, events[i])
	}
	return events
}

// read reads one page.
func (t *storeTest) read(s feed.Store, after string) feed.Page {
	t.Helper()
	pages, err := s.Read(t.Context(), []feed.Position{{Feed: t.feed, After: after}})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != 1 {
		t.Fatalf("Read returned %d pages for one position", len(pages))
	}
	page := pages[0]
	if !feed.ValidID(page.Next) || page.Next == feed.Beginning {
		t.Fatalf("Read returned the invalid position %q", page.Next)
	}
	if n := len(page.Events); n > 0 && page.Events[n-1].ID != page.Next {
		t.Fatalf("the position after the page is %q, want the id of its last event, %q", page.Next, page.Events[n-1].ID)
	} else if n == 0 && page.More {
		t.Fatal("a page without events has More")
	}
	return page
}

// readAll reads all events after a position, which must not be a gap.
func (t *storeTest) readAll(s feed.Store, after string) []feed.Event {
	t.Helper()
	var events []feed.Event
	for {
		page := t.read(s, after)
		if page.Gap {
			t.Fatalf("Read after %q returned a gap", after)
		}
		events = append(events, page.Events...)
		if after = page.Next; !page.More {
			return events
		}
	}
}

func (t *storeTest) equal(got, want []feed.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("read %d events, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("event %d is %.200v, want %.200v", i, got[i], want[i])
		}
	}
}

func (t *storeTest) empty() {
	page := t.read(t.store, "")
	if len(page.Events) > 0 {
		t.Fatalf("an empty feed has events: %v", page.Events)
	}
	other := t.read(t.suite.Open(t), "")
	if page.Next != other.Next {
		t.Errorf("an empty feed has the positions %q and %q", page.Next, other.Next)
	}
	again := t.read(t.store, page.Next)
	if again.Gap || again.Next != page.Next || len(again.Events) > 0 {
		t.Errorf("read after the position of the empty feed: %+v", again)
	}
	t.equal(t.fill(2), t.readAll(t.store, page.Next))
	t.first()
}

// first checks the position before the oldest event, which a store may not know.
func (t *storeTest) first() {
	t.Helper()
	for _, after := range []string{"", "unknown"} {
		page := t.read(t.store, after)
		if page.First == "" {
			continue
		}
		if !feed.ValidID(page.First) || page.First == feed.Beginning {
			t.Fatalf("Read returned the invalid position %q", page.First)
		}
		t.equal(t.readAll(t.store, page.First), append(page.Events, t.rest(page)...))
	}
}

func (t *storeTest) order() {
	want := []feed.Event{
		{Name: "name", Data: "data"},
		{},
		{Name: "ü\U0001F600", Data: "several\nlines\r\n\tand \x00 and \U0001F600"},
		{Data: strings.Repeat("long ", 200_000)},
		{Name: "with key", Key: "a key: \"ü\"\n"},
	}
	seen := make(map[string]bool)
	for i := range want {
		want[i].ID = t.append(t.store, want[i])
		if seen[want[i].ID] {
			t.Errorf("id %q was used before", want[i].ID)
		}
		seen[want[i].ID] = true
		t.equal(t.readAll(t.store, ""), want[:i+1])
	}
	t.equal(t.readAll(t.suite.Open(t), ""), want)
}

func (t *storeTest) several() {
	var want []feed.Event
	var positions []feed.Position
	for i := range 5 {
		name := fmt.Sprint(t.feed, i)
		id, err := t.store.Append(t.Context(), name, feed.Event{Data: name})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, feed.Event{ID: id, Data: name})
		positions = append(positions, feed.Position{Feed: name})
	}
	positions[3].After = want[3].ID
	pages, err := t.store.Read(t.Context(), positions)
	if err != nil || len(pages) != len(positions) {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for i, page := range pages {
		if i == 3 {
			t.equal(page.Events, nil)
		} else {
			t.equal(page.Events, want[i:i+1])
		}
	}
	for _, foreign := range []string{want[0].ID, want[4].ID} {
		positions[1].After = foreign
		if pages, err = t.store.Read(t.Context(), positions[1:2]); err != nil || !pages[0].Gap {
			t.Errorf("an id of another feed is a position: %+v, %v", pages, err)
		}
	}
	if pages, err = t.store.Read(t.Context(), nil); err != nil || len(pages) != 0 {
		t.Errorf("Read of no feeds: %v, %v", pages, err)
	}
}

func (t *storeTest) positions() {
	want := t.fill(20)
	for i, e := range want {
		t.equal(t.readAll(t.store, e.ID), want[i+1:])
	}
}

func (t *storeTest) more() {
	var want []feed.Event
	for i := range 300 {
		e := feed.Event{Data: fmt.Sprint(i, strings.Repeat(".", 10_000))}
		e.ID = t.append(t.store, e)
		want = append(want, e)
		if t.suite.Dropped > 0 && len(want) == t.suite.Dropped/2 {
			break
		}
	}
	t.equal(t.readAll(t.store, want[0].ID), want[1:])
}

func (t *storeTest) unknown() {
	want := t.fill(3)
	id := want[1].ID
	for _, after := range []string{"x", "0", "0-0", "99999999999999-0", id + "x", id[:len(id)-1], "x" + id, strings.Repeat("9", feed.MaxID)} {
		page := t.read(t.store, after)
		if !page.Gap {
			t.Errorf("%q is a position", after)
			continue
		}
		t.equal(append(page.Events, t.rest(page)...), want)
	}
}

// rest returns the events after a page.
func (t *storeTest) rest(page feed.Page) []feed.Event {
	if !page.More {
		return nil
	}
	return t.readAll(t.store, page.Next)
}

func (t *storeTest) dropped() {
	want := t.fill(t.suite.Dropped + 2) // the second too, so that the position after the first is lost
	page := t.read(t.store, want[0].ID)
	if !page.Gap {
		t.Fatalf("no gap, although the first of %d events should have been dropped", len(want))
	}
	kept := append(page.Events, t.rest(page)...)
	if len(kept) == 0 {
		t.Fatal("all events were dropped")
	}
	t.equal(kept, want[len(want)-len(kept):])
	t.first()
	t.equal(t.readAll(t.store, kept[0].ID), kept[1:])
}

// dropping reads after the oldest event while so many are appended that it is
// dropped.
func (t *storeTest) dropping() {
	appended := len(t.fill(t.suite.Dropped))
	store := t.suite.Open(t)
	for range 10 {
		oldest := t.read(t.store, "").Events[0]
		var writer sync.WaitGroup
		writer.Go(func() {
			for range max(t.suite.Dropped/10, 1) {
				if _, err := store.Append(t.Context(), t.feed, feed.Event{Data: fmt.Sprint("event ", appended)}); err != nil {
					t.Error(err)
				}
				appended++
			}
		})
		page := t.read(t.store, oldest.ID)
		writer.Wait()
		t.consecutive(oldest, page)
	}
}

// consecutive checks that no event is missing in a page after an event, unless there
// is a gap. The data of events are those of fill.
func (t *storeTest) consecutive(before feed.Event, page feed.Page) {
	t.Helper()
	number := func(e feed.Event) (n int) {
		if _, err := fmt.Sscanf(e.Data, "event %d", &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if page.Gap {
		before, page.Events = page.Events[0], page.Events[1:]
	}
	for _, e := range page.Events {
		if number(e) != number(before)+1 {
			t.Fatalf("%q comes after %q, without a gap", e.Data, before.Data)
		}
		before = e
	}
}

func (t *storeTest) flush() {
	empty := t.read(t.store, "").Next
	old := t.fill(3)
	t.suite.Flush(t)
	page := t.read(t.store, old[2].ID)
	if !page.Gap || len(page.Events) > 0 {
		t.Fatalf("after the flush: %+v", page)
	}
	want := t.fill(3)
	for _, id := range []string{empty, old[0].ID, old[1].ID, old[2].ID} {
		page := t.read(t.store, id)
		if !page.Gap {
			t.Errorf("position %q is still valid", id)
		}
		t.equal(append(page.Events, t.rest(page)...), want)
	}
	t.first()
	for i := range want {
		for _, e := range old {
			if want[i].ID == e.ID {
				t.Errorf("id %q was used again", e.ID)
			}
		}
	}
}

func (t *storeTest) key() {
	e := feed.Event{Data: "first", Key: "key"}
	e.ID = t.append(t.store, e)
	other := feed.Event{Data: "other", Key: "other key"}
	other.ID = t.append(t.store, other)
	for _, store := range []feed.Store{t.store, t.suite.Open(t)} {
		if id := t.append(store, feed.Event{Data: "second", Key: "key"}); id != e.ID {
			t.Errorf("the key has the ids %q and %q", e.ID, id)
		}
	}
	t.equal(t.readAll(t.store, ""), []feed.Event{e, other})
	id, err := t.store.Append(t.Context(), t.feed+"2", feed.Event{Key: "key"})
	if err != nil || id == e.ID {
		t.Errorf("the key in another feed: %q, %v", id, err)
	}
}

func (t *storeTest) keyRace() {
	stores := []feed.Store{t.store, t.suite.Open(t)}
	for round := range 10 {
		var ids [8]string
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				id, err := stores[i%2].Append(t.Context(), t.feed, feed.Event{Data: fmt.Sprint(i), Key: fmt.Sprint("key ", round)})
				if err != nil {
					t.Error(err)
				}
				ids[i] = id
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("one key has the ids %q", ids)
				break
			}
		}
	}
	if n := len(t.readAll(t.store, "")); n != 10 {
		t.Errorf("10 keys have %d events", n)
	}
}

func (t *storeTest) parallel() {
	const writers, each = 4, 20
	var wg sync.WaitGroup
	for w := range writers {
		store := t.suite.Open(t)
		wg.Go(func() {
			for i := range each {
				if _, err := store.Append(t.Context(), t.feed, feed.Event{Name: fmt.Sprint(w), Data: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make(map[string]int)
	after := t.read(t.store, "").Next // the first events may be there already
	for _, e := range t.readAll(t.store, "") {
		next[e.Name]++
		after = e.ID
	}
	for total, deadline := 0, time.Now().Add(t.suite.Patience); total < writers*each && time.Now().Before(deadline); {
		for _, e := range t.readAll(t.store, after) {
			if e.Data != fmt.Sprint(next[e.Name]) {
				t.Fatalf("event %s of writer %s came, want %d", e.Data, e.Name, next[e.Name])
			}
			next[e.Name]++
			after = e.ID
		}
		total = 0
		for _, n := range next {
			total += n
		}
	}
	wg.Wait()
	for w := range writers {
		if n := next[fmt.Sprint(w)]; n != each {
			t.Errorf("read %d events of writer %d, want %d", n, w, each)
		}
	}
}

func (t *storeTest) returnedBefore() {
	stores := []feed.Store{t.store, t.suite.Open(t)}
	var want []feed.Event
	for i := range 40 {
		e := feed.Event{Data: fmt.Sprint(i)}
		e.ID = t.append(stores[i%2], e)
		want = append(want, e)
		t.equal(t.readAll(stores[(i+1)%2], ""), want)
	}
}

func (t *storeTest) watch() {
	rings := make(chan string, 1000)
	watcher := t.suite.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		result <- watcher.Watch(ctx, func(name string) {
			select {
			case rings <- name:
			default:
			}
		})
	}()
	t.await(rings, "")
	for _, store := range []feed.Store{t.store, watcher, t.suite.Open(t)} {
		t.append(store, feed.Event{})
		t.await(rings, t.feed)
	}
	cancel()
	select {
	case <-result:
	case <-time.After(t.suite.Patience):
		t.Error("Watch did not return")
	}
}

// await waits for a ring.
func (t *storeTest) await(rings <-chan string, name string) {
	t.Helper()
	deadline := time.After(t.suite.Patience)
	for {
		select {
		case got := <-rings:
			if got == name {
				return
			}
		case <-deadline:
			t.Fatalf("nothing announced %q", name)
		}
	}
}

func (t *storeTest) watchEnds() {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result := make(chan error, 1)
	go func() { result <- t.store.Watch(ctx, func(string) {}) }()
	select {
	case <-result:
	case <-time.After(t.suite.Patience):
		t.Error("Watch did not return, although its context was done")
	}
}

func (t *storeTest) done() {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if id, err := t.store.Append(ctx, t.feed, feed.Event{}); err == nil {
		t.Errorf("Append returned %q, although its context was done", id)
	}
	if _, err := t.store.Read(ctx, []feed.Position{{Feed: t.feed}}); err == nil {
		t.Error("Read returned no error, although its context was done")
	}
}

func (t *storeTest) restart() {
	want := t.fill(3)
	empty := t.feed + " that is empty"
	before, err := t.store.Read(t.Context(), []feed.Position{{Feed: empty}})
	if err != nil {
		t.Fatal(err)
	}
	t.suite.Restart(t)
	store := t.suite.Open(t)
	t.equal(t.readAll(store, ""), want)
	t.equal(t.readAll(store, want[0].ID), want[1:])
	e := feed.Event{Data: "after the restart"}
	e.ID = t.append(store, e)
	t.equal(t.readAll(store, want[2].ID), []feed.Event{e})
	after, err := store.Read(t.Context(), []feed.Position{{Feed: empty, After: before[0].Next}})
	if err != nil || after[0].Gap {
		t.Errorf("the position of an empty feed after the restart: %+v, %v", after, err)
	}
}

// registry returns a Registry on a Store of its own.
func (t *storeTest) registry() *feed.Registry {
	return feed.NewRegistry(feed.Config{
		Limits:   feed.Limits{Events: 1000, Bytes: 1 << 20, Age: time.Hour},
		Store:    t.suite.Open(t),
		Interval: t.suite.Patience / 2,
		Timeout:  t.suite.Patience / 4,
	})
}

// registries has followers in two processes, which get the same events.
func (t *storeTest) registries() {
	ctx, cancel := context.WithTimeout(t.Context(), t.suite.Patience)
	defer cancel()
	var followers []*feed.Follower
	var registries []*feed.Registry
	for range 2 {
		r := t.registry()
		defer r.Close()
		f, err := r.Follow(t.feed, "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if step, err := f.Wait(ctx); err != nil || step.Gap || step.Position == "" {
			t.Fatalf("first step: %+v, %v", step, err)
		}
		registries, followers = append(registries, r), append(followers, f)
	}
	var want []feed.Event
	for i := range 20 {
		e := feed.Event{Data: fmt.Sprint(i)}
		id, err := registries[i%2].Publish(ctx, t.feed, e)
		if err != nil {
			t.Fatal(err)
		}
		e.ID = id
		want = append(want, e)
	}
	for _, f := range followers {
		var got []feed.Event
		for len(got) < len(want) {
			step, err := f.Wait(ctx)
			if err != nil || step.Gap {
				t.Fatalf("%+v, %v", step, err)
			}
			for _, entry := range step.Events {
				got = append(got, entry.Event)
			}
		}
		t.equal(got, want)
	}
}
