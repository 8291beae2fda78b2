package reqstate_test

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// A counter is an Observer for tests.
type counter struct {
	mu       sync.Mutex
	open     map[string]*atomic.Int64
	rejected []string
}

func (c *counter) OpenStreams(pattern string, kind reqstate.StreamKind) *atomic.Int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprint(pattern, " ", kind)
	if c.open == nil {
		c.open = map[string]*atomic.Int64{}
	}
	if c.open[key] == nil {
		c.open[key] = new(atomic.Int64)
	}
	return c.open[key]
}

func (c *counter) Rejected(pattern string, reason reqstate.Rejection) {
	c.rejected = append(c.rejected, fmt.Sprint(pattern, " ", reason))
}

// String returns the numbers that are not 0.
func (c *counter) String() string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(c.open)) {
		if n := c.open[key].Load(); n != 0 {
			all = append(all, fmt.Sprint(key, ":", n))
		}
	}
	return strings.Join(all, ", ")
}

func newState() *reqstate.State {
	s := new(reqstate.State)
	s.Begin(httptest.NewRequest("GET", "/", nil))
	return s
}

func TestStreamKindBecomesMoreSpecific(t *testing.T) {
	t.Parallel()
	var c counter
	s := newState()
	s.Observe(&reqstate.Observers{Observer: &c})
	s.Observe(&reqstate.Observers{Observer: &c}) // not a second time
	pattern := "GET /x"
	s.SetPattern(&pattern)
	if s.Streamed() {
		t.Error("a new State has streamed")
	}
	for _, step := range []struct {
		kind reqstate.StreamKind
		want string
	}{
		{reqstate.Streaming, "GET /x 0:1"},
		{reqstate.EventStream, "GET /x 1:1"},
		{reqstate.Streaming, "GET /x 1:1"},
		{reqstate.WebSocket, "GET /x 3:1"},
		{reqstate.Hijacked, "GET /x 3:1"},
	} {
		s.OpenStream(step.kind)
		if got := c.String(); got != step.want {
			t.Errorf("after kind %d the observer counts %s, want %s", step.kind, got, step.want)
		}
	}
	s.OpenStream(reqstate.WebSocket).HandlerReturned()
	if got := c.String(); got != "GET /x 3:1" {
		t.Errorf("when the handler of a WebSocket has returned, the observer counts %q", got)
	}
	s.EndStream()
	s.EndStream()
	if got := c.String(); got != "" || !s.Streamed() {
		t.Errorf("after the end, the observer counts %q", got)
	}
}

// An Observer may be added after the stream was opened, and another stream may follow.
func TestObserverJoinsAnOpenStream(t *testing.T) {
	t.Parallel()
	var early, late counter
	s := newState()
	s.Observe(&reqstate.Observers{Observer: &early})
	stream := s.OpenStream(reqstate.Streaming)
	s.Observe(&reqstate.Observers{Observer: &late})
	if early.String() != " 0:1" || late.String() != " 0:1" {
		t.Errorf("the observers count %q and %q", &early, &late)
	}
	stream.HandlerReturned()
	stream.End()
	if early.String() != "" || late.String() != "" {
		t.Errorf("after the end the observers count %q and %q", &early, &late)
	}
	s.OpenStream(reqstate.EventStream).End()
	s.Reject(reqstate.Throttled)
	if early.String() != "" || len(early.rejected) != 1 || len(late.rejected) != 1 {
		t.Errorf("the observers count %q, %q and %q", &early, early.rejected, late.rejected)
	}
}

func TestRequestsWithoutStateHaveNoStream(t *testing.T) {
	t.Parallel()
	var s *reqstate.State
	s.Reject(reqstate.RateLimited)
	stream := s.OpenStream(reqstate.WebSocket)
	stream.HandlerReturned()
	stream.End()
	s.EndStream()
	newState().EndStream()
}
