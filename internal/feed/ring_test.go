package feed_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// Followers read while the log is locked, so a Publish waits for none of them.
func TestReadDoesNotWaitForTheLog(t *testing.T) {
	t.Parallel()
	l := feed.New(feed.Limits{Events: 10, Bytes: 1 << 20, Age: time.Hour})
	if _, err := l.Append(feed.Event{Data: "one"}); err != nil {
		t.Fatal(err)
	}
	defer l.Lock()()
	read := make(chan int)
	go func() {
		all, _ := l.Read(1, nil)
		newest, _ := l.ReadNewest(1, nil)
		read <- len(all) + len(newest)
	}()
	select {
	case n := <-read:
		if n != 2 {
			t.Errorf("read %d events, want 2", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("Read waits for the lock")
	}
}

// However fast the log turns over, a reader gets consecutive events or ErrMissed.
func TestReadersOfALogThatTurnsOver(t *testing.T) {
	t.Parallel()
	const events = 20_000
	for _, keep := range []int{1, 3, 50} {
		l := feed.New(feed.Limits{Events: keep, Bytes: 1 << 20, Age: time.Hour})
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() { readAll(t, l, events) })
		}
		for n := 1; n <= events; n++ {
			if _, err := l.Append(feed.Event{Data: strconv.Itoa(n)}); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		readers.Wait()
	}
}

// readAll reads a log until it is closed. The data of each event is its number.
func readAll(t *testing.T, l *feed.Log, last int) {
	next := 1
	for {
		entries, err := l.Read(uint64(next), nil)
		for _, e := range entries {
			if e.Data != strconv.Itoa(next) {
				t.Errorf("got event %s, want %d", e.Data, next)
				return
			}
			next++
		}
		switch newest, _ := l.ReadNewest(uint64(next), nil); {
		case errors.Is(err, feed.ErrClosed):
			if next != last+1 {
				t.Errorf("the log ended before event %d, want %d", next, last+1)
			}
			return
		case errors.Is(err, feed.ErrMissed) && len(newest) == 1:
			n, _ := strconv.Atoi(newest[0].Data)
			if n <= next {
				t.Errorf("missed event %d, but the newest is %d", next, n)
				return
			}
			next = n
		case err != nil:
			t.Errorf("%v, and %d newest events", err, len(newest))
			return
		}
	}
}
