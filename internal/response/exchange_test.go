package response_test

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestTurnsShareOneWriter(t *testing.T) {
	t.Parallel()
	outer := response.Enter(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	inner := response.Enter(outer.Writer, outer.Request)
	if inner.Writer != outer.Writer || inner.Request != outer.Request || inner.State != outer.State {
		t.Fatal("a second turn made a Writer, a State or a copy of the request")
	}
	inner.Returned = true
	inner.End()
	inner.Writer.WriteHeader(http.StatusTeapot)
	if got := outer.Writer.Status(); got != http.StatusTeapot {
		t.Errorf("the end of the inner turn ended the response: status %d", got)
	}
	outer.Returned = true
	outer.End()
}

func TestEnterMakesOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	original := httptest.NewRequest("GET", "/", nil)
	first := response.Enter(httptest.NewRecorder(), original)
	defer first.End()
	if first.State == nil || first.Request == original || first.Writer.State() != first.State {
		t.Fatal("the first turn has no State")
	}
	if reqstate.Of(original.Context()) != nil {
		t.Error("the original request has a State")
	}

	wrapped := response.Enter(httptest.NewRecorder(), first.Request)
	if wrapped.State != first.State || wrapped.Request != first.Request || wrapped.Writer == first.Writer {
		t.Error("with a Writer that is wrapped, Enter must make a Writer and nothing else")
	}
	if wrapped.Writer.State() != first.State {
		t.Error("the Writer around another type does not know the State of the request")
	}
	again := response.Enter(httptest.NewRecorder(), first.Request)
	if again.Writer == wrapped.Writer {
		t.Error("two turns share a Writer around different writers")
	}
	other := response.Enter(first.Writer, original)
	if other.Writer != first.Writer || other.State == first.State || other.Request == first.Request {
		t.Error("with a request that has no State, Enter must make a State and nothing else")
	}
}

func TestStateIsSharedByCopiesOfTheRequest(t *testing.T) {
	t.Parallel()
	turn := response.Enter(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	defer turn.End()
	deeper := turn.Request.WithContext(context.WithValue(turn.Request.Context(), struct{ k int }{1}, 2))
	pattern, id := "GET /x/{id}", "abc"
	response.StateOf(httptest.NewRecorder(), deeper).SetPattern(&pattern)
	reqstate.Of(deeper.Context()).SetID(id)
	if turn.State.Pattern() != pattern || turn.State.ID() != id {
		t.Errorf("the State has pattern %q and id %q", turn.State.Pattern(), turn.State.ID())
	}
}

// The State, the copy of the request and the first Writer are one allocation.
func TestFirstTurnAllocatesOnce(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	r := httptest.NewRequest("GET", "/", nil)
	rec := discard{http.Header{}}
	if n := testing.AllocsPerRun(100, func() {
		outer := response.Enter(rec, r)
		defer outer.End()
		inner := response.Enter(outer.Writer, outer.Request)
		defer inner.End()
		inner.Returned, outer.Returned = true, true
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

// A pointer more in the State or the Writer would let each request take 896 bytes.
func TestFirstTurnFitsItsSizeClass(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	r := httptest.NewRequest("GET", "/", nil)
	rec := discard{http.Header{}}
	const turns = 1000
	least := uint64(math.MaxUint64) // of several runs, because other goroutines allocate too
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range turns {
			turn := response.Enter(rec, r)
			turn.Returned = true
			turn.End()
		}
		runtime.ReadMemStats(&after)
		least = min(least, (after.TotalAlloc-before.TotalAlloc)/turns)
	}
	if least > 768 {
		t.Errorf("%d bytes, want 768 at most", least)
	}
}

func TestEnterStatePassesWritersOfOtherMiddlewareOn(t *testing.T) {
	t.Parallel()
	original := httptest.NewRequest("GET", "/", nil)
	other := &discard{http.Header{}}
	outer, pass := response.EnterState(other, original)
	if pass != http.ResponseWriter(other) || outer.Writer != nil || !outer.State.Carries(outer.Request) {
		t.Error("with another type and no State, EnterState must make a State and nothing else")
	}
	if inner, pass := response.EnterState(other, outer.Request); pass != http.ResponseWriter(other) || inner.Writer != nil || inner.State != outer.State || inner.Request != outer.Request {
		t.Error("with another type and a State, EnterState made something")
	}
	turn := response.Enter(other, outer.Request)
	if again := response.Enter(other, outer.Request); again.Writer == turn.Writer {
		t.Error("two turns share a Writer around another type")
	}
	if inner, pass := response.EnterState(turn.Writer, turn.Request); pass != turn.Writer || inner.Writer != turn.Writer || inner.State != outer.State {
		t.Error("with a Writer and a State, EnterState must share both")
	}
	pattern := "GET /"
	outer.State.SetPattern(&pattern)
	outer.End()
	if original.Pattern != pattern {
		t.Errorf("the end of the turn left the pattern %q in the original request", original.Pattern)
	}
}

// The Writer that follows the State is part of its allocation.
func TestEnterStateAndEnterAllocateOnce(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	r := httptest.NewRequest("GET", "/", nil)
	other := &discard{http.Header{}}
	if n := testing.AllocsPerRun(100, func() {
		outer, pass := response.EnterState(other, r)
		defer outer.End()
		inner := response.Enter(pass, outer.Request)
		defer inner.End()
		inner.Returned, outer.Returned = true, true
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
