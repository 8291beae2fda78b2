package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// maxFeeds is the largest number of feeds that one call of Store.Read reads.
const maxFeeds = 256

// A tail copies the feeds that are followed from a Store into logs. One
// goroutine watches the Store and one reads it, as long as any feed is followed.
// Followers wait for the copies and never for the Store. A tail is safe for
// concurrent use by multiple goroutines.
//
// A feed is read when it is followed for the first time, when the Store or a
// local Append announces a change, when a follower asks for it, and at least
// once an interval.
type tail struct {
	store    Store
	interval time.Duration
	timeout  time.Duration
	health   health

	appends, reads, watches calls

	mu       sync.Mutex
	followed map[string]*copied
	queue    []*copied     // to be read, the first in front
	retries  []*copied     // likewise, but their last read failed
	failing  int           // number of feeds whose last read failed
	wake     chan struct{} // has an element if the queue has become longer
	stop     context.CancelFunc
}

// A copied is the copy of one feed of the Store, with the state of its reads.
// tail.mu guards the fields below bell.
type copied struct {
	tail *tail
	name string
	log  *Log
	bell bell // rings when answered changes

	after    string    // position after the events that were copied
	asked    uint64    // counts the reasons to read the feed
	answered uint64    // value of asked when the last read that succeeded began
	began    time.Time // when the last read began
	queued   bool      // in tail.queue or tail.retries
	failed   bool      // the last read failed
	left     bool      // no longer followed
}

func newTail(store Store, interval, timeout time.Duration, logger *slog.Logger) *tail {
	return &tail{
		store:    store,
		interval: interval,
		timeout:  timeout,
		health:   health{logger: logger},
		appends:  calls{name: "Append", limit: 1000},
		reads:    calls{name: "Read", limit: 100},
		watches:  calls{name: "Watch", limit: 100},
		followed: make(map[string]*copied),
	}
}

// append adds an event to a feed, which need not be followed.
func (t *tail) append(ctx context.Context, name string, e Event) (string, error) {
	if ctx.Err() != nil {
		return "", fmt.Errorf("http: feed: the event was not added: %w", context.Cause(ctx))
	}
	result := make(chan string, 1)
	err := t.appends.do(ctx, t.timeout, func(ctx context.Context) error {
		id, err := t.store.Append(ctx, name, e)
		if err == nil {
			err = checkID(id, name)
		}
		result <- id
		return err
	})
	t.changed(name) // even after an error, the event may be there
	switch {
	case err == nil:
		return <-result, nil
	case e.Key != "":
		return "", fmt.Errorf("http: feed: the event may have been added or not; to add it once, publish it again with the same Key: %w", err)
	}
	return "", fmt.Errorf("http: feed: the event may have been added or not; without a Key, publishing it again may add it twice: %w", err)
}

// follow begins to copy a feed into a log that nobody else fills.
func (t *tail) follow(name string, log *Log) *copied {
	c := &copied{tail: t, name: name, log: log}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.followed[name] = c
	if t.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		t.stop, t.wake = cancel, make(chan struct{}, 1)
		go t.watchStore(ctx)
		go t.readStore(ctx, t.wake)
	}
	t.enqueue(c)
	return c
}

// leave stops copying a feed. If no other feed is followed, it also stops the
// goroutines.
func (t *tail) leave(c *copied) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setFailed(c, false)
	c.left = true
	delete(t.followed, c.name)
	if len(t.followed) == 0 {
		t.stop()
		t.stop, t.queue, t.retries = nil, nil, nil
		t.health.reset()
	}
}

// changed queues a feed to be read, or all feeds if name is empty.
func (t *tail) changed(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.followed[name]; c != nil {
		t.enqueue(c)
	}
	if name != "" {
		return
	}
	for _, c := range t.followed {
		t.enqueue(c)
	}
}

// ask queues the feed to be read and returns a number for wasRead.
func (c *copied) ask() uint64 {
	c.tail.mu.Lock()
	defer c.tail.mu.Unlock()
	c.tail.enqueue(c)
	return c.asked
}

// wasRead reports whether the feed has been read since ask returned the number,
// or at all if the number is 0.
func (c *copied) wasRead(number uint64) bool {
	c.tail.mu.Lock()
	defer c.tail.mu.Unlock()
	return c.answered >= max(number, 1)
}

// enqueue queues a feed for a read that begins later. The caller holds mu.
func (t *tail) enqueue(c *copied) {
	c.asked++
	t.requeue(c)
}

func (t *tail) requeue(c *copied) {
	if c.queued || c.left {
		return
	}
	c.queued = true
	if c.failed {
		t.retries = append(t.retries, c)
	} else {
		t.queue = append(t.queue, c)
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// readStore runs until ctx is done. Feeds whose last read failed wait until a
// pause is over, but others do not wait for them, and do not make the pause
// longer. If one call of the Store fails for several feeds, the next calls read
// fewer at once, until the feed that cannot be read is alone. Feeds whose last read
// failed have a limit of their own: if others that can be read raised it, they
// would always be read together with the feed that cannot.
func (t *tail) readStore(ctx context.Context, wake <-chan struct{}) {
	half := time.NewTicker(t.interval / 2)
	defer half.Stop()
	retry := time.NewTimer(t.interval)
	retry.Stop() // it runs while due is false
	defer retry.Stop()
	pause := backoff{longest: t.interval / 4}
	limit, due := limits{maxFeeds, maxFeeds}, true
	for ctx.Err() == nil {
		select {
		case <-half.C:
			t.tick()
		case <-retry.C:
			due = true
		default:
		}
		batch := t.take(ctx, limit, due)
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
			case <-wake:
			case <-retry.C:
				due = true
			case <-half.C:
				t.tick()
			}
			continue
		}
		again, ok := batch[0].failedBefore, t.read(ctx, batch)
		limit.adjust(len(batch), again, ok)
		switch {
		case ok && again:
			pause.reset()
		case !ok && due:
			due = false
			retry.Reset(pause.next())
		}
	}
}

// limits are the largest numbers of feeds that the next call of Store.Read reads:
// of feeds in tail.queue, and of feeds in tail.retries.
type limits struct{ queue, retries int }

// adjust is called after a call that read n feeds, with whether it read them
// again after a failure.
func (l *limits) adjust(n int, again, ok bool) {
	if !ok {
		l.queue, l.retries = max(min(l.queue, n/2), 1), max(min(l.retries, n/2), 1)
		return
	}
	l.queue = min(2*l.queue, maxFeeds)
	if again {
		l.retries = min(2*l.retries, maxFeeds)
	}
}

// tick runs every half interval. It queues each feed whose last read began at least
// half an interval ago, because the next tick may come too late for it.
func (t *tail) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.followed {
		if time.Since(c.began) >= t.interval/2 {
			t.enqueue(c)
		}
	}
}

// A request is a read of one feed.
type request struct {
	*copied
	asked        uint64 // when the read began
	after        string
	failedBefore bool
}

// take removes feeds from the queue. If due is set, it takes those whose last
// read failed, if there are any. It never takes both at once.
func (t *tail) take(ctx context.Context, limit limits, due bool) []request {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil { // the queue belongs to another goroutine by now
		return nil
	}
	var batch []request
	for due && len(t.retries) > 0 && len(batch) < limit.retries {
		batch = appendRequest(batch, dequeue(&t.retries))
	}
	if len(batch) > 0 {
		return batch
	}
	for len(t.queue) > 0 && len(batch) < limit.queue {
		c := dequeue(&t.queue)
		if c.failed { // by a read that began before the feed was queued
			t.retries = append(t.retries, c)
			continue
		}
		batch = appendRequest(batch, c)
	}
	return batch
}

// dequeue removes the first feed of a queue and returns it.
func dequeue(queue *[]*copied) *copied {
	c := (*queue)[0]
	(*queue)[0] = nil
	*queue = (*queue)[1:]
	return c
}

// appendRequest appends the read of a feed that was taken from its queue, if the
// feed is still followed.
func appendRequest(batch []request, c *copied) []request {
	c.queued = false
	if c.left {
		return batch
	}
	c.began = time.Now()
	return append(batch, request{c, c.asked, c.after, c.failed})
}

// read reads feeds and reports whether it succeeded. Feeds that could not be
// read, or have more events, are queued again.
func (t *tail) read(ctx context.Context, batch []request) bool {
	after := make([]Position, len(batch))
	for i, r := range batch {
		after[i] = Position{Feed: r.name, After: r.after}
	}
	result := make(chan []Page, 1)
	err := t.reads.do(ctx, t.timeout, func(ctx context.Context) error {
		pages, err := t.store.Read(ctx, after)
		if err == nil && len(pages) != len(after) {
			err = errLength
		}
		result <- pages
		return err
	})
	if err != nil {
		t.retry(ctx, batch, err)
		return false
	}
	ok := true
	for i, page := range <-result {
		if err := page.check(batch[i]); err != nil {
			t.retry(ctx, batch[i:i+1], err)
			ok = false
			continue
		}
		t.copy(batch[i], page)
	}
	if ok && !t.anyFailed() {
		t.health.works(ctx, reading)
	}
	return ok
}

// copy applies a page to a log. Only the reading goroutine calls it.
func (t *tail) copy(r request, page Page) {
	events := make([]Event, len(page.Events)) // the Store may keep page.Events
	for i, e := range page.Events {
		events[i] = e.cleaned()
	}
	switch {
	case page.replaces(r):
		first := page.First
		if len(events) == 0 {
			first = page.Next
		}
		r.log.Reset(events, first)
	case len(events) > 0:
		r.log.Extend(events)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r.copied.after = page.Next
	t.setFailed(r.copied, false)
	if page.More {
		t.requeue(r.copied)
		return
	}
	r.answered = r.asked
	r.bell.ring()
}

// retry queues feeds again that could not be read.
func (t *tail) retry(ctx context.Context, batch []request, err error) {
	t.mu.Lock()
	for _, r := range batch {
		t.setFailed(r.copied, true)
		t.requeue(r.copied)
	}
	t.mu.Unlock()
	t.health.fails(ctx, reading, err)
}

// setFailed records whether the last read of a feed failed. The caller holds mu.
func (t *tail) setFailed(c *copied, failed bool) {
	if c.left || c.failed == failed {
		return
	}
	c.failed = failed
	if failed {
		t.failing++
	} else {
		t.failing--
	}
}

func (t *tail) anyFailed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failing > 0
}

// watchStore runs until ctx is done.
func (t *tail) watchStore(ctx context.Context) {
	pause := backoff{longest: t.interval / 4}
	for ctx.Err() == nil {
		began := time.Now()
		// Watch works once it has run for an interval. If a ring were enough, a
		// Watch that rings once and then fails would be logged at each try.
		works := time.AfterFunc(t.interval, func() { t.health.works(ctx, watching) })
		err := t.watches.do(ctx, 0, func(watch context.Context) error {
			return t.store.Watch(watch, t.changed)
		})
		works.Stop()
		if ctx.Err() != nil {
			return
		}
		t.health.fails(ctx, watching, cmp.Or(err, errWatch))
		t.changed("") // Watch may have missed something
		if time.Since(began) >= t.interval {
			pause.reset()
		}
		select {
		case <-time.After(pause.next()):
		case <-ctx.Done():
		}
	}
}

var errWatch = errors.New("http: feed: Watch returned")

// A backoff is a pause that doubles each time, up to longest.
type backoff struct{ last, longest time.Duration }

func (b *backoff) reset() { b.last = 0 }

// next returns the length of the pause, with some randomness.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, 50*time.Millisecond), b.longest)
	return b.last/2 + rand.N(b.last/2+1)
}

// health logs when the Store begins to fail and when it works again. A Store that fails
// again and again is logged at most once per logPause.
type health struct {
	logger *slog.Logger // if nil, slog.Default

	mu      sync.Mutex
	failing [2]bool   // by activity
	logged  bool      // the present failure has been logged
	last    time.Time // when a failure was last logged
}

// logPause is the shortest time between two failures that are logged.
const logPause = 10 * time.Second

// An activity is something that a tail does with the Store.
type activity int

const (
	reading activity = iota
	watching
)

func (h *health) fails(ctx context.Context, a activity, err error) {
	h.mu.Lock()
	if ctx.Err() == nil {
		h.failing[a] = true
	}
	due := h.failing[a] && !h.logged && (h.last.IsZero() || time.Since(h.last) >= logPause)
	if due {
		h.logged, h.last = true, time.Now()
	}
	h.mu.Unlock()
	if due {
		cmp.Or(h.logger, slog.Default()).LogAttrs(ctx, slog.LevelError, "feed store failed", slog.Any("error", err))
	}
}

func (h *health) works(ctx context.Context, a activity) {
	h.mu.Lock()
	if ctx.Err() == nil {
		h.failing[a] = false
	}
	due := h.logged && h.failing == [2]bool{}
	if due {
		h.logged = false
	}
	h.mu.Unlock()
	if due {
		cmp.Or(h.logger, slog.Default()).LogAttrs(ctx, slog.LevelInfo, "feed store works again")
	}
}

// reset clears the state when no feed is followed any more.
func (h *health) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing, h.logged = [2]bool{}, false
}
