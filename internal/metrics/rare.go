package metrics

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// kinds are the values of the label kind, by [reqstate.StreamKind].
var kinds = [reqstate.StreamKinds]string{
	reqstate.EventStream: "sse",
	reqstate.WebSocket:   "websocket",
	reqstate.Streaming:   "stream",
	reqstate.Hijacked:    "hijacked",
}

// reasons are the values of the label reason, by [reqstate.Rejection].
var reasons = [reqstate.Rejections]string{
	reqstate.Throttled:   "throttle",
	reqstate.RateLimited: "rate_limit",
	reqstate.TimedOut:    "timeout",
}

// OpenStreams implements [reqstate.Observer].
func (t *Table) OpenStreams(pattern string, kind reqstate.StreamKind) *atomic.Int64 {
	return number(&t.routeOf(pattern).streams[kind])
}

// Rejected implements [reqstate.Observer].
func (t *Table) Rejected(pattern string, reason reqstate.Rejection) {
	number(&t.routeOf(pattern).rejected[reason]).Add(1)
}

// number returns the number in slot, after creating it if necessary.
func number(slot *atomic.Pointer[atomic.Int64]) *atomic.Int64 {
	if n := slot.Load(); n != nil {
		return n
	}
	slot.CompareAndSwap(nil, new(atomic.Int64))
	return slot.Load()
}

// A RouteNumber is a count of a route and a label.
type RouteNumber struct {
	Route string
	Label string // the kind of a stream, or the reason of a rejection
	N     int64
}

// Streams returns how many streams are open, sorted by route and kind. Routes and kinds whose
// streams have all ended are included, with 0.
func (t *Table) Streams() []RouteNumber {
	var all []RouteNumber
	for _, r := range t.allRoutes() {
		for kind := range r.streams {
			all = appendNumber(all, r.path, kinds[kind], &r.streams[kind])
		}
	}
	slices.SortFunc(all, compareNumbers)
	return all
}

// Rejections returns how many requests were rejected, sorted by route and reason.
func (t *Table) Rejections() []RouteNumber {
	var all []RouteNumber
	for _, r := range t.allRoutes() {
		for reason := range r.rejected {
			all = appendNumber(all, r.path, reasons[reason], &r.rejected[reason])
		}
	}
	slices.SortFunc(all, compareNumbers)
	return all
}

// appendNumber appends the number in slot to all, if there is one.
func appendNumber(all []RouteNumber, path, label string, slot *atomic.Pointer[atomic.Int64]) []RouteNumber {
	if n := slot.Load(); n != nil {
		all = append(all, RouteNumber{Route: path, Label: label, N: n.Load()})
	}
	return all
}

func compareNumbers(a, b RouteNumber) int {
	return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.Label, b.Label))
}

// A Queue holds how many requests the throttles of one name have admitted, and how many wait.
type Queue struct {
	Name             string
	Running, Waiting int
}

// AddQueue makes Queues call read, which must be safe for concurrent use by multiple
// goroutines. Queues adds up the numbers of queues with the same name.
func (t *Table) AddQueue(name string, read func() (running, waiting int)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queues[name] = append(t.queues[name], read)
}

// Queues returns the queues of [Table.AddQueue], sorted by name.
func (t *Table) Queues() []Queue {
	t.mu.Lock()
	queues := maps.Clone(t.queues)
	t.mu.Unlock()
	var all []Queue
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		q := Queue{Name: name}
		for _, read := range queues[name] {
			running, waiting := read()
			q.Running += running
			q.Waiting += waiting
		}
		all = append(all, q)
	}
	return all
}
