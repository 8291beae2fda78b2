// Package redisfeed lets servers share feeds through Redis. It is an example to
// copy. A feed is a Redis stream, and an event is one of its entries.
//
// # Redis settings
//
// What Redis acknowledges and then loses is lost. Followers that had read it get
// a gap, but an event that no server had read leaves no trace. Use these settings
// to exclude that:
//
//   - appendonly yes, appendfsync always: with the default, everysec, a crash of
//     the machine loses up to a second of events; without appendonly, a restart
//     loses all.
//   - maxmemory-policy noeviction: if the memory is full, Publish returns an
//     error and followers stay connected. With an allkeys or volatile policy,
//     Redis instead deletes whole feeds, and followers get a gap. It may also
//     forget the Keys of a feed, so that a Publish that is retried adds an event
//     twice.
//   - If there are replicas, they receive events after Publish has returned. A
//     replica that is promoted may lack the last ones. min-replicas-to-write and
//     min-replicas-max-lag limit how many.
//
// All servers must use the primary. A replica may lack events whose Publish has
// returned. The tests use Redis 7.0 without Redis Cluster.
//
// # Other programs
//
// Other programs may read the streams and may delete a stream as a whole. They
// must not remove single entries with XDEL, which followers would not notice.
package redisfeed

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http"
)

// add adds an event to a stream and returns its id, or the id of the event that
// has the same key. Redis runs scripts atomically.
//
// The hash contains the keys of the events in the stream. It does not outlive
// the stream, and an entry for an event that is gone has no effect. A stream
// without keys is trimmed by Redis, in steps of about 100 entries. Otherwise the
// script removes the oldest entries and their keys together.
var add = redis.NewScript(`
local stream, keys = KEYS[1], KEYS[2]
local tag, key, keep, age = ARGV[1], ARGV[4], tonumber(ARGV[5]), ARGV[6]
if redis.call("EXISTS", stream) == 0 then
	redis.call("DEL", keys)
end
if key ~= "" then
	local known = redis.call("HGET", keys, key)
	if known then
		local dot = string.find(known, ".", 1, true)
		local id = string.sub(known, 1, dot - 1)
		local entry = redis.call("XRANGE", stream, id, id)[1]
		if entry and entry[2][2] == string.sub(known, dot + 1) then
			return known
		end
	end
end
local add = {"XADD", stream, "*", "t", tag, "n", ARGV[2], "d", ARGV[3]}
if key ~= "" then
	add = {"XADD", stream, "*", "t", tag, "n", ARGV[2], "d", ARGV[3], "k", key}
elseif redis.call("EXISTS", keys) == 0 then
	add = {"XADD", stream, "MAXLEN", "~", keep, "*", "t", tag, "n", ARGV[2], "d", ARGV[3]}
end
local id = redis.call(unpack(add)) .. "." .. tag
if key ~= "" then
	redis.call("HSET", keys, key, id)
end
if redis.call("PEXPIRE", keys, age) == 1 then
	local length = redis.call("XLEN", stream)
	local over = math.min(length - keep, 100)
	if over > 0 then
		for _, entry in ipairs(redis.call("XRANGE", stream, "-", "+", "COUNT", over)) do
			local fields = entry[2]
			if fields[7] == "k" and redis.call("HGET", keys, fields[8]) == entry[1] .. "." .. fields[2] then
				redis.call("HDEL", keys, fields[8])
			end
		end
		redis.call("XTRIM", stream, "MAXLEN", length - over)
	end
end
redis.call("PEXPIRE", stream, age)
redis.call("PUBLISH", ARGV[7], ARGV[8])
return id
`)

// open returns the first entries of a stream. If the stream does not exist, open
// creates it with an entry that is not an event: its id is the position of the
// empty feed. As for any position, its absence later shows that events may have
// been lost.
var open = redis.NewScript(`
if redis.call("EXISTS", KEYS[1]) == 0 then
	redis.call("DEL", KEYS[2])
	redis.call("XADD", KEYS[1], "*", "t", ARGV[1])
	redis.call("PEXPIRE", KEYS[1], ARGV[2])
end
return redis.call("XRANGE", KEYS[1], "-", "+", "COUNT", ARGV[3])
`)

// Config configures a [Store]. For each field, zero selects its default. All
// servers that share feeds must use the same Config.
type Config struct {
	// Prefix begins the names of all keys and of the channel in Redis.
	// The default is "feed:".
	Prefix string

	// Keep is the number of events that a feed keeps, approximately: Redis may
	// keep about 100 more. The default is 1,000.
	Keep int

	// KeepFor is how long a feed is kept that nobody follows and that gets no
	// events. It must be at least twice the Heartbeat of the feeds, because a feed
	// that is followed is renewed when it is read. If Redis is down for longer,
	// feeds are deleted too, and followers get a gap. The default is an hour.
	KeepFor time.Duration

	// Patience is how long Watch waits for an answer to its pings, which find a
	// connection that is broken without an error. The default is 10 seconds.
	Patience time.Duration
}

// A Store keeps feeds in Redis, for FeedConfig.Store. It is safe for concurrent
// use by multiple goroutines.
//
// The id of an event is the id of the entry in the stream, followed by a random
// tag that the entry contains: Redis may use the ids of a stream again after its
// data is lost.
type Store struct {
	client *redis.Client
	config Config
	page   atomic.Int64 // number of entries that Read asks for, adapted to their size
}

const (
	firstPage   = 16
	longestPage = 256
	largestRead = 4 << 20 // bytes of one Read, approximately
)

// New returns a Store that uses the client. It returns an error if the Config is
// invalid or if the client does not have these options:
//
//   - ContextTimeoutEnabled must be true. Otherwise, if Redis does not respond,
//     calls of Publish wait longer than their context allows.
//   - MaxRetries must be -1. Otherwise, if a response of Redis is lost, an event
//     without a Key is added twice.
func New(client *redis.Client, config Config) (*Store, error) {
	options := client.Options()
	switch {
	case !options.ContextTimeoutEnabled:
		return nil, errors.New("redisfeed: the client needs ContextTimeoutEnabled")
	case options.MaxRetries != 0: // the client replaces -1 with 0
		return nil, errors.New("redisfeed: the client must not retry; set MaxRetries to -1")
	case config.Keep < 0 || config.KeepFor < 0 || config.Patience < 0:
		return nil, fmt.Errorf("redisfeed: Config has a negative field: %+v", config)
	case config.KeepFor > 0 && config.KeepFor < time.Second:
		return nil, fmt.Errorf("redisfeed: Config.KeepFor is %v; it must be at least a second", config.KeepFor)
	}
	config.Prefix = cmp.Or(config.Prefix, "feed:")
	config.Keep = cmp.Or(config.Keep, 1000)
	config.KeepFor = cmp.Or(config.KeepFor, time.Hour)
	config.Patience = cmp.Or(config.Patience, 10*time.Second)
	s := &Store{client: client, config: config}
	s.page.Store(firstPage)
	return s, nil
}

// stream and keys return the names of the two Redis keys of a feed. The braces
// place both on the same node of a Redis Cluster.
func (s *Store) stream(name string) string { return s.config.Prefix + "{" + name + "}" }
func (s *Store) keys(name string) string   { return s.stream(name) + ":keys" }

// channel returns the name of the channel on which all feeds are announced.
func (s *Store) channel() string { return s.config.Prefix + "changed" }

// Append adds an event to a feed and returns its id. After an error, the event
// may have been added nevertheless.
func (s *Store) Append(ctx context.Context, name string, e http.Event) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	id, err := add.Run(ctx, s.client, []string{s.stream(name), s.keys(name)},
		newTag(), e.Name, e.Data, e.Key,
		s.config.Keep+1, // the position before the oldest event
		s.config.KeepFor.Milliseconds(), s.channel(), name).Text()
	if err != nil {
		return "", fmt.Errorf("redisfeed: %w", err)
	}
	return id, nil
}

// newTag returns 80 random bits.
func newTag() string { return rand.Text()[:16] }

// Read returns a page for each position. It reads the entry at the position too:
// if it is there, with the tag, no event after it is missing.
func (s *Store) Read(ctx context.Context, after []http.FeedPosition) ([]http.FeedPage, error) {
	if err := ctx.Err(); err != nil || len(after) == 0 {
		return nil, err
	}
	limit := max(s.page.Load()/int64(len(after)), 4)
	pages := make([]http.FeedPage, len(after))
	restart, err := s.read(ctx, after, pages, limit)
	if err == nil {
		err = s.restart(ctx, after, restart, pages, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("redisfeed: %w", err)
	}
	s.adapt(pages)
	return pages, nil
}

// read reads the pages whose position is in its stream, and returns the indexes of
// the others.
func (s *Store) read(ctx context.Context, after []http.FeedPosition, pages []http.FeedPage, limit int64) (others []int, err error) {
	pipe := s.client.Pipeline()
	entries := make([]*redis.XMessageSliceCmd, len(after))
	left := make([]*redis.DurationCmd, len(after))
	for i, p := range after {
		id, ok := entryID(p.After)
		if !ok {
			others = append(others, i)
			continue
		}
		// Read the position, the events, and one more that sets More.
		entries[i] = pipe.XRangeN(ctx, s.stream(p.Feed), id, "+", limit+2)
		left[i] = pipe.PTTL(ctx, s.stream(p.Feed))
	}
	if pipe.Len() == 0 {
		return others, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var old []string
	for i, p := range after {
		if entries[i] == nil {
			continue
		}
		found := entries[i].Val()
		if len(found) == 0 || positionOf(found[0]) != p.After {
			others = append(others, i)
			continue
		}
		pages[i] = newPage(found[1:], limit)
		pages[i].Next = cmp.Or(pages[i].Next, p.After)
		if left[i].Val() < s.config.KeepFor*3/4 {
			old = append(old, s.stream(p.Feed), s.keys(p.Feed))
		}
	}
	s.renew(ctx, old)
	return others, nil
}

// renew sets the expiry of Redis keys to its full length.
func (s *Store) renew(ctx context.Context, keys []string) {
	pipe := s.client.Pipeline()
	for _, key := range keys {
		pipe.PExpire(ctx, key, s.config.KeepFor)
	}
	_, _ = pipe.Exec(ctx) // after an error, the next read tries again
}

// restart reads the pages with the given indexes from the beginning of their
// streams.
func (s *Store) restart(ctx context.Context, after []http.FeedPosition, indexes []int, pages []http.FeedPage, limit int64) error {
	for _, i := range indexes {
		reply, err := open.Run(ctx, s.client, []string{s.stream(after[i].Feed), s.keys(after[i].Feed)},
			newTag(), s.config.KeepFor.Milliseconds(), limit+2).Result()
		if err != nil {
			return err
		}
		found, err := parse(reply)
		if err != nil {
			return err
		}
		first := ""
		if !isEvent(found[0]) {
			first = positionOf(found[0])
			found = found[1:]
		}
		pages[i] = newPage(found, limit)
		pages[i].First = first
		pages[i].Next = cmp.Or(pages[i].Next, first)
		pages[i].Gap = after[i].After != ""
	}
	return nil
}

// adapt changes the number of entries that the next Read asks for. Redis has no
// limit in bytes.
func (s *Store) adapt(pages []http.FeedPage) {
	size, full := 0, false
	for _, page := range pages {
		full = full || page.More
		for _, e := range page.Events {
			size += len(e.Name) + len(e.Data) + len(e.Key)
		}
	}
	switch n := s.page.Load(); {
	case size > largestRead:
		s.page.Store(max(n/2, 4))
	case full && size < largestRead/4:
		s.page.Store(min(2*n, longestPage))
	}
}

// Watch calls changed for each event that is added to any feed, until ctx is done
// or the connection fails. It opens a connection for that.
func (s *Store) Watch(ctx context.Context, changed func(name string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	subscription := s.client.Subscribe(ctx, s.channel())
	defer subscription.Close()
	go s.ping(ctx, subscription)
	subscribed := false
	for {
		message, err := subscription.ReceiveTimeout(ctx, s.config.Patience)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("redisfeed: %w", err)
		}
		switch message := message.(type) {
		case *redis.Subscription:
			if subscribed { // the client has connected again
				return errors.New("redisfeed: the subscription was interrupted")
			}
			subscribed = true
			changed("")
		case *redis.Message:
			changed(message.Payload)
		}
	}
}

// ping sends pings, whose replies Watch receives in time if the connection works.
// When ctx is done, it closes the subscription, because the client does not look
// at ctx while it receives.
func (s *Store) ping(ctx context.Context, subscription *redis.PubSub) {
	defer subscription.Close()
	ticker := time.NewTicker(s.config.Patience / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if subscription.Ping(ctx) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// entryID returns the id in Redis of the entry at a position. It reports whether
// the position has the form of one of this package.
func entryID(position string) (id string, ok bool) {
	id, tag, ok := strings.Cut(position, ".")
	milliseconds, sequence, dash := strings.Cut(id, "-")
	return id, ok && dash && tag != "" && isNumber(milliseconds) && isNumber(sequence)
}

// isNumber reports whether s is a number that Redis accepts in an id. Redis
// reports an error for a larger one.
func isNumber(s string) bool {
	return s != "" && len(s) < 20 && strings.Trim(s, "0123456789") == ""
}

// positionOf returns the position at an entry, which is also the id of its event.
func positionOf(entry redis.XMessage) string { return entry.ID + "." + field(entry, "t") }

// isEvent reports whether an entry is an event, and not the position of an empty
// feed.
func isEvent(entry redis.XMessage) bool { return entry.Values["d"] != nil }

func field(entry redis.XMessage, name string) string {
	s, _ := entry.Values[name].(string)
	return s
}

// newPage returns the page with the first entries, up to limit.
func newPage(entries []redis.XMessage, limit int64) http.FeedPage {
	var page http.FeedPage
	if int64(len(entries)) > limit {
		entries, page.More = entries[:limit], true
	}
	for _, entry := range entries {
		page.Events = append(page.Events, http.Event{
			ID:   positionOf(entry),
			Name: field(entry, "n"),
			Data: field(entry, "d"),
			Key:  field(entry, "k"),
		})
		page.Next = positionOf(entry)
	}
	return page
}

// parse returns the entries in a script's reply, of which there is at least one.
func parse(reply any) ([]redis.XMessage, error) {
	list, _ := reply.([]any)
	var entries []redis.XMessage
	for _, item := range list {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			return nil, errReply
		}
		id, _ := pair[0].(string)
		fields, _ := pair[1].([]any)
		values := make(map[string]any, len(fields)/2)
		for i := 0; i+1 < len(fields); i += 2 {
			name, _ := fields[i].(string)
			values[name] = fields[i+1]
		}
		entries = append(entries, redis.XMessage{ID: id, Values: values})
	}
	if len(entries) == 0 {
		return nil, errReply
	}
	return entries, nil
}

var errReply = errors.New("the script returned something else than entries")
