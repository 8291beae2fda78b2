package http

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/eventstream"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/websocket"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// ErrFeedClosed is returned by the methods of a [Feed] that has been closed.
var ErrFeedClosed = feed.ErrClosed

// An Event is an entry in a [Feed].
type Event struct {
	// ID is the position of the event in its feed. The feed sets it to 1 to 64
	// characters of A-Z, a-z, 0-9, dot, underscore and hyphen. No other published
	// event, in any feed, ever has the same ID. The ID of a snapshot or a gap is a
	// position, which may be the ID of an earlier event. [Feed.Publish] ignores the field.
	ID string

	// Name is the type of the event, which a page passes to addEventListener. It
	// may be empty. It must be valid UTF-8 without line breaks or NULs. The name
	// "gap" is reserved: it announces to clients that events are missing.
	Name string

	// Data is the content. It must be valid UTF-8 and is often JSON; see
	// [JSONEvent]. In an event stream, each line break (CR, LF or CRLF) is received
	// as "\n".
	Data string

	// Key identifies the event for retries. If the feed, or its Store, still keeps
	// an event with the same Key, Publish adds nothing and returns the ID of that
	// event. It must be valid UTF-8 and may be empty. Clients do not receive it.
	Key string

	// Gap reports whether the event announces that events are missing. If so, ID is
	// the position from which the feed continues, Name is "gap", and Data is "{}".
	// Only the feed creates such events; Publish rejects them.
	Gap bool

	err error // from JSONEvent
}

// JSONEvent returns an event whose Data is the JSON encoding of v. If v cannot be
// encoded, [Feed.Publish] and [Conn.WriteEvent] return an error that wraps
// [ErrInvalidEvent]. If Snapshot returns such an event, the stream ends.
func JSONEvent(name string, v any) Event {
	data, err := json.Marshal(v)
	if err != nil {
		err = fmt.Errorf("%w: event %q: %w", ErrInvalidEvent, name, err)
	}
	return Event{Name: name, Data: string(data), err: err}
}

// internal converts e to the Event of package feed.
func (e Event) internal() feed.Event {
	return feed.Event{ID: e.ID, Name: e.Name, Data: e.Data, Key: e.Key, Gap: e.Gap}
}

// publicEvent converts an Event of package feed. It is the inverse of Event.internal.
func publicEvent(e feed.Event) Event {
	return Event{ID: e.ID, Name: e.Name, Data: e.Data, Key: e.Key, Gap: e.Gap}
}

// A FeedConfig configures a [Feed] or [Feeds]. The zero value keeps 1,000 events,
// at most 16 MiB, for one hour, in the memory of the process. For Feeds, these limits
// apply to each feed.
type FeedConfig struct {
	// Keep is the maximum number of events kept for clients that reconnect or read
	// slowly. If it is 0, 1,000 is used.
	Keep int

	// KeepBytes is the maximum size of the kept events in bytes, including their
	// encodings. The newest event is kept even if it alone exceeds the limit. If
	// KeepBytes is 0, 16 MiB is used.
	KeepBytes int64

	// KeepFor is how long events are kept. If it is 0, one hour is used. With a
	// Store, the time begins when this process reads the event.
	KeepFor time.Duration

	// History sends the kept events to a new client, one that connects without an ID.
	// Otherwise, a new client gets only events that are published later. History cannot
	// be combined with Snapshot.
	History bool

	// Latest means that each event replaces all events before it, as in a list of
	// the users who are present. A client that is behind then gets only the newest
	// event, without a gap. Set History too, so that a new client gets the newest
	// event immediately.
	Latest bool

	// Snapshot returns, as an event, the state that the events change. A client that is
	// new or has a gap gets the snapshot first, and then the events after it. The feed
	// sets the ID of the snapshot to the position before these events. The key is the
	// one passed to [Feeds.Feed], or empty for a single Feed. See [Feed] for the order
	// in which to change the state and publish.
	//
	// One call serves all waiting clients, and its result is reused for at most one
	// second. The context is canceled after a minute, or earlier if no client is
	// waiting any longer. If Snapshot returns an error, panics, or takes longer than a
	// minute, the streams of the waiting clients end, and the clients reconnect. The
	// same happens if so many events are published in the meantime that the first of
	// them is no longer kept. After the minute, another call may begin even if Snapshot
	// has not returned, but while 10 such calls for a feed have not returned, its
	// streams that need a snapshot end. Snapshot must be safe for concurrent use by
	// multiple goroutines.
	Snapshot func(ctx context.Context, key string) (Event, error)

	// Heartbeat is the longest time that a connection is idle. An event stream gets a
	// comment before that, and a WebSocket gets a ping at this interval, so that proxies
	// do not close the connection. With a Store, each followed feed is also read from
	// the Store at least this often. If Heartbeat is 0, 20 seconds is used.
	Heartbeat time.Duration

	// WriteTimeout is the timeout for sending to a client. A client that exceeds it is
	// disconnected. On an event stream, it limits each write of up to 32 KiB, as with
	// [SSEWriter.SetWriteTimeout], so it also disconnects clients that read very slowly.
	// On a WebSocket, it limits how long the client may read nothing; see
	// [Conn.SetWriteTimeout]. It also disconnects clients that have disappeared without
	// closing the connection; see [NewSSEWriter] for the systems on which streams detect
	// that. If WriteTimeout is 0, 30 seconds is used.
	WriteTimeout time.Duration

	// Retry is how long a browser waits before it reconnects to an event stream. Each
	// stream gets a random time between 0.5 and 1.5 times Retry, so that clients do not
	// all reconnect at the same moment. If it is 0, 2 seconds is used.
	Retry time.Duration

	// Store keeps the events, so that several processes share the feed. The Store
	// decides how long it keeps them; Keep, KeepBytes and KeepFor limit the copy in
	// this process. If nil, the feed exists only in the memory of this process:
	// other processes, including the next version during a deployment, have
	// separate feeds.
	Store FeedStore

	// Name is the name of the feed in the Store. [NewFeed] requires it if Store is
	// set. Name has no effect without a Store. For [Feeds], it is the prefix of each
	// key. For example, with the Name "room:", the feed with the key "lobby" is
	// "room:lobby" in the Store. Do not use a Name that is a prefix of another Name in
	// the same Store. For example, with the Names "a" and "ab", the keys "bc" and "c"
	// would both select "abc".
	Name string
}

// check panics if the configuration is invalid.
func (c *FeedConfig) check(named bool) {
	var wrong callsite.FieldErrors
	if c.Keep < 0 {
		wrong.Addf("Keep", "%d is negative", c.Keep)
	}
	if c.KeepBytes < 0 {
		wrong.Addf("KeepBytes", "%d is negative", c.KeepBytes)
	}
	if c.History && c.Snapshot != nil {
		wrong.Addf("History", "has no effect together with Snapshot")
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"KeepFor", c.KeepFor}, {"Heartbeat", c.Heartbeat}, {"WriteTimeout", c.WriteTimeout}, {"Retry", c.Retry}} {
		if d.value < 0 {
			wrong.Addf(d.field, "%v is negative", d.value)
		}
	}
	if c.Store != nil && c.Name == "" && named {
		wrong.Addf("Name", "is empty; with a Store, give the feed a name")
	}
	wrong.PanicIfAny("FeedConfig")
}

// A FeedStore keeps the events of feeds outside the process, so that several processes
// share them. Watch only announces that there may be something to read. If an
// announcement is lost, late, repeated or wrong, clients may get events later, but miss
// none, because each followed feed is also read at regular intervals.
//
// Methods must be safe for concurrent use by multiple goroutines, and should return
// when the context is done; the feed does not wait for them after that. The contexts of
// Append and Read end after 5 seconds, or half of FeedConfig.Heartbeat if that is less.
//
// Clients get the events that the store returns. If it accepts an event and loses it
// before any process has read it, for example in a crash, clients miss the event and get
// no gap. A store should therefore accept an event only when it is as durable as the
// events must be.
//
// # PostgreSQL
//
// One table has a row with a counter for each feed; another table has the events.
//
//   - In one transaction, Append increments the counter with UPDATE, inserts the event
//     with that number, a random suffix and the Key, and calls pg_notify with the name
//     of the feed. UPDATE locks the row until the transaction ends, so numbers are
//     committed in order, and Append can look up the Key after the UPDATE. Do not use
//     a sequence: a number can be committed after a higher one that Read has already
//     returned, and Read would then skip it.
//   - The ID is the number with the suffix. After a backup is restored, numbers are used
//     again, but suffixes are not.
//   - Read selects the events whose number is at least that of After. If the first one
//     does not have the ID After, including the suffix, the page is a Gap. The position
//     of the empty feed can be a row that is not an event.
//   - Watch uses LISTEN and returns when the connection fails.
//   - A transaction that changes the state can insert the event itself, in the same way
//     and as its last step. Then a crash loses no event, and no outbox is needed.
//
// # NATS JetStream
//
// All feeds share a stream, and each feed has its own subject.
//
//   - Append publishes a message with a random suffix in a header. The ID is the sequence
//     number with the suffix. Do not use the creation time of the stream as the suffix: a
//     server that loses power may have lost messages that it had acknowledged, if it uses
//     the default sync_interval, and then uses their numbers again.
//   - The Nats-Msg-Id is the name of the feed with the Key. The stream remembers keys
//     for its duplicate window, which must be longer than callers retry. If the
//     acknowledgment reports a duplicate, its number is that of the first message,
//     whose suffix Append then reads.
//   - Read gets the message of After, compares the suffix, gets the messages of the
//     subject that follow, and then checks that the first message is still there. If it
//     is, no later message was dropped, because limits drop the oldest first.
//     Otherwise, the page is a Gap, and is read in the same way from the first message
//     of the subject. Do not set AllowDirect on the stream, because replicas that lag
//     behind could then respond.
//   - The position of the empty feed can be a message that is not an event, with the
//     header Nats-Expected-Last-Subject-Sequence: 0, so that only one process adds it.
//   - Watch uses an ordered consumer that gets headers only. A subscription without
//     JetStream may announce a message before the stream has it.
type FeedStore interface {
	// Append adds an event to the end of the named feed and returns its new ID. If the
	// feed still has an event with the same Key, Append adds nothing and returns the ID
	// of that event. When Append returns, Read must return the event, in every process.
	// If one call returns before another begins, in any process, its event comes first.
	//
	// An ID has 1 to 64 characters of [A-Za-z0-9._-] and is not "begin". It must
	// never be used again, in any feed, even if the store loses its data. For
	// example, a counter is not enough, but a counter with a random suffix is.
	Append(ctx context.Context, name string, e Event) (id string, err error)

	// Read returns a page for each position, in the same order. One call has at most
	// 256 positions. Read does not wait for events. If the store drops events that
	// belong to a page while Read reads it, the page must be a Gap, or Read must return
	// an error. If a page is invalid, for example because it repeats an event, it is
	// not used, the error is logged, and the feed is read again later.
	Read(ctx context.Context, after []FeedPosition) ([]FeedPage, error)

	// Watch calls changed with the name of each feed to which any process adds an
	// event. An empty name means all feeds. Watch returns when ctx is done, or when it
	// may have missed an event; in the second case, it is called again. Watch should
	// call changed("") as soon as it is watching. changed is safe for concurrent use by
	// multiple goroutines and returns quickly.
	Watch(ctx context.Context, changed func(name string)) error
}

// A FeedPosition is a position in a feed of a [FeedStore].
type FeedPosition struct {
	// Feed is the name of the feed.
	Feed string

	// After is the ID of the event before the position. If it is empty, the position is
	// before all events that the store has.
	After string
}

// A FeedPage is a part of a feed that begins at a [FeedPosition].
type FeedPage struct {
	// Events are consecutive, the oldest first. Each has its ID. There may be any
	// number of them, but at least one if More is set. If there are more than
	// FeedConfig.Keep, connected clients may get a gap.
	Events []Event

	// First is the position before Events if Events begin with the oldest event that is
	// left; in other pages, it is ignored. For example, it is the position that the
	// feed had while it was empty. A client that was at this position in another
	// process then gets no gap. First may be empty if it is not known.
	First string

	// Next is the position after Events: the ID of the last one. If there are no
	// Events, Next is After; if Gap is set or After is empty, it is the position of the
	// empty feed instead. That position must be the same in all processes until an
	// event is added to the feed.
	Next string

	// More reports whether there are events after Next.
	More bool

	// Gap reports whether After is not a position of the feed, or events after it
	// have been dropped. If so, Events begin with the oldest event that is left.
	Gap bool
}

// A Feed is an ordered log of events that any number of clients follow, each at its own
// pace. Each client gets each event once, in order, or a gap, unless FeedConfig.Latest
// is set. A client that reconnects continues after its last event. [Feed.ServeHTTP]
// sends the events to pages with EventSource, and [Feed.Send] to a WebSocket.
//
// The zero value is ready to use, with the defaults of [FeedConfig]. Create other
// feeds with [NewFeed], and many feeds of one kind with [NewFeeds]. A Feed is safe
// for concurrent use by multiple goroutines. It must not be copied after first use.
//
// # Publishing
//
// [Feed.Publish] returns when the log has the event. It does not wait for clients.
// If one call returns before another begins, in any process, its event comes first for
// all clients. There is no order between the events of different feeds.
//
// # Slow clients
//
// A client that reads slowly delays neither Publish nor other clients, and has no
// queue: it falls behind in the log. When its next event is no longer kept, it gets a
// gap. If sending to it takes longer than FeedConfig.WriteTimeout allows, it is
// disconnected. If its next event is still kept, it can reconnect and continue.
//
// # Gaps
//
// A client gets a gap if it has missed events. It may also get one if it has missed
// none, for example after a restart of a process whose feed is in memory. A gap is sent
// like an event, at the point where events may be missing. After the gap, the client
// begins like a new client: with the snapshot, with the kept events if
// FeedConfig.History is set, or with the next event. Without a snapshot, a page usually
// loads its state again.
//
// # Snapshots
//
// FeedConfig.Snapshot gives clients the state that events change. The feed takes its
// position before it calls Snapshot, so the state may already include changes whose
// events follow. Therefore:
//
//   - Publish an event after its change has been committed.
//   - Read the state from the database that has the change, not from a replica that
//     lags behind.
//   - Make events idempotent. For example, send "task 7 is done" instead of "one more
//     task is done".
//
// If the process crashes between the commit and Publish, the event is missing. If that
// matters, write the event to an outbox table in the same transaction, and let another
// goroutine publish the rows of that table, each with a Key.
//
// # Several processes
//
// With FeedConfig.Store, events published by one process reach the clients of all
// processes, in the order of the Store. A process sends an event only after reading it
// from the Store. A client that reconnects to another process continues there. If the
// Store cannot be reached, Publish fails; clients stay connected and get the events
// later. Each process uses two goroutines for the Store while it has clients.
//
// # Access
//
// Anyone who may follow a feed may read all events that it keeps. Check that the client
// may read the feed before calling ServeHTTP or Send, and use one feed for each group
// of users, for example with [Feeds]. If a client loses access later, its stream
// continues. To be able to end it, pass a context that you can cancel, for example with
// [net/http.Request.WithContext].
type Feed struct {
	key   string
	keyed bool // it belongs to Feeds
	once  sync.Once
	set   *feedSet // use open
}

// A feedSet contains the feeds of one configuration.
type feedSet struct {
	FeedConfig
	logs   *feed.Registry
	began  time.Time
	logged atomic.Int64 // when logFailure last logged, in nanoseconds since began
}

// NewFeed returns a Feed. It panics if config is invalid, for example if a field is
// negative.
func NewFeed(config FeedConfig) *Feed {
	config.check(true)
	return &Feed{set: newFeedSet(config, true)}
}

func newFeedSet(config FeedConfig, single bool) *feedSet {
	c := config
	c.Keep = cmp.Or(c.Keep, 1000)
	c.KeepBytes = cmp.Or(c.KeepBytes, 16<<20)
	c.KeepFor = cmp.Or(c.KeepFor, time.Hour)
	c.Heartbeat = cmp.Or(c.Heartbeat, 20*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, response.DefaultStreamTimeout)
	c.Retry = cmp.Or(c.Retry, 2*time.Second)
	interval := max(c.Heartbeat, 10*time.Millisecond) // less would only keep the Store busy
	logs := feed.Config{
		Limits:    feed.Limits{Events: c.Keep, Bytes: c.KeepBytes, Age: c.KeepFor},
		Start:     feed.Start{History: c.History, Latest: c.Latest},
		Permanent: single,
		Prefix:    c.Name,
		Interval:  interval,
		Timeout:   min(5*time.Second, interval/2),
	}
	if take := c.Snapshot; take != nil {
		logs.Snapshot = func(ctx context.Context, key string) (feed.Event, error) {
			e, err := take(ctx, key)
			return e.internal(), cmp.Or(err, e.err)
		}
	}
	if c.Store != nil {
		logs.Store = feedStore{c.Store}
	}
	return &feedSet{FeedConfig: c, logs: feed.NewRegistry(logs), began: time.Now()}
}

// open returns the set of the feed.
func (f *Feed) open() *feedSet {
	f.once.Do(func() {
		if f.set == nil {
			f.set = newFeedSet(FeedConfig{}, true)
		}
	})
	return f.set
}

// Publish adds an event to the feed and returns its ID. Its cost does not depend on the
// number of clients.
//
// If the error wraps [ErrInvalidEvent] or [ErrFeedClosed], the event was not added.
// Without a Store, there are no other errors, and ctx is not used. With a Store, any
// other error means that the outcome is unknown: the event may have been added. To be
// able to publish it again without adding it twice, set its Key before the first
// attempt. Publish gives the Store up to 5 seconds, or half of FeedConfig.Heartbeat if
// that is less.
func (f *Feed) Publish(ctx context.Context, e Event) (id string, err error) {
	if e.err != nil {
		return "", e.err
	}
	return f.open().logs.Publish(ctx, f.key, e.internal())
}

// Follow returns an iterator over the events that follow the event with the ID after.
// It waits for further events. If after is empty, it begins as for a new client. The
// position is looked up when a range loop begins; each loop begins at after again.
//
// The sequence ends when ctx is done, when the feed is closed, or when Snapshot fails.
// The last pair then has a zero Event and a non-nil error: the cause of ctx,
// [ErrFeedClosed] or the error from Snapshot. In all other pairs, the error is nil. A
// loop may break at any time; nothing needs to be closed.
//
// Follow is for handlers that send events in another form, and for other consumers. An
// event with Gap set announces missing events; forward it like the others. To continue
// later, keep the ID of the last event. A handler that skips events should occasionally
// send the ID of a skipped event, for example with [SSEWriter.ID]. Otherwise, its
// client reconnects with an old ID and may get a gap.
func (f *Feed) Follow(ctx context.Context, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		follower, err := f.follow(after)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer follower.Close()
		for {
			step, err := follower.Wait(ctx)
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			if !yieldStep(ctx, step, yield) {
				return
			}
		}
	}
}

// yieldStep yields the events of a step, until ctx is done. It reports whether the loop
// goes on.
func yieldStep(ctx context.Context, step feed.Step, yield func(Event, error) bool) bool {
	if step.Gap && !yield(publicEvent(gapEvent(step.Position)), nil) {
		return false
	}
	if step.Snapshot != nil && !yield(publicEvent(step.Snapshot.Event), nil) {
		return false
	}
	for _, entry := range step.Events {
		if ctx.Err() != nil {
			return true
		}
		if !yield(publicEvent(entry.Event), nil) {
			return false
		}
	}
	return true
}

// gapEvent returns the event that announces a gap.
func gapEvent(position string) feed.Event {
	return feed.Event{ID: position, Name: feed.GapName, Data: "{}", Gap: true}
}

// noID is not the ID of any event. It replaces invalid IDs from clients.
const noID = "~"

// follow returns a follower of the feed.
func (f *Feed) follow(after string) (*feed.Follower, error) {
	if after != "" && !feed.ValidID(after) {
		after = noID // takes less memory
	}
	return f.open().logs.Follow(f.key, after)
}

// ServeHTTP sends the events of the feed to a page with EventSource, until the client
// disconnects, the server stops, or the feed is closed.
//
// The client begins after the event whose ID is in the Last-Event-ID field, which
// browsers send when they reconnect, or in the query parameter lastEventID, for pages
// that open a new EventSource. The header field takes precedence unless it is empty. If
// the ID is unknown, if the event after it is no longer kept, or if there are several
// different IDs, the client gets a gap.
//
// # The stream
//
// The header is sent immediately, followed by the position of the client as an id, so
// that a client that disconnects before its first event can also continue. With a
// Store, the position is sent once the feed has been read. A client that sends the id
// "begin" begins like a new client. The ID, Name and Data of an event are sent in the
// fields id, event and data. A gap is an event with the name "gap" and the data {}.
// For example:
//
//	retry: 1730
//	id: 3.N2DAQVZLJXWSKQ5M
//
//	id: 4.N2DAQVZLJXWSKQ5M
//	event: added
//	data: {"title":"Buy milk"}
//
// A comment is sent before the stream has been idle for FeedConfig.Heartbeat. Events
// that are ready are sent together, up to about 64 KiB at a time; a snapshot or a
// single large event may exceed that. The rules of [NewSSEWriter] about header fields,
// timeouts, and wrapped ResponseWriters apply.
//
// # Other responses
//
// ServeHTTP responds with 405 to methods other than GET, and with 204 if the feed is
// closed; browsers do not reconnect after 204. It never responds with 500, because
// browsers then stop reconnecting too: if Snapshot fails, the stream ends and the
// browser tries again. The error is logged with the request's logger (see
// [LoggerFromContext]), at most once per Heartbeat.
func (f *Feed) ServeHTTP(w ResponseWriter, r *Request) {
	if r.Method != MethodGet {
		response.SetHeader(w, "Allow", MethodGet)
		WriteError(w, StatusMethodNotAllowed, "method not allowed")
		return
	}
	set := f.open()
	follower, err := f.follow(requestedID(r))
	if err != nil {
		w.WriteHeader(StatusNoContent)
		return
	}
	defer follower.Close()
	client := &streamClient{set: set, w: w}
	err = set.send(r.Context(), follower, client, nil)
	switch {
	case client.failed && errors.Is(err, ErrNotSupported):
		set.logFailure(r.Context(), "feed stream failed", err)
		return
	case client.failed || r.Context().Err() != nil || errors.Is(err, ErrFeedClosed):
		return
	}
	set.logFailure(r.Context(), "feed snapshot failed", err)
	_ = client.stream.sendBlocks(append(set.appendRetry(nil), '\n')) // the stream ends anyway
}

// requestedID returns the id after which a client wants to continue, or "". If the
// request names several, the client may have missed events after any of them, so the
// result is noID, which causes a gap.
func requestedID(r *Request) string {
	id := onlyID(r.Header.Values("Last-Event-ID"))
	if id == "" && r.URL != nil {
		id = onlyID(r.URL.Query()["lastEventID"])
	}
	return id
}

func onlyID(values []string) (id string) {
	for _, value := range values {
		if value != "" && id != "" && value != id {
			return noID
		}
		id = cmp.Or(value, id)
	}
	return id
}

// Send sends the events of the feed to a WebSocket connection. If after is not empty,
// the client begins after the event with that ID. For example, a page that reconnects
// can put the last ID that it received in the URL. New clients, unknown IDs and gaps are
// handled as in [Feed.ServeHTTP].
//
// Send returns when ctx is done, with the cause; when either end closes the connection or
// the connection is lost, with [net.ErrClosed] or the error of the write, for example
// [ErrCloseSent]; when the feed is closed, with [ErrFeedClosed]; or when Snapshot fails,
// with its error. The error is never nil.
//
// # Messages
//
// Events are text messages of the form {"id":ID,"event":NAME,"data":DATA}. If the Name
// is empty, there is no "event". If the Data is valid JSON, it is inserted unchanged;
// otherwise, it is a JSON string. The first message is {"id":ID}, with the position of
// the client. A gap is {"id":ID,"event":"gap","data":{}}.
//
// A message is encoded once for all connections, and compressed at most once. Messages
// that are ready are sent together, up to about 64 KiB at a time; a snapshot or a
// single large event may exceed that.
//
// # The connection
//
// Send calls [Conn.SetWriteTimeout] with FeedConfig.WriteTimeout and [Conn.KeepAlive]
// with FeedConfig.Heartbeat and WriteTimeout. If a write fails, for example because the
// client does not read, Send calls [Conn.CloseNow]. Otherwise, the caller must close the
// connection.
//
// Send does not read. Another goroutine must call a reading method until it returns an
// error, even if the client sends nothing. Otherwise, pongs and close frames are not
// processed. Several calls of Send can use one connection at the same time, and other
// messages can be sent on it too. Positions and gaps do not name their feed, so if the
// client needs the positions of several feeds, use a separate connection for each.
//
// If Send returns while the connection is open, for example because Snapshot failed,
// close the connection, so that the client reconnects.
//
// # Memory
//
// While a handler waits for Send, the server keeps the request's goroutine and buffers,
// about 14 KB per connection. With many thousands of connections, call Send and
// the reading method in goroutines and return from the handler: the connection
// outlives it, Send returns when the connection is closed, and [Server.Stop] closes
// it. Do not pass the request's context, which is canceled when the handler returns, or
// a context derived from it, which would keep the request in memory.
func (f *Feed) Send(ctx context.Context, c *Conn, after string) error {
	conn := c.established()
	set := f.open()
	follower, err := f.follow(after)
	if err != nil {
		return err
	}
	defer follower.Close()
	conn.SetWriteTimeout(set.WriteTimeout)
	conn.KeepAlive(set.Heartbeat, set.WriteTimeout)
	return set.send(ctx, follower, &socketClient{conn: conn}, conn.Ended())
}

// Close closes the feed. Clients get the remaining events, or with a Store those that
// this process has already read, and then their streams end. Later calls of Publish,
// Follow and Send fail with [ErrFeedClosed], and ServeHTTP responds with 204. Close does
// not wait for clients. Calls after the first have no effect. With a Store, the feed
// remains open in other processes.
//
// Close panics if the feed belongs to [Feeds].
func (f *Feed) Close() {
	if f.keyed {
		callsite.Panicf("Feed.Close called for the feed %q of Feeds; close all feeds with Feeds.Close", f.key)
	}
	f.open().logs.Close()
}

// Feeds is a set of feeds with the same configuration, each identified by a key; for
// example, one feed for each user or chat room. Without a Store, a feed takes memory
// only while it is followed or keeps events; with a Store, only while it is followed in
// this process. Without a Store, a client gets a gap if, while it was disconnected, its
// feed had no followers and kept no events.
//
// A single feed of a Feeds cannot be closed. To end the streams of one key, for example
// because its chat room was deleted, cancel the contexts that were passed to [Feed.Send] and
// [Feed.ServeHTTP]. The handler should respond to new requests for the key with an error.
//
// The zero value is ready to use, with the defaults of [FeedConfig]. A Feeds is safe for
// concurrent use by multiple goroutines. It must not be copied after first use.
type Feeds struct {
	once sync.Once
	set  *feedSet // use open
}

// NewFeeds returns a Feeds. It panics if config is invalid, for example if a field is
// negative.
func NewFeeds(config FeedConfig) *Feeds {
	config.check(false)
	return &Feeds{set: newFeedSet(config, false)}
}

// open returns the set of the feeds.
func (f *Feeds) open() *feedSet {
	f.once.Do(func() {
		if f.set == nil {
			f.set = newFeedSet(FeedConfig{}, false)
		}
	})
	return f.set
}

// Feed returns the feed with the given key. The returned Feed is only a handle: calls
// with the same key return equivalent Feeds, which need not be kept.
func (f *Feeds) Feed(key string) *Feed { return &Feed{key: key, keyed: true, set: f.open()} }

// Close closes all feeds, including those whose keys have not been used yet. See
// [Feed.Close].
func (f *Feeds) Close() { f.open().logs.Close() }

// WriteEvent sends an event as a text message, in the form described at [Feed.Send].
// Use it for events from [Feed.Follow], and for events that only this client gets. If
// the ID is empty, the message has no "id". The Key is not sent. WriteEvent returns an
// error that wraps [ErrInvalidEvent] if the event cannot be sent.
func (c *Conn) WriteEvent(e Event) error {
	conn := c.established()
	if e.err != nil {
		return e.err
	}
	event := e.internal()
	if e.Gap {
		event = gapEvent(e.ID)
	} else if err := event.Check(); err != nil {
		return err
	}
	return conn.WriteFrom(frame.Text, func(b *bufpool.Buffer) error {
		appendMessage(b, event)
		return nil
	})
}

// A feedStore is a FeedStore in the form of package feed.
type feedStore struct{ store FeedStore }

// Append implements feed.Store.
func (s feedStore) Append(ctx context.Context, name string, e feed.Event) (string, error) {
	return s.store.Append(ctx, name, publicEvent(e))
}

// Read implements feed.Store.
func (s feedStore) Read(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
	positions := make([]FeedPosition, len(after))
	for i, p := range after {
		positions[i] = FeedPosition{p.Feed, p.After}
	}
	pages, err := s.store.Read(ctx, positions)
	result := make([]feed.Page, len(pages))
	for i, p := range pages {
		events := make([]feed.Event, len(p.Events))
		for j, e := range p.Events {
			events[j] = e.internal()
		}
		result[i] = feed.Page{Events: events, First: p.First, Next: p.Next, More: p.More, Gap: p.Gap}
	}
	return result, err
}

// Watch implements feed.Store.
func (s feedStore) Watch(ctx context.Context, changed func(string)) error {
	return s.store.Watch(ctx, changed)
}

// A feedClient is a client that follows a feed. It is used by one goroutine.
type feedClient interface {
	// add adds a step to the next flush, and returns how many of its last events were
	// left out because they do not fit into one write.
	add(step feed.Step) (left int)
	// flush sends what was added. It reports whether there was something to send.
	flush() (sent bool, err error)
	// heartbeat is called if nothing was sent for some time.
	heartbeat() error
}

// send sends the steps of a follower to a client, until ctx is done or closed is
// closed.
//
// The timer sends to a channel from a function: a select on Timer.C would insert the
// timer into the runtime's heap and remove it again for each event.
func (s *feedSet) send(ctx context.Context, f *feed.Follower, c feedClient, closed <-chan struct{}) error {
	interval := s.Heartbeat - rand.N(s.Heartbeat/4+1) // so that clients do not get their heartbeats together
	due := make(chan struct{}, 1)
	timer := time.AfterFunc(interval, func() { due <- struct{}{} }) // does not block: it is reset only after a receive from due
	defer timer.Stop()
	last, done := time.Now(), ctx.Done()
	for ctx.Err() == nil {
		changed, stepErr := collect(f, c)
		sent, err := c.flush()
		if err = cmp.Or(err, stepErr); err != nil {
			return err
		}
		if sent {
			last = time.Now()
		}
		if changed == nil {
			continue
		}
		select {
		case <-changed:
		case <-done:
		case <-closed:
			return net.ErrClosed
		case <-due:
			if time.Since(last) >= interval {
				if err := c.heartbeat(); err != nil {
					return err
				}
				last = time.Now()
			}
			timer.Reset(interval - time.Since(last))
		}
	}
	return context.Cause(ctx)
}

// collect passes steps to a client until no more fit into one write, or there are no
// more. In the second case, changed is not nil, and is closed when there may be more.
func collect(f *feed.Follower, c feedClient) (changed <-chan struct{}, err error) {
	for {
		step, changed, err := f.Next()
		if err != nil || step.Empty() {
			return changed, err
		}
		if left := c.add(step); left > 0 {
			f.Unread(left)
			return nil, nil
		}
	}
}

// maxWrite is the maximum encoded size, in bytes, of several events in one write. It
// bounds the memory used for a client that does not read. A larger event is sent alone,
// and all clients share its encoding.
const maxWrite = 64 << 10

// logFailure logs why the streams of clients end, at most once per Heartbeat: the same
// error ends the streams of all clients that wait.
func (s *feedSet) logFailure(ctx context.Context, message string, err error) {
	now, last := time.Since(s.began), s.logged.Load()
	if last != 0 && int64(now)-last < int64(s.Heartbeat) || !s.logged.CompareAndSwap(last, int64(now)) {
		return
	}
	attrs := []slog.Attr{slog.String("error", err.Error())}
	if panicked, ok := errors.AsType[*feed.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack)))
	}
	LoggerFromContext(ctx).LogAttrs(ctx, slog.LevelError, message, attrs...)
}

// appendRetry appends a random time until the client may reconnect: between half of
// Retry and one and a half times it.
func (s *feedSet) appendRetry(b []byte) []byte {
	ms := (s.Retry / 2).Milliseconds() + rand.N(s.Retry).Milliseconds() // the sum of the durations could overflow
	return eventstream.AppendRetry(b, max(ms, 1))
}

// A streamClient is a feedClient that writes an event stream.
type streamClient struct {
	set    *feedSet
	w      ResponseWriter
	stream *SSEWriter // nil until the header is sent
	blocks [][]byte   // to be sent; most are shared with other clients
	size   int        // number of bytes of blocks
	failed bool       // a write has failed
}

// add implements feedClient.
func (c *streamClient) add(step feed.Step) (left int) {
	switch {
	case step.Gap:
		c.append(encodeBlock(gapEvent(step.Position)))
	case step.Position != "":
		c.append([]byte("id: " + step.Position + "\n\n"))
	}
	if step.Snapshot != nil {
		c.append(step.Snapshot.Encoded(feed.SSE, encodeBlock))
	}
	for i, entry := range step.Events {
		encoded := entry.Encoded(feed.SSE, encodeBlock)
		if c.size > 0 && c.size+len(encoded) > maxWrite {
			return len(step.Events) - i
		}
		c.append(encoded)
	}
	return 0
}

func (c *streamClient) append(block []byte) {
	c.blocks = append(c.blocks, block)
	c.size += len(block)
}

// flush implements feedClient.
func (c *streamClient) flush() (sent bool, err error) {
	switch {
	case c.stream == nil:
		c.stream = newSSEWriter(c.w)
		c.stream.SetWriteTimeout(c.set.WriteTimeout)
		c.blocks = slices.Insert(c.blocks, 0, c.set.appendRetry(nil))
		err = c.stream.start(c.blocks...)
	case len(c.blocks) == 0:
		return false, nil
	default:
		err = c.stream.sendBlocks(c.blocks...)
	}
	c.failed = err != nil
	clear(c.blocks) // the feed may drop the events
	c.blocks, c.size = c.blocks[:0], 0
	if cap(c.blocks) > 8 {
		c.blocks = nil
	}
	return true, err
}

// heartbeat implements feedClient.
func (c *streamClient) heartbeat() error {
	err := c.stream.sendBlocks([]byte(":\n\n"))
	c.failed = err != nil
	return err
}

// encodeBlock returns an event as a block of an event stream.
func encodeBlock(e feed.Event) []byte {
	b := make([]byte, 0, len(e.ID)+len(e.Name)+len(e.Data)+32)
	b, _ = eventstream.AppendEvent(b, e.ID, e.Name, e.Data) // package feed has checked the event
	return b
}

// A socketClient is a feedClient that writes to a WebSocket.
type socketClient struct {
	conn    *websocket.Conn
	pending []websocket.Shared
	size    int // number of bytes of pending, uncompressed
}

// add implements feedClient.
func (c *socketClient) add(step feed.Step) (left int) {
	switch {
	case step.Gap:
		c.append(&feed.Entry{Event: gapEvent(step.Position)}, encodeMessage)
	case step.Position != "":
		position := &feed.Entry{Event: feed.Event{ID: step.Position}}
		c.append(position, encodePosition)
	}
	if step.Snapshot != nil {
		c.append(step.Snapshot, encodeMessage)
	}
	for i, entry := range step.Events {
		if c.size > 0 && c.size+len(entry.Encoded(feed.Message, encodeMessage)) > maxWrite {
			return len(step.Events) - i
		}
		c.append(entry, encodeMessage)
	}
	return 0
}

func (c *socketClient) append(entry *feed.Entry, encode func(feed.Event) []byte) {
	c.pending = append(c.pending, sharedEvent{entry})
	c.size += len(entry.Encoded(feed.Message, encode))
}

// flush implements feedClient.
func (c *socketClient) flush() (sent bool, err error) {
	if len(c.pending) == 0 {
		return false, nil
	}
	err = c.conn.WriteShared(c.pending)
	clear(c.pending) // the feed may drop the events
	c.pending, c.size = c.pending[:0], 0
	if cap(c.pending) > 8 {
		c.pending = nil
	}
	if err != nil && !errors.Is(err, ErrCloseSent) { // which leaves the closing handshake to others
		_ = c.conn.CloseNow() // the caller gets the error of the write
	}
	return true, err
}

// heartbeat implements feedClient. The connection sends pings.
func (c *socketClient) heartbeat() error { return nil }

// A sharedEvent is an event in the forms of WebSocket messages.
type sharedEvent struct{ *feed.Entry }

// Plain implements websocket.Shared.
func (e sharedEvent) Plain() []byte { return e.Encoded(feed.Message, encodeMessage) }

// Packed implements websocket.Shared.
func (e sharedEvent) Packed() []byte { return e.Encoded(feed.Packed, packMessage) }

func encodeMessage(e feed.Event) []byte {
	b := &bufpool.Buffer{B: make([]byte, websocket.SharedSpace, websocket.SharedSpace+len(e.ID)+len(e.Name)+len(e.Data)+40)}
	appendMessage(b, e)
	return websocket.EncodeShared(b.B)
}

func packMessage(e feed.Event) []byte { return websocket.PackShared(encodeMessage(e)) }

// encodePosition returns the message with the position of a client.
func encodePosition(e feed.Event) []byte {
	b := &bufpool.Buffer{B: make([]byte, websocket.SharedSpace, 2*feed.MaxID)}
	b.B = append(b.B, `{"id":`...)
	jsonbody.EncodeString(b, e.ID)
	return websocket.EncodeShared(append(b.B, '}'))
}

// appendMessage appends the JSON object with an event.
func appendMessage(b *bufpool.Buffer, e feed.Event) {
	b.B = append(b.B, '{')
	if e.ID != "" {
		b.B = append(b.B, `"id":`...)
		jsonbody.EncodeString(b, e.ID)
		b.B = append(b.B, ',')
	}
	if e.Name != "" {
		b.B = append(b.B, `"event":`...)
		jsonbody.EncodeString(b, e.Name)
		b.B = append(b.B, ',')
	}
	b.B = append(b.B, `"data":`...)
	if json.Valid([]byte(e.Data)) {
		b.B = append(b.B, e.Data...)
	} else {
		jsonbody.EncodeString(b, e.Data)
	}
	b.B = append(b.B, '}')
}
