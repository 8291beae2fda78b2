// Package metrics counts finished requests by method, route and status class,
// with a histogram of their durations.
//
// The number of series is bounded regardless of what clients send. Methods other
// than the well-known ones are counted as "other". A route is the host and path
// of a registered pattern, never the path of a request; if a program registers
// more than [maxRoutes] patterns, the rest share one route.
//
// Recording a request takes a lookup in an immutable map and five atomic
// additions. Each series is split into stripes, and a request picks a stripe at
// random, so that cores serving the same route rarely write to the same cache
// line.
package metrics

import (
	"cmp"
	"maps"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/routing"
)

// Bounds are the upper bounds of the histogram's buckets, the defaults of the
// Prometheus client libraries. One more bucket holds all longer durations.
var Bounds = [...]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
	5 * time.Second, 10 * time.Second,
}

// Routes that are not patterns. Patterns always contain a slash.
const (
	unmatched = "unmatched"
	overflow  = "other"
)

// maxRoutes is the maximum number of patterns that are counted separately.
const maxRoutes = 10_000

// maxStripes is the maximum number of stripes of a series, of 128 bytes each.
const maxStripes = 8

// methods are the values of the label method: the methods of RFC 9110, section
// 9.3, and RFC 5789. The last is for all others.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "other"}

// classes are the values of the label status. The last is for statuses from 600
// to 999, which net/http allows.
var classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "other"}

// A Table counts requests. It is safe for concurrent use by multiple goroutines.
type Table struct {
	active   []gauge // requests being served; len(active) is the number of stripes
	patterns atomic.Pointer[map[string]*route]

	mu     sync.Mutex                                 // guards replacing patterns, and the fields below
	routes map[string]*route                          // by path; several patterns may share one
	queues map[string][]func() (running, waiting int) // by name
}

// A route holds the series of one path. Most of them stay nil.
type route struct {
	path     string
	series   [len(methods)][len(classes)]atomic.Pointer[series]
	streams  [reqstate.StreamKinds]atomic.Pointer[atomic.Int64] // open
	rejected [reqstate.Rejections]atomic.Pointer[atomic.Int64]
}

// A series holds the numbers of one method, route and class.
type series struct{ stripes []stripe }

// A gauge is one number, padded to two cache lines.
type gauge struct {
	n atomic.Int64
	_ [15]int64
}

// A stripe holds a part of the numbers of a series. It fills two cache lines.
type stripe struct {
	counts  [len(Bounds) + 1]atomic.Int64 // by bucket
	sum     atomic.Int64                  // of durations, in nanoseconds
	bytes   atomic.Int64
	streams atomic.Int64 // requests without a duration
	_       [1]int64
}

// New returns an empty table.
func New() *Table {
	n := 1 << bits.Len(uint(min(runtime.GOMAXPROCS(0), maxStripes)-1))
	t := &Table{active: make([]gauge, n), routes: map[string]*route{}, queues: map[string][]func() (int, int){}}
	t.patterns.Store(&map[string]*route{})
	return t
}

// Start records that a request has started. The caller must call Finish or FinishStream
// with the stripe when the request ends.
func (t *Table) Start() (stripe uint32) {
	stripe = rand.Uint32() & uint32(len(t.active)-1)
	t.active[stripe].n.Add(1)
	return stripe
}

// Finish records that a request has ended. pattern is the pattern that matched,
// or "". bytes is the length of the response body.
func (t *Table) Finish(stripe uint32, method, pattern string, status int, bytes int64, took time.Duration) {
	bucket := 0
	for bucket < len(Bounds) && took > Bounds[bucket] {
		bucket++
	}
	s := &t.series(method, pattern, status)[stripe]
	s.sum.Add(int64(took))
	s.bytes.Add(bytes)
	s.counts[bucket].Add(1)
	t.active[stripe].n.Add(-1)
}

// FinishStream is like Finish, but for a request whose duration says nothing about the
// handler's speed, and is therefore not recorded.
func (t *Table) FinishStream(stripe uint32, method, pattern string, status int, bytes int64) {
	s := &t.series(method, pattern, status)[stripe]
	s.bytes.Add(bytes)
	s.streams.Add(1)
	t.active[stripe].n.Add(-1)
}

// series returns the stripes of the series for a request.
func (t *Table) series(method, pattern string, status int) []stripe {
	r := t.routeOf(pattern)
	slot := &r.series[methodIndex(method)][classIndex(status)]
	s := slot.Load()
	if s == nil {
		slot.CompareAndSwap(nil, &series{make([]stripe, len(t.active))})
		s = slot.Load()
	}
	return s.stripes
}

// routeOf returns the route of a pattern.
func (t *Table) routeOf(pattern string) *route {
	if r := (*t.patterns.Load())[pattern]; r != nil {
		return r
	}
	return t.addPattern(pattern)
}

// addPattern returns the route of a pattern that is not in t.patterns yet.
func (t *Table) addPattern(p string) *route {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := *t.patterns.Load()
	if r := known[p]; r != nil {
		return r
	}
	_, path := routing.SplitMethod(p)
	switch {
	case path == "":
		path = unmatched
	case len(known) >= maxRoutes:
		return t.route(overflow)
	}
	next := maps.Clone(known)
	next[p] = t.route(path)
	t.patterns.Store(&next)
	return next[p]
}

// route returns the route of a path. The caller holds t.mu.
func (t *Table) route(path string) *route {
	r := t.routes[path]
	if r == nil {
		r = &route{path: path}
		t.routes[path] = r
	}
	return r
}

// methodIndex returns the index in methods for a method.
func methodIndex(method string) int {
	for i, m := range methods[:len(methods)-1] {
		if m == method {
			return i
		}
	}
	return len(methods) - 1
}

// classIndex returns the index in classes for a status.
func classIndex(status int) int {
	return max(0, min(status/100, len(classes))-1)
}

// A Series holds the totals of all requests with the same labels.
type Series struct {
	Method string // for example "GET", or "other"
	Route  string // the host and path of a pattern, "unmatched" or "other"
	Class  string // for example "2xx", or "other"

	Count  int64                  // requests
	Timed  int64                  // requests that were not streams; the sum of Counts
	Counts [len(Bounds) + 1]int64 // requests that were not streams, by bucket; non-cumulative
	Sum    time.Duration          // the sum of their durations
	Bytes  int64                  // the sum of the lengths of response bodies
}

// Active returns the number of requests that have started and not finished. It is
// never negative, but may be off by a few while requests start and finish.
func (t *Table) Active() (n int64) {
	for i := range t.active {
		n += t.active[i].n.Load()
	}
	return n
}

// Snapshot returns all series with at least one request, sorted by route, method
// and class. If a request finishes concurrently, its duration and bytes may be
// included although it is not counted yet.
func (t *Table) Snapshot() []Series {
	var all []Series
	for _, r := range t.allRoutes() {
		for m := range r.series {
			for c := range r.series[m] {
				s := Series{Method: methods[m], Route: r.path, Class: classes[c]}
				if slot := r.series[m][c].Load(); slot != nil && s.add(slot.stripes) {
					all = append(all, s)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Series) int {
		return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Class, b.Class))
	})
	return all
}

// allRoutes returns the routes in any order.
func (t *Table) allRoutes() []*route {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.routes))
}

// add adds stripes to s and reports whether s has any requests.
func (s *Series) add(stripes []stripe) bool {
	for i := range stripes {
		p := &stripes[i]
		for b := range p.counts {
			n := p.counts[b].Load()
			s.Counts[b] += n
			s.Timed += n
		}
		s.Count += p.streams.Load()
		s.Sum += time.Duration(p.sum.Load())
		s.Bytes += p.bytes.Load()
	}
	s.Count += s.Timed
	return s.Count > 0
}
