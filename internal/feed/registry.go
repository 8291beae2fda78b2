package feed

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"
)

// Config configures a [Registry].
type Config struct {
	Limits Limits
	Start  Start

	// Snapshot returns the state that the events of a feed change; see
	// [NewSnapshots]. It may be nil.
	Snapshot func(ctx context.Context, key string) (Event, error)

	// Permanent keeps feeds that nobody follows and that keep nothing, so that
	// their positions stay valid. It is meant for a single feed. It has no effect
	// on feeds with a Store.
	Permanent bool

	// Store keeps the logs. If nil, they are in memory.
	Store Store
	// Prefix precedes the key in the name of a feed in the Store.
	Prefix string
	// Interval is the longest time until a followed feed is read from the Store
	// again.
	Interval time.Duration
	// Timeout limits each call of the Store's Append and Read. It must be shorter
	// than Interval.
	Timeout time.Duration
	// Logger gets a record when the Store begins to fail and when it works again.
	// If it is nil, the default logger at that time is used.
	Logger *slog.Logger
}

// A Registry holds the feeds of one configuration by key. A key is only a name:
// the log of a feed exists while it is followed or keeps events. A feed with a
// Store has a log here only while it is followed here. A Registry is safe for
// concurrent use by multiple goroutines.
type Registry struct {
	config Config
	tail   *tail // nil without a Store
	seed   maphash.Seed
	shards [64]shard
}

// A shard holds the logs of the keys whose hashes select it.
type shard struct {
	mu     sync.Mutex
	live   map[string]*live
	closed bool
}

// A live is an entry of a shard: a feed that has a log.
type live struct {
	key       string
	shard     *shard
	log       *Log
	snapshots *Snapshots // nil without Config.Snapshot
	copied    *copied    // nil without a Store
	users     int        // followers and calls of Publish, guarded by shard.mu
}

// NewRegistry returns a Registry without feeds.
func NewRegistry(config Config) *Registry {
	r := &Registry{config: config, seed: maphash.MakeSeed()}
	if config.Store != nil {
		r.tail = newTail(config.Store, config.Interval, config.Timeout, config.Logger)
	}
	for i := range r.shards {
		r.shards[i].live = make(map[string]*live)
	}
	return r
}

func (r *Registry) shard(key string) *shard {
	return &r.shards[maphash.String(r.seed, key)%uint64(len(r.shards))]
}

// Publish adds an event to a feed and returns its id. It returns
// [ErrInvalidEvent], wrapped, or [ErrClosed] if it did not try. If there is a
// Store, any other error means that the outcome is unknown.
func (r *Registry) Publish(ctx context.Context, key string, e Event) (id string, err error) {
	if err := e.Check(); err != nil {
		return "", err
	}
	if r.tail != nil {
		if r.isClosed(key) {
			return "", ErrClosed
		}
		return r.tail.append(ctx, r.config.Prefix+key, e)
	}
	feed := r.acquire(key)
	if feed == nil {
		return "", ErrClosed
	}
	defer r.release(feed)
	return feed.log.Append(e)
}

// Follow returns a [Follower] of a feed that continues after the event with the
// id after, or begins as a newcomer if after is empty. The caller must close it.
// Follow returns ErrClosed if the Registry is closed.
func (r *Registry) Follow(key, after string) (*Follower, error) {
	feed := r.acquire(key)
	if feed == nil {
		return nil, ErrClosed
	}
	f := feed.log.Follow(after, r.config.Start, feed.snapshots)
	f.copied = feed.copied
	f.leave = func() { r.release(feed) }
	return f, nil
}

func (r *Registry) isClosed(key string) bool {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// acquire returns a feed that is not forgotten before release, or nil if the
// Registry is closed.
func (r *Registry) acquire(key string) *live {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	feed := s.live[key]
	if feed == nil {
		feed = r.create(s, key)
		s.live[key] = feed
	}
	feed.users++
	return feed
}

// create returns a new feed. The caller holds the shard's mu.
func (r *Registry) create(s *shard, key string) *live {
	feed := &live{key: key, shard: s, log: New(r.config.Limits)}
	if r.tail != nil {
		feed.copied = r.tail.follow(r.config.Prefix+key, feed.log)
	} else {
		feed.log.emptied = func() { r.forgetIfUnused(feed) }
	}
	if take := r.config.Snapshot; take != nil {
		feed.snapshots = NewSnapshots(feed.log, func(ctx context.Context) (Event, error) { return take(ctx, key) })
	}
	return feed
}

// release ends the use of a feed.
func (r *Registry) release(feed *live) {
	feed.shard.mu.Lock()
	defer feed.shard.mu.Unlock()
	feed.users--
	r.forget(feed)
}

func (r *Registry) forgetIfUnused(feed *live) {
	feed.shard.mu.Lock()
	defer feed.shard.mu.Unlock()
	r.forget(feed)
}

// forget removes a feed that nobody uses and that keeps nothing. The caller
// holds the shard's mu.
func (r *Registry) forget(feed *live) {
	if feed.users > 0 || feed.shard.live[feed.key] != feed {
		return
	}
	if feed.copied == nil && (r.config.Permanent || !feed.log.Empty()) {
		return
	}
	delete(feed.shard.live, feed.key)
	r.end(feed)
}

// end closes a feed that is no longer in its shard.
func (r *Registry) end(feed *live) {
	feed.log.Close()
	if feed.snapshots != nil {
		feed.snapshots.close()
	}
	if feed.copied != nil {
		r.tail.leave(feed.copied)
		feed.copied.bell.ring()
	}
}

// Close ends all feeds. Followers get the events that are left and then
// ErrClosed. Close does not wait for them or for the Store.
func (r *Registry) Close() {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		s.closed = true
		for key, feed := range s.live {
			delete(s.live, key)
			r.end(feed)
		}
		s.mu.Unlock()
	}
}

// Len returns the number of feeds that have a log.
func (r *Registry) Len() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.live)
		s.mu.Unlock()
	}
	return n
}
