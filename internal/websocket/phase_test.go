package websocket

import (
	"errors"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

func TestPhaseNeverGoesBack(t *testing.T) {
	t.Parallel()
	var s closing
	steps := []struct {
		to, before, after phase
	}{
		{phaseClosing, phaseOpen, phaseClosing},
		{phaseClosing, phaseClosing, phaseClosing},
		{phaseAborted, phaseClosing, phaseAborted},
		{phaseAwaiting, phaseAborted, phaseAborted},
		{phaseClosed, phaseAborted, phaseClosed},
		{phaseAborted, phaseClosed, phaseClosed},
	}
	for i, step := range steps {
		if before := s.advance(step.to); before != step.before || !s.reached(step.after) || s.reached(step.after+1) {
			t.Errorf("step %d: advance(%d) returns %d and leads to %d; want %d and %d", i, step.to, before, s.phase.Load(), step.before, step.after)
		}
	}
}

// TestPhasesOfClose checks the phase at each step of the closing handshake.
func TestPhasesOfClose(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	want := func(when string, p phase) {
		t.Helper()
		if got := phase(c.closing.phase.Load()); got != p {
			t.Errorf("%s: phase %d, want %d", when, got, p)
		}
	}
	want("before Close", phaseOpen)
	closed := make(chan error, 1)
	c.SetPingHandler(func([]byte) error { // runs with readLock held, while Close reads
		go func() { closed <- c.closeNormally() }()
		peer.want(frame.Close, true, closePayload(1000, ""))
		peer.send(frame.Binary, true, "discarded") // returns when Close has read it
		want("while Close reads", phaseAwaiting)
		peer.send(frame.Close, true, closePayload(1000, ""))
		return <-closed
	})
	go peer.send(frame.Ping, true, "")
	if _, _, err := c.ReadMessage(); !errors.As(err, new(*closeError)) {
		t.Errorf("ReadMessage: %v, want the close frame that Close has read", err)
	}
	want("after Close", phaseClosed)
}
