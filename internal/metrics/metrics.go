// Package metrics counts finished requests by method, route and class of status,
// with a histogram of their durations, for many cores and few labels.
//
// Whatever clients send, the number of series is bounded: methods other than
// the well-known ones count as "other", and a route is the path of a pattern
// that somebody registered, never the path of a request. Should patterns come
// without end all the same, those after the first [maxRoutes] are one route.
//
// Recording a request is a look-up in a map that is replaced and never
// changed, and three atomic additions. Each series keeps its numbers in
// several stripes, of which a request picks one at random, so that cores that
// serve the same route seldom write to the same cache line.
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

	"github.com/stanza-go/framework/pkg/http/internal/routing"
)

// Bounds are the upper bounds of the histogram's buckets, those that client
// libraries for Prometheus use by default. There is one bucket more above.
var Bounds = [...]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
	5 * time.Second, 10 * time.Second,
}

// Routes that are not patterns, which always have a slash in them.
const (
	unmatched = "unmatched"
	overflow  = "other"
)

// maxRoutes is how many routes are told apart.
const maxRoutes = 10_000

// maxStripes is how many stripes a series has at most: 128 bytes each.
const maxStripes = 8

// methods are told apart by name; the last stands for all others. RFC 9110,
// section 9.3, and RFC 5789.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "other"}

// classes are the first digits of status codes; the last stands for 600 to
// 999, which net/http lets handlers send.
var classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "other"}

// A Table counts requests. Its methods may be called from any number of
// goroutines.
type Table struct {
	active   []gauge // requests being served, in as many stripes as each series
	patterns atomic.Pointer[map[string]*route]

	adding sync.Mutex        // held to replace patterns
	routes map[string]*route // by path; several patterns may share one
}

// A route holds the series of one path. Most stay nil.
type route struct {
	path   string
	series [len(methods)][len(classes)]atomic.Pointer[series]
}

// A series holds the numbers of one method, route and class, in stripes.
type series struct{ stripes []stripe }

// A gauge is one number on cache lines of its own.
type gauge struct {
	n atomic.Int64
	_ [15]int64
}

// A stripe is a part of the numbers of a series, on cache lines of its own.
type stripe struct {
	counts [len(Bounds) + 1]atomic.Int64 // by bucket
	sum    atomic.Int64                  // of durations, in nanoseconds
	bytes  atomic.Int64
	_      [2]int64
}

// New returns an empty table.
func New() *Table {
	n := 1 << bits.Len(uint(min(runtime.GOMAXPROCS(0), maxStripes)-1))
	t := &Table{active: make([]gauge, n), routes: map[string]*route{}}
	t.patterns.Store(&map[string]*route{})
	return t
}

// Start notes that a request has begun, and returns what Finish wants to know.
// Each Start must be followed by one Finish.
func (t *Table) Start() (stripe uint32) {
	stripe = rand.Uint32() & uint32(len(t.active)-1)
	t.active[stripe].n.Add(1)
	return stripe
}

// Finish notes that a request has ended: its method, the pattern that matched
// or "", the final status, the bytes of the body and the time it took.
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

// series returns the stripes for a request's labels.
func (t *Table) series(method, pattern string, status int) []stripe {
	r := (*t.patterns.Load())[pattern]
	if r == nil {
		r = t.addPattern(pattern)
	}
	slot := &r.series[methodIndex(method)][classIndex(status)]
	s := slot.Load()
	if s == nil {
		slot.CompareAndSwap(nil, &series{make([]stripe, len(t.active))})
		s = slot.Load()
	}
	return s.stripes
}

// addPattern returns the route of a pattern that is seen for the first time.
func (t *Table) addPattern(p string) *route {
	t.adding.Lock()
	defer t.adding.Unlock()
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

// route returns the route of a path. The caller holds t.adding.
func (t *Table) route(path string) *route {
	r := t.routes[path]
	if r == nil {
		r = &route{path: path}
		t.routes[path] = r
	}
	return r
}

// methodIndex returns the place of a method in methods.
func methodIndex(method string) int {
	for i, m := range methods[:len(methods)-1] {
		if m == method {
			return i
		}
	}
	return len(methods) - 1
}

// classIndex returns the place of a status in classes.
func classIndex(status int) int {
	return max(0, min(status/100, len(classes))-1)
}

// A Series is the sum of all requests with the same labels.
type Series struct {
	Method string // "GET", "other"
	Route  string // a path pattern, "unmatched" or "other"
	Class  string // "2xx", "other"

	Counts [len(Bounds) + 1]int64 // requests by bucket, not cumulative
	Count  int64                  // their sum
	Sum    time.Duration          // of the durations
	Bytes  int64                  // of the bodies
}

// Active returns how many requests have started and not finished. It is never
// negative; while requests come and go it may be off by a few.
func (t *Table) Active() (n int64) {
	for i := range t.active {
		n += t.active[i].n.Load()
	}
	return n
}

// Snapshot returns all series that have a request, sorted by route, method
// and class. The durations and bytes of requests that finish meanwhile may be
// in there before they are counted.
func (t *Table) Snapshot() []Series {
	t.adding.Lock()
	routes := slices.Collect(maps.Values(t.routes))
	t.adding.Unlock()
	var all []Series
	for _, r := range routes {
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

// add adds up stripes and reports whether there is anything in them.
func (s *Series) add(stripes []stripe) bool {
	for i := range stripes {
		p := &stripes[i]
		for b := range p.counts {
			n := p.counts[b].Load()
			s.Counts[b] += n
			s.Count += n
		}
		s.Sum += time.Duration(p.sum.Load())
		s.Bytes += p.bytes.Load()
	}
	return s.Count > 0
}
