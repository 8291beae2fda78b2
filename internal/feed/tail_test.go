package feed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A fakeStore passes calls on to a Memory, unless a function replaces them. It
// counts the calls of Read.
type fakeStore struct {
	*feedtest.Memory
	reads atomic.Int64

	mu     sync.Mutex // needed to change the functions once the store is used
	append func(context.Context, string, feed.Event) (string, error)
	read   func(context.Context, []feed.Position) ([]feed.Page, error)
	watch  func(context.Context, func(string)) error
}

// change calls f, which changes the functions.
func (s *fakeStore) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *fakeStore) Append(ctx context.Context, name string, e feed.Event) (string, error) {
	call := s.Memory.Append
	s.change(func() {
		if s.append != nil {
			call = s.append
		}
	})
	return call(ctx, name, e)
}

func (s *fakeStore) Read(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
	s.reads.Add(1)
	call := s.Memory.Read
	s.change(func() {
		if s.read != nil {
			call = s.read
		}
	})
	return call(ctx, after)
}

func (s *fakeStore) Watch(ctx context.Context, changed func(string)) error {
	call := s.Memory.Watch
	s.change(func() {
		if s.watch != nil {
			call = s.watch
		}
	})
	return call(ctx, changed)
}

func newFakeStore() *fakeStore { return &fakeStore{Memory: feedtest.NewMemory(100)} }

func storeConfig(store feed.Store) feed.Config {
	return feed.Config{
		Limits:   feed.Limits{Events: 100, Bytes: 1 << 20, Age: time.Hour},
		Store:    store,
		Interval: interval,
		Timeout:  timeout,
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// newStoreRegistry returns a Registry that is closed at the end of the test.
func newStoreRegistry(t *testing.T, config feed.Config) *feed.Registry {
	r := feed.NewRegistry(config)
	t.Cleanup(r.Close)
	return r
}

func follow(t *testing.T, r *feed.Registry, key, after string) *feed.Follower {
	t.Helper()
	f, err := r.Follow(key, after)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// steps returns all steps that a follower can take now, as a string.
func steps(t *testing.T, f *feed.Follower) string {
	t.Helper()
	var b strings.Builder
	for {
		step, _, err := f.Next()
		if err == nil && step.Empty() {
			synctest.Wait()
			step, _, err = f.Next()
		}
		if err != nil {
			fmt.Fprintf(&b, "error: %v;", err)
			return b.String()
		}
		if step.Empty() {
			return b.String()
		}
		if step.Gap {
			b.WriteString("gap;")
		}
		if step.Position != "" {
			b.WriteString("position;")
		}
		if step.Snapshot != nil {
			fmt.Fprintf(&b, "snapshot %s;", step.Snapshot.Data)
		}
		for _, e := range step.Events {
			fmt.Fprintf(&b, "%s;", e.Data)
		}
	}
}

func wantSteps(t *testing.T, f *feed.Follower, want string) {
	t.Helper()
	if got := steps(t, f); got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
}

func publish(t *testing.T, r *feed.Registry, key, data string) string {
	t.Helper()
	id, err := r.Publish(t.Context(), key, feed.Event{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// bubble runs a test on the fake clock.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, f)
}

func TestEventsReachFollowersInEveryProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		a, b := newStoreRegistry(t, storeConfig(store)), newStoreRegistry(t, storeConfig(store))
		first := publish(t, a, "k", "1")
		fa, fb, resumed := follow(t, a, "k", ""), follow(t, b, "k", ""), follow(t, b, "k", first)
		wantSteps(t, fa, "position;")
		wantSteps(t, fb, "position;")
		second := publish(t, a, "k", "2")
		third := publish(t, b, "k", "3")
		for _, f := range []*feed.Follower{fa, fb} {
			wantSteps(t, f, "2;3;")
		}
		wantSteps(t, resumed, "position;2;3;")
		wantSteps(t, follow(t, a, "k", second), "position;3;")
		wantSteps(t, follow(t, a, "k", third), "position;")
	})
}

func TestIdThatOnlyTheStoreHasIsLookedForOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		store.watch = deaf
		r := newStoreRegistry(t, storeConfig(store))
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		id, err := store.Memory.Append(t.Context(), "k", feed.Event{Data: "elsewhere"})
		if err != nil {
			t.Fatal(err)
		}
		wantSteps(t, f, "")
		wantSteps(t, follow(t, r, "k", id), "position;")
		wantSteps(t, f, "elsewhere;")
		before := store.reads.Load()
		wantSteps(t, follow(t, r, "k", "unknown"), "gap;position;")
		if n := store.reads.Load() - before; n != 1 {
			t.Errorf("%d reads for an unknown id, want 1", n)
		}
		wantSteps(t, follow(t, r, "k", "not\nvalid"), "gap;position;")
		wantSteps(t, follow(t, r, "k", strings.Repeat("x", 1<<20)), "gap;position;")
		if n := store.reads.Load() - before; n != 1 {
			t.Errorf("%d reads after malformed ids, want 1", n)
		}
	})
}

// TestReadThatBeganEarlierIsNoAnswer has a follower come while the store is
// being read, with the id of an event that this read does not return.
func TestReadThatBeganEarlierIsNoAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, release := newFakeStore(), make(chan struct{})
		store.watch = deaf
		store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
			pages, err := store.Memory.Read(ctx, after)
			<-release
			return pages, err
		}
		r := newStoreRegistry(t, storeConfig(store))
		first := follow(t, r, "k", "")
		wantSteps(t, first, "")
		id, err := store.Memory.Append(t.Context(), "k", feed.Event{Data: "1"})
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t, r, "k", id)
		wantSteps(t, f, "")
		release <- struct{}{}
		wantSteps(t, f, "")
		wantSteps(t, first, "position;")
		release <- struct{}{}
		wantSteps(t, f, "position;")
		wantSteps(t, first, "1;")
	})
}

// deaf is a Watch that announces nothing.
func deaf(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestOwnEventsNeedNoRing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		store.watch = deaf
		r := newStoreRegistry(t, storeConfig(store))
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		publish(t, r, "k", "1")
		wantSteps(t, f, "1;")
		// The event is there, although Publish failed.
		store.change(func() {
			store.append = func(ctx context.Context, name string, e feed.Event) (string, error) {
				if _, err := store.Memory.Append(ctx, name, e); err != nil {
					t.Error(err)
				}
				return "", errors.New("connection lost")
			}
		})
		for e, want := range map[feed.Event]string{
			{Data: "2"}:           "http: feed: the event may have been added or not; without a Key, publishing it again may add it twice: connection lost",
			{Data: "3", Key: "k"}: "http: feed: the event may have been added or not; to add it once, publish it again with the same Key: connection lost",
		} {
			if _, err := r.Publish(t.Context(), "k", e); err == nil || err.Error() != want {
				t.Errorf("Publish returned %v, want %v", err, want)
			}
			wantSteps(t, f, e.Data+";")
		}
	})
}

func TestPublishWithAContextThatIsDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		store.append = func(context.Context, string, feed.Event) (string, error) {
			t.Error("Append is called")
			return "", nil
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the client left")
		cancel(cause)
		_, err := newStoreRegistry(t, storeConfig(store)).Publish(ctx, "k", feed.Event{Data: "1"})
		if !errors.Is(err, cause) || err.Error() != "http: feed: the event was not added: the client left" {
			t.Error(err)
		}
	})
}

// TestEventsThatAStoreReturnsAgainAreNotSentAgain has a store that begins its pages
// too early.
func TestEventsThatAStoreReturnsAgainAreNotSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, log := newFakeStore(), new(testkit.Log)
		config := storeConfig(store)
		config.Logger = log.JSON()
		r := newStoreRegistry(t, config)
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		publish(t, r, "k", "1")
		publish(t, r, "k", "2")
		wantSteps(t, f, "1;2;")
		overlap := 1
		store.change(func() {
			store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
				pages, err := store.Memory.Read(ctx, after)
				all := store.Record("k").Events
				first := max(len(all)-len(pages[0].Events)-overlap, 0)
				pages[0].Events = all[first:]
				return pages, err
			}
		})
		publish(t, r, "k", "3")
		wantSteps(t, f, "")
		store.change(func() { overlap = 2 })
		time.Sleep(interval)
		wantSteps(t, f, "")
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "twice") {
			t.Errorf("log records:\n%s", log)
		}
		store.change(func() { store.read = nil })
		time.Sleep(interval)
		wantSteps(t, f, "3;")
	})
}

// TestArrivalIsNotMissed has followers arrive while the store is being read for
// them.
func TestArrivalIsNotMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newStoreRegistry(t, storeConfig(newFakeStore()))
		for i := range 5000 {
			f, err := r.Follow(fmt.Sprint(i), []string{"", "unknown"}[i%2])
			if err != nil {
				t.Fatal(err)
			}
			spin(t, f)
			f.Close()
		}
	})
}

func TestInvalidIDOfAppendIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		r := newStoreRegistry(t, storeConfig(store))
		for _, bad := range []string{"", "a\nb", feed.Beginning, strings.Repeat("x", 65)} {
			store.change(func() {
				store.append = func(context.Context, string, feed.Event) (string, error) { return bad, nil }
			})
			if id, err := r.Publish(t.Context(), "k", feed.Event{}); err == nil || id != "" || !strings.Contains(err.Error(), "invalid id") {
				t.Errorf("Publish returned %q, %v", id, err)
			}
		}
	})
}

// TestPositionOfAnEmptyFeedIsNext has a store that returns no First.
func TestPositionOfAnEmptyFeedIsNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		store.read = func(context.Context, []feed.Position) ([]feed.Page, error) {
			return []feed.Page{{Next: "empty"}}, nil
		}
		r := newStoreRegistry(t, storeConfig(store))
		step, err := follow(t, r, "k", "").Wait(t.Context())
		if err != nil || step.Position != "empty" {
			t.Errorf("%+v, %v", step, err)
		}
	})
}

func TestWaitReturnsTheCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := follow(t, newStoreRegistry(t, storeConfig(newFakeStore())), "k", "")
		wantSteps(t, f, "position;")
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if step, err := f.Wait(ctx); err != cause || !step.Empty() {
			t.Errorf("%+v, %v", step, err)
		}
	})
}

func TestReturnOfWatchIsARing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, missed := newFakeStore(), make(chan error)
		store.watch = func(ctx context.Context, _ func(string)) error {
			select {
			case err := <-missed:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		f := follow(t, newStoreRegistry(t, storeConfig(store)), "k", "")
		wantSteps(t, f, "position;")
		for i, err := range []error{nil, errors.New("connection lost"), nil} {
			if _, err := store.Memory.Append(t.Context(), "k", feed.Event{Data: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			wantSteps(t, f, "")
			missed <- err
			wantSteps(t, f, fmt.Sprint(i, ";"))
			time.Sleep(interval / 4) // until Watch is called again
		}
	})
}

func TestWatchThatFailsAgainAndAgainIsLoggedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, log := newFakeStore(), new(testkit.Log)
		store.watch = func(_ context.Context, changed func(string)) error {
			changed("")
			time.Sleep(interval / 2)
			return errors.New("connection lost")
		}
		config := storeConfig(store)
		config.Logger = log.JSON()
		r := newStoreRegistry(t, config)
		wantSteps(t, follow(t, r, "k", ""), "position;")
		time.Sleep(100 * interval)
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "connection lost") {
			t.Errorf("log records:\n%s", log)
		}
		store.change(func() { store.watch = nil })
		time.Sleep(2 * interval)
		if lines := log.Lines(); len(lines) != 2 || !strings.Contains(lines[1], "works again") {
			t.Errorf("log records:\n%s", log)
		}
	})
}

// wantHealth checks how many failures of the Store and how many recoveries are logged.
func wantHealth(t *testing.T, log *testkit.Log, failed, worked int) {
	t.Helper()
	text := log.String()
	if f, w := strings.Count(text, "feed store failed"), strings.Count(text, "works again"); f != failed || w != worked {
		t.Errorf("%d failures and %d recoveries are logged, want %d and %d:\n%s", f, w, failed, worked, text)
	}
}

func TestStoreThatFailsNowAndThenIsLoggedOnceInAWhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, log := newFakeStore(), new(testkit.Log)
		store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
			if store.reads.Load()%2 == 0 {
				return nil, errors.New("connection lost")
			}
			return store.Memory.Read(ctx, after)
		}
		config := storeConfig(store)
		config.Logger = log.JSON()
		r := newStoreRegistry(t, config)
		wantSteps(t, follow(t, r, "k", ""), "position;")
		for i := range 180 {
			publish(t, r, "k", strconv.Itoa(i))
			time.Sleep(100 * time.Millisecond)
			if i == 80 {
				wantHealth(t, log, 1, 1)
			}
		}
		wantHealth(t, log, 2, 2)
		store.change(func() { store.read = nil })
		time.Sleep(2 * interval)
		wantHealth(t, log, 2, 2)
	})
}

func TestOutageWithFollowersThatComeAndGoIsLoggedOnceInAWhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, log := newFakeStore(), new(testkit.Log)
		config := storeConfig(store)
		config.Logger = log.JSON()
		r := newStoreRegistry(t, config)
		store.Stop()
		for range 20 {
			f := follow(t, r, "k", "")
			time.Sleep(100 * time.Millisecond)
			f.Close()
			synctest.Wait() // until the feed is forgotten
		}
		wantHealth(t, log, 1, 0)

		// The failure that has not been logged is logged later, if it lasts.
		f := follow(t, r, "k", "")
		time.Sleep(5 * time.Second)
		wantHealth(t, log, 1, 0)
		time.Sleep(2 * interval)
		wantHealth(t, log, 2, 0)
		store.Start()
		time.Sleep(2 * interval)
		wantHealth(t, log, 2, 1)
		wantSteps(t, f, "position;")
	})
}

func TestFollowersStayDuringAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, log := newFakeStore(), new(testkit.Log)
		config := storeConfig(store)
		config.Logger = log.JSON()
		config.Start.History = true
		r := newStoreRegistry(t, config)
		publish(t, r, "k", "1")
		old := follow(t, r, "k", "")
		wantSteps(t, old, "position;1;")

		store.Stop()
		store.change(func() {
			store.watch = func(context.Context, func(string)) error { return errors.New("no connection") }
		})
		if _, err := r.Publish(t.Context(), "k", feed.Event{}); err == nil {
			t.Error("Publish succeeded during the outage")
		}
		came, other, unknown := follow(t, r, "k", ""), follow(t, r, "other", ""), follow(t, r, "k", "unknown")
		time.Sleep(100 * interval)
		wantSteps(t, old, "")
		wantSteps(t, came, "position;1;")
		wantSteps(t, other, "")
		wantSteps(t, unknown, "")
		if n := len(log.Lines()); n != 1 {
			t.Errorf("%d log records during the outage, want 1:\n%s", n, log)
		}

		store.change(func() { store.watch = nil })
		store.Start()
		if _, err := store.Memory.Append(t.Context(), "k", feed.Event{Data: "2"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(interval)
		wantSteps(t, old, "2;")
		wantSteps(t, came, "2;")
		wantSteps(t, other, "position;")
		wantSteps(t, unknown, "gap;position;1;2;")
		time.Sleep(interval)
		if lines := log.Lines(); len(lines) != 2 || !strings.Contains(lines[1], "works again") {
			t.Errorf("log records:\n%s", log)
		}
	})
}

func TestFlushIsAGapForEveryFollower(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		r := newStoreRegistry(t, storeConfig(store))
		id := publish(t, r, "k", "1")
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		store.Flush()
		publish(t, r, "k", "2")
		wantSteps(t, f, "gap;position;")
		publish(t, r, "k", "3")
		wantSteps(t, f, "3;")
		wantSteps(t, follow(t, r, "k", id), "gap;position;")
	})
}

// TestEveryFeedIsReadOnceAnInterval follows many feeds that nothing announces.
func TestEveryFeedIsReadOnceAnInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		store.watch = deaf
		last := make(map[string]time.Time)
		store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
			for _, p := range after {
				if before, ok := last[p.Feed]; ok && time.Since(before) > interval {
					t.Errorf("feed %s was read after %v", p.Feed, time.Since(before))
				}
				last[p.Feed] = time.Now()
			}
			return store.Memory.Read(ctx, after)
		}
		r := newStoreRegistry(t, storeConfig(store))
		const feeds, intervals = 1000, 20
		var followers []*feed.Follower
		for i := range feeds {
			followers = append(followers, follow(t, r, fmt.Sprint(i), ""))
			time.Sleep(17 * time.Millisecond)
		}
		synctest.Wait()
		before := store.reads.Load()
		time.Sleep(intervals * interval)
		synctest.Wait()
		if n := store.reads.Load() - before; n > intervals*2*(feeds/256+1) {
			t.Errorf("%d reads in %d intervals", n, intervals)
		}
		for _, f := range followers {
			wantSteps(t, f, "position;")
		}
	})
}

// TestStoreThatNeverReturnsBlocksNobody hangs every call until the end.
func TestStoreThatNeverReturnsBlocksNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, release := newFakeStore(), make(chan struct{})
		defer close(release)
		r := newStoreRegistry(t, storeConfig(store))
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		store.change(func() {
			store.read = func(context.Context, []feed.Position) ([]feed.Page, error) { <-release; return nil, nil }
			store.append = func(context.Context, string, feed.Event) (string, error) { <-release; return "", nil }
			store.watch = func(context.Context, func(string)) error { <-release; return nil }
		})

		began := time.Now()
		if _, err := r.Publish(t.Context(), "k", feed.Event{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != timeout {
			t.Errorf("Publish returned %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		left := errors.New("the caller left")
		cancel(left)
		if _, err := r.Publish(ctx, "k", feed.Event{}); !errors.Is(err, left) {
			t.Errorf("Publish returned %v", err)
		}
		time.Sleep(100 * interval)
		wantSteps(t, f, "")
		if n := r.Abandoned(); n > 103 {
			t.Errorf("%d calls hang, although nobody published", n)
		}
		for range 2000 {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := r.Publish(ctx, "k", feed.Event{}); err == nil {
				t.Fatal("Publish succeeded")
			}
		}
		if n := r.Abandoned(); n > 1103 {
			t.Errorf("%d calls hang", n)
		}
		f.Close()
		follow(t, r, "k", "")
		began = time.Now()
		r.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestPanicInAStoreIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, log := newFakeStore(), new(testkit.Log)
		store.append = func(context.Context, string, feed.Event) (string, error) { panic("append") }
		store.read = func(context.Context, []feed.Position) ([]feed.Page, error) { panic("read") }
		store.watch = func(context.Context, func(string)) error { runtime.Goexit(); return nil }
		config := storeConfig(store)
		config.Logger = log.JSON()
		r := newStoreRegistry(t, config)
		f := follow(t, r, "k", "")
		var panicked *feed.PanicError
		if _, err := r.Publish(t.Context(), "k", feed.Event{}); !errors.As(err, &panicked) || panicked.Value != "append" || len(panicked.Stack) == 0 {
			t.Errorf("Publish returned %v", err)
		}
		time.Sleep(interval)
		wantSteps(t, f, "")
	})
}

// TestOneBadFeedDoesNotStopOthers has a feed that cannot be read.
func TestOneBadFeedDoesNotStopOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, bad := range []struct {
			page feed.Page
			err  error
		}{
			{err: errors.New("WRONGTYPE")},
			{page: feed.Page{Events: []feed.Event{{ID: "id\n"}}, Next: "id"}},
			{page: feed.Page{Events: []feed.Event{{ID: feed.Beginning}}, Next: feed.Beginning}},
			{page: feed.Page{Next: ""}},
			{page: feed.Page{Next: "id", More: true}},
			{page: feed.Page{Events: []feed.Event{{ID: "1"}, {ID: "2"}}, Next: "1"}},
			{page: feed.Page{Events: []feed.Event{{ID: "1"}, {ID: "2"}, {ID: "1"}}, Next: "1"}},
			{page: feed.Page{Next: "1", First: "first\n"}},
		} {
			store, log := newFakeStore(), new(testkit.Log)
			store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
				pages, err := store.Memory.Read(ctx, after)
				for i, p := range after {
					if p.Feed == "bad" {
						pages[i] = bad.page
						err = bad.err
					}
				}
				return pages, err
			}
			config := storeConfig(store)
			config.Logger = log.JSON()
			r := newStoreRegistry(t, config)
			broken, good := follow(t, r, "bad", ""), follow(t, r, "good", "")
			time.Sleep(interval)
			wantSteps(t, good, "position;")
			for i := range 5 {
				publish(t, r, "good", fmt.Sprint(i))
				wantSteps(t, good, fmt.Sprint(i, ";"))
			}
			wantSteps(t, broken, "")
			if n := len(log.Lines()); n != 1 {
				t.Errorf("%d log records, want 1:\n%s", n, log)
			}
			r.Close()
		}
	})
}

// failsFor makes each Read fail that reads a feed for which bad returns true.
func (s *fakeStore) failsFor(bad func(name string) bool) {
	s.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
		time.Sleep(time.Millisecond)
		for _, p := range after {
			if bad(p.Feed) {
				return nil, errors.New("WRONGTYPE")
			}
		}
		return s.Memory.Read(ctx, after)
	}
}

// TestBadFeedIsFoundAmongFeedsWhileOthersAreRead has feeds whose first read fails
// because it also reads a bad feed, and another feed that is read all the time.
func TestBadFeedIsFoundAmongFeedsWhileOthersAreRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		store.failsFor(func(name string) bool { return name == "bad" })
		r := newStoreRegistry(t, storeConfig(store))
		follow(t, r, "busy", "")
		synctest.Wait() // until it is read
		var together []*feed.Follower
		for i := range 8 {
			if i == 4 {
				follow(t, r, "bad", "")
			}
			together = append(together, follow(t, r, fmt.Sprint(i), ""))
		}
		for range 1000 {
			publish(t, r, "busy", "")
			time.Sleep(interval / 1000)
		}
		for i, f := range together {
			if got := steps(t, f); got != "position;" {
				t.Errorf("feed %d has the steps %q after an interval", i, got)
			}
		}
		r.Close()
		time.Sleep(time.Second) // for the read that goes on
	})
}

// TestFailuresOfOthersDoNotDelayARetry has a feed that fails once, while more and
// more bad feeds are followed.
func TestFailuresOfOthersDoNotDelayARetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		var once atomic.Bool
		store.failsFor(func(name string) bool { return name != "good" || once.Swap(false) })
		r := newStoreRegistry(t, storeConfig(store))
		good := follow(t, r, "good", "")
		wantSteps(t, good, "")
		time.Sleep(time.Second)
		wantSteps(t, good, "position;")
		const longest = interval / 4 // pause
		for i := range 400 {
			if i == 200 {
				once.Store(true)
				publish(t, r, "good", "event")
			}
			bad := follow(t, r, fmt.Sprint(i), "")
			time.Sleep(longest / 50)
			bad.Close()
		}
		wantSteps(t, good, "event;")
		r.Close()
		time.Sleep(time.Second) // for the read that goes on
	})
}

// TestFeedThatWasLeftIsNotRead has followers leave feeds before they are read, and a
// feed that could not be read.
func TestFeedThatWasLeftIsNotRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store, log, release := newFakeStore(), new(testkit.Log), make(chan struct{})
		store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
			<-release
			for _, p := range after {
				switch p.Feed {
				case "left":
					t.Error("read, although nobody follows it")
				case "bad":
					return nil, errors.New("WRONGTYPE")
				}
			}
			return store.Memory.Read(ctx, after)
		}
		config := storeConfig(store)
		config.Logger = log.JSON()
		r := newStoreRegistry(t, config)
		bad := follow(t, r, "bad", "")
		synctest.Wait() // until it is read
		left, good := follow(t, r, "left", ""), follow(t, r, "good", "")
		left.Close()
		close(release)
		wantSteps(t, good, "position;")
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "WRONGTYPE") {
			t.Errorf("log records:\n%s", log)
		}
		bad.Close()
		time.Sleep(interval)
		if lines := log.Lines(); len(lines) != 2 || !strings.Contains(lines[1], "works again") {
			t.Errorf("log records after the feed was left:\n%s", log)
		}
	})
}

func TestPrefixPrecedesTheKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		config := storeConfig(store)
		config.Prefix = "room:"
		r := newStoreRegistry(t, config)
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		publish(t, r, "k", "1")
		wantSteps(t, f, "1;")
		if n := len(store.Record("room:k").Events); n != 1 {
			t.Errorf("%d events in the feed room:k of the store", n)
		}
	})
}

func TestWrongNumberOfPagesIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, wrong := range [][]feed.Page{nil, {{Next: "1"}, {Next: "2"}}} {
			store, log := newFakeStore(), new(testkit.Log)
			store.read = func(context.Context, []feed.Position) ([]feed.Page, error) { return wrong, nil }
			config := storeConfig(store)
			config.Logger = log.JSON()
			r := newStoreRegistry(t, config)
			f := follow(t, r, "k", "")
			wantSteps(t, f, "")
			if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "wrong number of pages") {
				t.Errorf("log records:\n%s", log)
			}
			store.change(func() { store.read = nil })
			time.Sleep(interval / 4)
			wantSteps(t, f, "position;")
		}
	})
}

// TestFailedReadsArePaused rings for a feed that cannot be read a thousand times
// an interval, and for another one that can.
func TestFailedReadsArePaused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		var broken atomic.Bool
		var reads atomic.Int64
		broken.Store(true)
		store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
			time.Sleep(time.Millisecond)
			for _, p := range after {
				if p.Feed == "bad" {
					reads.Add(1)
					if broken.Load() {
						return nil, errors.New("WRONGTYPE")
					}
				}
			}
			return store.Memory.Read(ctx, after)
		}
		r := newStoreRegistry(t, storeConfig(store))
		bad, good := follow(t, r, "bad", ""), follow(t, r, "good", "")
		const intervals = 5
		for i := range 1000 * intervals {
			publish(t, r, "bad", "")
			publish(t, r, "good", fmt.Sprint(i))
			time.Sleep(interval / 1000)
			if i > 100 {
				if step, _, err := good.Next(); err != nil || step.Empty() || step.Gap {
					t.Fatalf("event %d: %+v, %v", i, step, err)
				}
			}
			good.Next()
		}
		if n := reads.Load(); n > 20*intervals {
			t.Errorf("%d reads in %d intervals", n, intervals)
		}
		broken.Store(false)
		time.Sleep(interval / 4)
		wantSteps(t, bad, "position;")
		broken.Store(true)
		publish(t, r, "bad", "1")
		time.Sleep(2 * time.Millisecond)
		broken.Store(false)
		time.Sleep(60 * time.Millisecond) // the first pause is short
		wantSteps(t, bad, "1;")
		r.Close()
		time.Sleep(time.Second) // for the read that goes on
	})
}

// TestBusyFeedDoesNotStarveOthers has a feed that always needs to be read again.
func TestBusyFeedDoesNotStarveOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		ring := make(chan func(string), 1)
		store.watch = func(ctx context.Context, changed func(string)) error {
			ring <- changed
			return deaf(ctx, changed)
		}
		var busy atomic.Pointer[func(string)]
		var fail atomic.Bool
		store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
			time.Sleep(time.Millisecond)
			pages, err := store.Memory.Read(ctx, after)
			for i, p := range after {
				if changed := busy.Load(); p.Feed == "busy" && changed != nil {
					(*changed)("busy")
				}
				if p.Feed == "other" && fail.Swap(false) {
					pages[i] = feed.Page{} // invalid
				}
			}
			return pages, err
		}
		r := newStoreRegistry(t, storeConfig(store))
		other := follow(t, r, "other", "")
		wantSteps(t, other, "")
		time.Sleep(time.Second)
		wantSteps(t, other, "position;")
		changed := <-ring
		busy.Store(&changed)
		follow(t, r, "busy", "")
		for i := range 20 {
			fail.Store(i%2 == 0)
			publish(t, r, "other", fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond)
			if step, _, err := other.Next(); err != nil || len(step.Events) != 1 {
				t.Errorf("event %d: %+v, %v", i, step, err)
			}
			other.Next()
		}
		// Nothing announces this one.
		if _, err := store.Memory.Append(t.Context(), "other", feed.Event{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(interval + 2*time.Millisecond)
		if step, _, err := other.Next(); err != nil || len(step.Events) != 1 {
			t.Errorf("after an interval: %+v, %v", step, err)
		}
		r.Close()
		time.Sleep(time.Second) // for the read that goes on
	})
}

func TestEventsOfOtherProgramsAreMadeValid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		invalid := feed.Event{ID: "1", Name: "a\nb\x00\xff", Data: "d\xff", Gap: true}
		kept := []feed.Event{invalid}
		store.read = func(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
			if after[0].After != "" {
				return []feed.Page{{Next: "1"}}, nil
			}
			return []feed.Page{{Events: kept, Next: "1"}}, nil
		}
		config := storeConfig(store)
		config.Start.History = true
		f := follow(t, newStoreRegistry(t, config), "k", "")
		f.Next()
		synctest.Wait()
		f.Next()
		step, _, err := f.Next()
		if err != nil || len(step.Events) != 1 {
			t.Fatalf("%+v, %v", step, err)
		}
		if e := step.Events[0].Event; e != (feed.Event{ID: "1", Name: "a b \uFFFD", Data: "d\uFFFD"}) {
			t.Errorf("%+v", e)
		}
		if kept[0] != invalid {
			t.Errorf("the event that the store keeps was changed to %+v", kept[0])
		}
	})
}

// TestNobodyFollowedNothingRuns counts goroutines on the real clock, since they
// must end without the registry being closed.
func TestNobodyFollowedNothingRuns(t *testing.T) {
	testkit.CheckLeaks(t)
	store := newFakeStore()
	config := storeConfig(store)
	config.Snapshot = func(ctx context.Context, _ string) (feed.Event, error) {
		<-ctx.Done()
		return feed.Event{}, ctx.Err()
	}
	r := feed.NewRegistry(config)
	for round := range 50 {
		var followers []*feed.Follower
		for i := range 4 {
			f, err := r.Follow(fmt.Sprint(i%2), "")
			if err != nil {
				t.Fatal(err)
			}
			if round%2 == 0 {
				if _, err := f.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			f.Next()
			followers = append(followers, f)
		}
		for _, f := range followers {
			f.Close()
		}
		if n := r.Len(); n != 0 {
			t.Fatalf("%d feeds are left", n)
		}
	}
	if _, err := r.Publish(t.Context(), "0", feed.Event{}); err != nil {
		t.Fatal(err)
	}
	if n := r.Len(); n != 0 {
		t.Errorf("publishing made %d feeds", n)
	}
}

func TestCloseEndsFollowersOfAStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		r := newStoreRegistry(t, storeConfig(store))
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		store.Stop()
		waiting := follow(t, r, "other", "")
		result := make(chan error)
		go func() {
			_, err := waiting.Wait(t.Context())
			result <- err
		}()
		synctest.Wait()
		r.Close()
		if err := <-result; err != feed.ErrClosed {
			t.Errorf("a follower that waits for the store: %v", err)
		}
		wantSteps(t, f, "error: http: feed closed;")
		if _, err := r.Follow("k", ""); err != feed.ErrClosed {
			t.Errorf("Follow after Close: %v", err)
		}
		if _, err := r.Publish(t.Context(), "k", feed.Event{}); err != feed.ErrClosed {
			t.Errorf("Publish after Close: %v", err)
		}
		if r.Len() != 0 {
			t.Error("feeds are left")
		}
		r.Close()
	})
}

// A follower of an empty feed comes to another process after the first events. It
// gets them without a gap, whether or not that process had seen the empty feed.
func TestPositionOfAnEmptyFeedIsKnownInOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		here, there := newStoreRegistry(t, storeConfig(store)), newStoreRegistry(t, storeConfig(store))
		step, err := follow(t, here, "k", "").Wait(t.Context())
		if err != nil || step.Position == "" {
			t.Fatalf("%+v, %v", step, err)
		}
		publish(t, here, "k", "a")
		publish(t, here, "k", "b")
		wantSteps(t, follow(t, there, "k", step.Position), "position;a;b;")
		wantSteps(t, follow(t, there, "k", "unknown"), "gap;position;")
	})
}
