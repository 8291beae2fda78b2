// Package redisfeed lets servers share feeds through Redis. It is an example to
// copy. A feed is a Redis stream, and an event is one of its entries.
//
// # Redis settings
//
// If Redis acknowledges an event and then loses it, the event is lost. Followers that
// had read it get a gap; if no server had read it, followers get no gap. Use these
// settings to prevent that:
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
// returned. Redis 6.2 or later is required. The tests use Redis 7.0 without Redis
// Cluster.
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

// page returns the entries of a stream after a position, at least one if there is
// one, and otherwise up to limits of their number and size. It reads the entry at
// the position too: if it is there, with the tag, nothing after it is missing. The
// entry itself is not returned, because it may be large and a feed is read often
// when it has no new events.
//
// If the position is not there, page returns the first entries. If there are none,
// it creates the stream with an entry that is not an event: its id is the position
// of the empty feed. As for any position, its absence later shows that events may
// have been lost.
//
// The entries are read in small steps because Redis has no limit of their size. The
// expiry of a stream that is read is renewed, but not each time, because Redis
// writes that to its log and to replicas.
var page = redis.NewScript(`
local stream, keys = KEYS[1], KEYS[2]
local id, tag, age, new = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local limit, room = tonumber(ARGV[5]), tonumber(ARGV[6])
local step = 2
local found = id == "" and {} or redis.call("XRANGE", stream, id, "+", "COUNT", step)
local known = found[1] and found[1][1] == id and found[1][2][2] == tag
if not known then
	if redis.call("XLEN", stream) == 0 then
		redis.call("DEL", stream, keys)
		redis.call("XADD", stream, "*", "t", new)
	end
	found = redis.call("XRANGE", stream, "-", "+", "COUNT", step)
end
local entries, events, more = {}, 0, false
local skip = known
while found[1] and not more do
	for _, entry in ipairs(found) do
		if not skip then
			local fields = entry[2]
			for _, field in ipairs(fields) do
				room = room - #field
			end
			more = events >= limit or events > 0 and room < 0
			if more then
				break
			end
			entries[#entries + 1] = entry
			events = events + (#fields > 2 and 1 or 0)
		end
		skip = false
	end
	if #found < step then
		break
	end
	local last = found[#found][1]
	step = math.min(2 * step, 16)
	found = redis.call("XRANGE", stream, "(" .. last, "+", "COUNT", step)
end
if redis.call("PTTL", stream) < age * 3 / 4 then
	redis.pcall("PEXPIRE", stream, age)
	redis.pcall("PEXPIRE", keys, age)
end
return {known and 1 or 0, more and 1 or 0, entries}
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
	// feeds are deleted too, and followers get a gap. The minimum is a second. The
	// default is an hour.
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
}

const (
	longestPage = 256     // number of events
	largestRead = 4 << 20 // bytes, unless the first events of the pages are larger
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
	return &Store{client: client, config: config}, nil
}

// stream and keys return the names of the two Redis keys of a feed. The braces
// place both on the same node of a Redis Cluster.
func (s *Store) stream(name string) string { return s.config.Prefix + "{" + name + "}" }
func (s *Store) keys(name string) string   { return s.stream(name) + ":keys" }

// channel returns the name of the channel on which all feeds are announced.
func (s *Store) channel() string { return s.config.Prefix + "changed" }

// Append adds an event to a feed and returns its id. After an error, the event
// may have been added anyway.
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

// Read returns a page for each position. It makes one round trip. The pages have up
// to about 4 MB together, but one event each if there is one.
func (s *Store) Read(ctx context.Context, after []http.FeedPosition) ([]http.FeedPage, error) {
	if err := ctx.Err(); err != nil || len(after) == 0 {
		return nil, err
	}
	replies, err := s.runPage(ctx, after)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = page.Load(ctx, s.client).Err(); err == nil {
			replies, err = s.runPage(ctx, after)
		}
	}
	pages := make([]http.FeedPage, len(after))
	for i := range after {
		if err == nil {
			pages[i], err = parse(replies[i].Val(), after[i].After)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("redisfeed: %w", err)
	}
	return pages, nil
}

// runPage runs the script page for each position, in one pipeline.
func (s *Store) runPage(ctx context.Context, after []http.FeedPosition) ([]*redis.Cmd, error) {
	pipe := s.client.Pipeline()
	replies := make([]*redis.Cmd, len(after))
	for i, p := range after {
		id, tag := split(p.After)
		replies[i] = pipe.EvalSha(ctx, page.Hash(), []string{s.stream(p.Feed), s.keys(p.Feed)},
			id, tag, s.config.KeepFor.Milliseconds(), newTag(), longestPage, largestRead/len(after))
	}
	_, err := pipe.Exec(ctx)
	return replies, err
}

// Watch opens a connection and calls changed for each event that is added to any
// feed, until ctx is done or the connection fails.
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

// split returns the id in Redis of the entry at a position, and its tag. They are
// empty if the position was not created by this package.
func split(position string) (id, tag string) {
	id, tag, _ = strings.Cut(position, ".")
	milliseconds, sequence, _ := strings.Cut(id, "-")
	if tag == "" || !isNumber(milliseconds) || !isNumber(sequence) {
		return "", ""
	}
	return id, tag
}

// isNumber reports whether s is a number that Redis accepts in an id. Redis
// reports an error for a larger one.
func isNumber(s string) bool {
	return s != "" && len(s) < 20 && strings.Trim(s, "0123456789") == ""
}

var errReply = errors.New("the script returned something else than a page")

// parse returns the page in a reply of the script page.
func parse(reply any, after string) (http.FeedPage, error) {
	var result http.FeedPage
	parts, _ := reply.([]any)
	if len(parts) != 3 {
		return result, errReply
	}
	result.More = parts[1] == int64(1)
	if known := parts[0] == int64(1); known {
		result.Next = after
	} else {
		result.Gap = after != ""
	}
	entries, _ := parts[2].([]any)
	for i, entry := range entries {
		position, fields, err := parseEntry(entry)
		if err != nil {
			return result, err
		}
		result.Next = position
		if _, ok := fields["d"]; !ok { // the position of the empty feed
			if i == 0 {
				result.First = position
			}
			continue
		}
		result.Events = append(result.Events, http.Event{ID: position, Name: fields["n"], Data: fields["d"], Key: fields["k"]})
	}
	if result.Next == "" {
		return result, errReply
	}
	return result, nil
}

// parseEntry returns the position at an entry, which is the id of its event, and the
// entry's fields.
func parseEntry(entry any) (position string, fields map[string]string, err error) {
	pair, _ := entry.([]any)
	if len(pair) != 2 {
		return "", nil, errReply
	}
	id, _ := pair[0].(string)
	list, _ := pair[1].([]any)
	fields = make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		fields[name], _ = list[i+1].(string)
	}
	return id + "." + fields["t"], fields, nil
}
