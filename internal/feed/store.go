package feed

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// A Store keeps the logs of feeds outside the process, so several processes can
// share them. Watch only announces that there may be something to read. If an
// announcement is lost, late, repeated or wrong, followers get events later, but
// miss none, because every followed feed is also read at regular intervals.
//
// Methods must be safe for concurrent use by multiple goroutines, and should
// return when ctx is done. The caller does not wait any longer.
type Store interface {
	// Append adds an event to the end of a feed and returns its new id. If the
	// feed still has an event with the same Key, Append adds nothing and returns
	// the id of that event. When Append returns, Read must return the event, in
	// every process. If one call returned before another began, in any process,
	// its event comes first.
	//
	// An id has 1 to 64 characters of [A-Za-z0-9._-] and is not "begin". It must
	// never be used again, in any feed, even if the store loses its data. For
	// example, a counter is not enough, but a counter with a random suffix is.
	Append(ctx context.Context, feed string, e Event) (id string, err error)

	// Read returns a page for each position, in the same order. It does not wait
	// for events.
	Read(ctx context.Context, after []Position) ([]Page, error)

	// Watch calls changed with the name of each feed that gets an event from any
	// process. It returns when ctx is done, and when it may have missed an event;
	// it is then called again. An empty name means all feeds. Watch should call
	// changed("") when it has begun to watch. changed is safe for concurrent use
	// by multiple goroutines and returns quickly.
	Watch(ctx context.Context, changed func(feed string)) error
}

// A Position is a place in a feed: after the event with the id After. If After
// is empty, it is the place before all events that the Store has.
type Position struct{ Feed, After string }

// A Page is a part of a feed that begins at a [Position].
type Page struct {
	// Events are consecutive, the oldest first. Each has its ID. There may be any
	// number of them, but at least one if More is set.
	Events []Event

	// First is the position before Events if Events begin with the oldest event
	// that is left. It may be empty if it is not known, and is ignored in other
	// pages. With it, a client that was at this position in another process gets no
	// gap. For example, it is the position that the feed had while it was empty.
	First string

	// Next is the position after Events: the ID of the last one. If there are no
	// Events, Next is After, or with Gap or an empty After the position of the
	// empty feed. That position must be the same in all processes until the feed
	// gets an event.
	Next string

	// More reports whether there are events after Next.
	More bool

	// Gap reports whether After is not a position of the feed, or events after it
	// have been dropped. If so, Events begin with the oldest event that is left.
	Gap bool
}

var (
	errLength = errors.New("http: feed: Read returned the wrong number of pages")
	errStuck  = errors.New("http: feed: too many calls of the store have not returned")
)

// check returns an error if a Store must not return the page for a request.
func (p *Page) check(r request) error {
	name := r.name
	if err := p.checkEvents(r); err != nil {
		return err
	}
	switch n := len(p.Events); {
	case n == 0 && p.More:
		return fmt.Errorf("http: feed: the page that Read returned for feed %q has More but no Events", name)
	case n > 0 && p.Next != p.Events[n-1].ID:
		return fmt.Errorf("http: feed: the page that Read returned for feed %q has the Next %.80q, but ends with the event %q", name, p.Next, p.Events[n-1].ID)
	}
	if p.First != "" {
		if err := checkID(p.First, name); err != nil {
			return err
		}
	}
	return checkID(p.Next, name)
}

// checkEvents returns an error if an id is not valid, or if followers would get an
// event twice.
func (p *Page) checkEvents(r request) error {
	seen := make(map[string]bool, len(p.Events))
	for i := range p.Events {
		id := p.Events[i].ID
		if err := checkID(id, r.name); err != nil {
			return err
		}
		twice := seen[id]
		if !twice && !p.replaces(r) {
			_, twice = r.log.Find(id)
		}
		if twice {
			return fmt.Errorf("http: feed: Read returned the event %q of feed %q twice", id, r.name)
		}
		seen[id] = true
	}
	return nil
}

// replaces reports whether the events of the page replace those that were read
// before.
func (p *Page) replaces(r request) bool { return p.Gap || r.after == "" }

func checkID(id, name string) error {
	if ValidID(id) && id != Beginning {
		return nil
	}
	return fmt.Errorf("http: feed: the store returned the invalid id %.80q for feed %q", id, name)
}

// calls runs calls of one method of a Store, for a limited time each. A call
// that does not return when its context is done continues in its goroutine, and
// its result is lost. At most limit calls are in this state; while there are
// limit, other calls fail.
type calls struct {
	name      string
	limit     int64
	abandoned atomic.Int64
}

// do calls f with a context that ends after timeout, or with ctx if timeout is 0.
// If f does not return in time, do returns the cause. f must then not write to
// variables that the caller uses.
func (c *calls) do(ctx context.Context, timeout time.Duration, f func(ctx context.Context) error) error {
	if c.abandoned.Load() >= c.limit {
		return errStuck
	}
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	result := make(chan error, 1)
	var ended atomic.Bool // by f or by do, whichever is first
	go func() {
		err := errNotReturned
		defer func() {
			result <- err
			if !ended.CompareAndSwap(false, true) {
				c.abandoned.Add(-1)
			}
		}()
		defer recovered(c.name, &err)
		err = f(ctx)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	// Count before the goroutine can end the count.
	c.abandoned.Add(1)
	if !ended.CompareAndSwap(false, true) {
		c.abandoned.Add(-1)
		return <-result
	}
	return context.Cause(ctx)
}

// errNotReturned is the error if the method called runtime.Goexit.
var errNotReturned = errors.New("http: feed: a method of the store did not return")
