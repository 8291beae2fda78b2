package feed_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func newLog() *feed.Log {
	return feed.New(feed.Limits{Events: 1000, Bytes: 64 << 20, Age: time.Hour})
}

func appendTo(t testing.TB, l *feed.Log, data string) string {
	t.Helper()
	id, err := l.Append(feed.Event{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestBatchesHaveAtMost64KB(t *testing.T) {
	t.Parallel()
	l := newLog()
	f := l.Follow("", feed.Start{}, nil)
	defer f.Close()
	f.Next()
	for i := range 100 {
		appendTo(t, l, strings.Repeat("d", i*100))
	}
	appendTo(t, l, strings.Repeat("d", 10*feed.MaxBatch))
	appendTo(t, l, "last")
	total, batches := 0, 0
	for total < 102 {
		step, _, err := f.Next()
		if err != nil || len(step.Events) == 0 {
			t.Fatalf("%+v, %v", step, err)
		}
		size := 0
		for _, e := range step.Events {
			size += len(e.Data)
		}
		if size > feed.MaxBatch && len(step.Events) > 1 {
			t.Errorf("a batch of %d events has %d bytes", len(step.Events), size)
		}
		total += len(step.Events)
		batches++
	}
	if batches > 12 {
		t.Errorf("%d batches for %d events", batches, total)
	}
}

func TestEventLargerThanTheLimitIsSent(t *testing.T) {
	t.Parallel()
	l := feed.New(feed.Limits{Events: 10, Bytes: 1000, Age: time.Hour})
	f := l.Follow("", feed.Start{}, nil)
	defer f.Close()
	f.Next()
	appendTo(t, l, strings.Repeat("d", 1<<20))
	if step, _, err := f.Next(); err != nil || len(step.Events) != 1 {
		t.Errorf("%+v, %v", step, err)
	}
	appendTo(t, l, "small")
	if total, sum := l.Bytes(); total != sum || total > 1000 {
		t.Errorf("%d bytes are kept, %d by sum", total, sum)
	}
}

// TestOldEventsAreGivenBackByTimer has a log that nobody touches again.
func TestOldEventsAreGivenBackByTimer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog()
		f := l.Follow("", feed.Start{}, nil)
		defer f.Close()
		f.Next()
		for i := range 10 {
			appendTo(t, l, fmt.Sprint(i))
			time.Sleep(time.Minute)
		}
		time.Sleep(50*time.Minute - 1)
		synctest.Wait()
		if step, _, err := f.Next(); err != nil || len(step.Events) != 10 {
			t.Errorf("%+v, %v", step, err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if step, _, err := l.Follow("", feed.Start{History: true}, nil).Next(); err != nil || step.Position != feed.Beginning {
			t.Errorf("%+v, %v", step, err)
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if total, _ := l.Bytes(); total != 0 || !l.Empty() {
			t.Errorf("%d bytes are kept after the age of all events", total)
		}
		if step, changed, err := f.Next(); err != nil || !step.Empty() || changed == nil {
			t.Errorf("a follower that has all: %+v, %v", step, err)
		}
		appendTo(t, l, "next")
		wantSteps(t, f, "next;")
	})
}

// TestEmptyLogTakesNoMemory has a log lose many events at once.
func TestEmptyLogTakesNoMemory(t *testing.T) {
	l := feed.New(feed.Limits{Events: 1 << 20, Bytes: 1 << 30, Age: time.Hour})
	before := heap()
	for i := range 10_000 {
		if _, err := l.Append(feed.Event{Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	l.Reset(nil, "empty")
	if took := heap() - before; took > 100_000 {
		t.Errorf("%d bytes are left", took)
	}
	runtime.KeepAlive(l)
}

func TestCloseWakesFollowers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := feed.NewRegistry(memoryConfig())
		f := follow(t, r, "k", "")
		wantSteps(t, f, "position;")
		result := make(chan error)
		go func() {
			_, err := f.Wait(t.Context())
			result <- err
		}()
		synctest.Wait()
		r.Close()
		if err := <-result; err != feed.ErrClosed {
			t.Error(err)
		}
	})
}

func TestEncodingIsMadeOnceAndCounted(t *testing.T) {
	t.Parallel()
	l := newLog()
	appendTo(t, l, "data")
	before, _ := l.Bytes()
	var made [3]int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			f := l.Follow("", feed.Start{History: true}, nil)
			defer f.Close()
			f.Next()
			step, _, _ := f.Next()
			for i, form := range []feed.Encoding{feed.SSE, feed.Message, feed.Packed} {
				got := step.Events[0].Encoded(form, func(e feed.Event) []byte {
					mu.Lock()
					defer mu.Unlock()
					made[i]++
					return append(make([]byte, 0, 1000*(i+1)), e.Data...)
				})
				if string(got) != "data" {
					t.Errorf("%q", got)
				}
			}
		})
	}
	wg.Wait()
	if made != [3]int{1, 1, 1} {
		t.Errorf("encoded %v times", made)
	}
	if after, sum := l.Bytes(); after-before != 6000 || sum != after {
		t.Errorf("%d bytes counted for the encodings, want 6000", after-before)
	}
}

// TestEncodingOfADroppedEventIsNotCounted has a slow follower encode an event that
// the log does not keep any more.
func TestEncodingOfADroppedEventIsNotCounted(t *testing.T) {
	t.Parallel()
	l := feed.New(feed.Limits{Events: 1, Bytes: 1 << 20, Age: time.Hour})
	f := l.Follow("", feed.Start{}, nil)
	defer f.Close()
	f.Next()
	appendTo(t, l, "dropped")
	step, _, err := f.Next()
	if err != nil || len(step.Events) != 1 {
		t.Fatalf("%+v, %v", step, err)
	}
	appendTo(t, l, "kept")
	before, _ := l.Bytes()
	step.Events[0].Encoded(feed.SSE, func(feed.Event) []byte { return make([]byte, 1000) })
	if after, sum := l.Bytes(); after != before || sum != before {
		t.Errorf("%d bytes are counted, %d by sum, want %d", after, sum, before)
	}
}

// TestBytesAreWhatALogTakes compares the count with the heap.
func TestBytesAreWhatALogTakes(t *testing.T) {
	l := feed.New(feed.Limits{Events: 1 << 20, Bytes: 1 << 30, Age: time.Hour})
	before := heap()
	for i := range 20_000 {
		if _, err := l.Append(feed.Event{Name: "n", Data: strings.Repeat("d", i%200), Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	took := heap() - before
	count, _ := l.Bytes()
	t.Logf("%d bytes counted, %d taken by each event", count/20_000, took/20_000)
	if took > count*3/2 || took < count/2 {
		t.Errorf("%d bytes counted, %d taken", count, took)
	}
}

// TestWaitingFollowerKeepsNothingAlive has a follower that waits, while the log
// drops the events that it got.
func TestWaitingFollowerKeepsNothingAlive(t *testing.T) {
	l := feed.New(feed.Limits{Events: 2, Bytes: 1 << 30, Age: time.Hour})
	f := l.Follow("", feed.Start{}, nil)
	defer f.Close()
	f.Next()
	before := heap()
	// Small events, so that two are in one batch, with large encodings.
	appendTo(t, l, "1")
	appendTo(t, l, "2")
	step, _, err := f.Next()
	if err != nil || len(step.Events) != 2 {
		t.Fatalf("%+v, %v", step, err)
	}
	for _, e := range step.Events {
		e.Encoded(feed.SSE, func(feed.Event) []byte { return make([]byte, 4<<20) })
	}
	step = feed.Step{}
	for range 2 {
		appendTo(t, l, "small")
		for more := true; more; {
			step, _, _ := f.Next()
			more = !step.Empty()
		}
	}
	if left := heap() - before; left > 1<<20 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(f)
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"azAZ09._-": true, strings.Repeat("x", 64): true, feed.Beginning: true,
		"": false, strings.Repeat("x", 65): false,
		"a,b": false, "a=b": false, "a~b": false, "a b": false, "a/b": false, "a:b": false, "a@b": false, "a[b": false, "a`b": false, "a{b": false,
		"a\nb": false, "a\x00": false, "\xff": false, "ä": false,
	} {
		if feed.ValidID(id) != want {
			t.Errorf("ValidID(%q) = %v", id, !want)
		}
	}
}

func TestMemoryOfAnEventCountsAllItsText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	for _, e := range []feed.Event{{ID: long}, {Name: long}, {Data: long}, {Key: long}} {
		if n := e.Memory() - (feed.Event{}).Memory(); n != 1000 {
			t.Errorf("%.20v: 1,000 bytes of text count as %d", e, n)
		}
	}
}

func TestInvalidEventsAreRejected(t *testing.T) {
	t.Parallel()
	r := feed.NewRegistry(memoryConfig())
	defer r.Close()
	for _, e := range []feed.Event{
		{Name: "a\nb"}, {Name: "a\rb"}, {Name: "a\x00b"}, {Name: "\xff"}, {Data: "\xff"}, {Key: "\xff"}, {Gap: true},
	} {
		if id, err := r.Publish(t.Context(), "k", e); !errors.Is(err, feed.ErrInvalidEvent) {
			t.Errorf("%+v: %q, %v", e, id, err)
		}
	}
	id, err := r.Publish(t.Context(), "k", feed.Event{ID: "chosen\n", Data: "lines\r\nand \x00"})
	if err != nil || id == "chosen\n" {
		t.Errorf("%q, %v", id, err)
	}
}

// TestClosedLogIsCollected has no timer keep a log that was closed.
func TestClosedLogIsCollected(t *testing.T) {
	t.Parallel()
	collected := make(chan struct{})
	l := newLog()
	appendTo(t, l, "data")
	runtime.AddCleanup(l, func(c chan struct{}) { close(c) }, collected)
	l.Close()
	l = nil
	for deadline := time.Now().Add(testkit.Patience); ; {
		runtime.GC()
		select {
		case <-collected:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the log is still in memory")
		}
	}
}

func TestFollowerAfterClose(t *testing.T) {
	t.Parallel()
	l := newLog()
	appendTo(t, l, "1")
	f := l.Follow("", feed.Start{History: true}, nil)
	f.Next()
	l.Close()
	if step, _, err := f.Next(); err != nil || len(step.Events) != 1 {
		t.Errorf("the events that are left: %+v, %v", step, err)
	}
	for range 2 {
		if step, _, err := f.Next(); err != feed.ErrClosed {
			t.Errorf("%+v, %v", step, err)
		}
	}
	f.Close()
	if _, err := f.Wait(t.Context()); err != feed.ErrClosed {
		t.Error(err)
	}
	if _, _, err := l.Follow("", feed.Start{}, nil).Next(); err != feed.ErrClosed {
		t.Error(err)
	}
	l.Extend([]feed.Event{{ID: "x"}})
	l.Reset([]feed.Event{{ID: "y"}}, "z")
	if _, ok := l.Find("y"); ok {
		t.Error("a closed log grew")
	}
}

// TestWakesOfManyPublishesMerge publishes while 5,000 followers are woken.
func TestWakesOfManyPublishesMerge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog()
		var wg sync.WaitGroup
		for range 5000 {
			wg.Go(func() {
				f := l.Follow("", feed.Start{}, nil)
				defer f.Close()
				for n := 0; n < 101; {
					step, err := f.Wait(t.Context())
					if err != nil || step.Gap {
						t.Errorf("%+v, %v", step, err)
						return
					}
					n += len(step.Events)
					if step.Position != "" {
						n++
					}
				}
			})
		}
		synctest.Wait()
		for i := range 100 {
			appendTo(t, l, fmt.Sprint(i))
		}
		wg.Wait()
	})
}
