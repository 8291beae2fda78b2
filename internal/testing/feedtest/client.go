package feedtest

import (
	"fmt"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// A Client checks the steps that it gets from followers of one feed, one after
// the other, against the record of that feed. The zero value is a client that has
// received nothing.
type Client struct {
	Latest bool   // the feed has Latest, so events may be skipped
	ID     string // the last position or id, with which to return

	// Next is the number of the event that must come next, if Placed is set.
	Next        int
	Placed      bool
	Incarnation int // of the event before Next

	Gaps, Events, Snapshots int
}

// Take checks a step. It returns an error if there is an event that is missing
// without a gap, or came before, or is another one than in the record. Whether
// a gap is justified is for the caller to check, before Take.
func (c *Client) Take(step feed.Step, r *Record) error {
	if step.Gap {
		c.Gaps++
		c.Placed = false
		if step.Position == "" {
			return fmt.Errorf("a gap without a position")
		}
	}
	if step.Position != "" {
		if err := c.place(step.Position, r); err != nil {
			return err
		}
	}
	if entry := step.Snapshot; entry != nil {
		c.Snapshots++
		if err := c.snapshot(entry, r); err != nil {
			return err
		}
	}
	for _, entry := range step.Events {
		if err := c.event(entry.Event, r); err != nil {
			return err
		}
	}
	return nil
}

// place moves to a position. A position that is announced without a gap must be
// the one that the client had.
func (c *Client) place(id string, r *Record) error {
	if !feed.ValidID(id) {
		return fmt.Errorf("position %.80q is not a valid id", id)
	}
	returned := id == c.ID
	c.ID = id
	if returned && c.Placed {
		return nil
	}
	place, known := r.Positions[id]
	if c.Placed {
		return fmt.Errorf("moved from event %d to %d (position %q, known: %v) without a gap", c.Next, place.Next, id, known)
	}
	c.Next, c.Placed, c.Incarnation = place.Next, known, place.Incarnation
	return nil
}

// snapshot checks a snapshot, whose data must be the number of events that the
// state contained.
func (c *Client) snapshot(entry *feed.Entry, r *Record) error {
	if c.Placed {
		return fmt.Errorf("a snapshot in the middle of a run, at event %d", c.Next)
	}
	if err := c.place(entry.ID, r); err != nil {
		return err
	}
	var state int
	if _, err := fmt.Sscan(entry.Data, &state); err != nil {
		return err
	}
	if c.Placed && c.Next > state {
		return fmt.Errorf("a snapshot of %d events at the position before event %d", state, c.Next)
	}
	return nil
}

func (c *Client) event(e feed.Event, r *Record) error {
	place, known := r.Positions[e.ID]
	i := place.Next - 1
	switch {
	case !known || i < 0:
		return fmt.Errorf("event %q is not in the record", e.ID)
	case r.Events[i] != e:
		return fmt.Errorf("event %d is %+v, want %+v", i, e, r.Events[i])
	case c.Placed && !c.Latest && c.Incarnation != r.Incarnations[i]:
		return fmt.Errorf("event %d of incarnation %d follows incarnation %d without a gap", i, r.Incarnations[i], c.Incarnation)
	case c.Placed && (i < c.Next || i > c.Next && !c.Latest):
		return fmt.Errorf("event %d came, want event %d", i, c.Next)
	}
	c.Events++
	c.ID, c.Next, c.Placed, c.Incarnation = e.ID, place.Next, true, r.Incarnations[i]
	return nil
}
