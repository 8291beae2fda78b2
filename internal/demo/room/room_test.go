package room

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// enter adds a person to the room, and ends the test if that fails.
func enter(t *testing.T, r *Room, name string) *Seat {
	t.Helper()
	seat, err := r.Enter(name)
	if err != nil {
		t.Fatal(err)
	}
	return seat
}

// texts returns the messages in the form "name: text".
func texts(r *Room) []string {
	said := []string{}
	entries, _, _ := r.Messages().After(r.Messages().Oldest())
	for _, entry := range entries {
		said = append(said, entry.Value.Name+": "+entry.Value.Text)
	}
	return said
}

func TestPeopleComeAndGo(t *testing.T) {
	t.Parallel()
	r := New(1)
	want := func(names ...string) <-chan struct{} {
		t.Helper()
		got, changed := r.People()
		if !slices.Equal(got, names) || got == nil {
			t.Errorf("people %q, want %q", got, names)
		}
		return changed
	}
	changed := want()
	bea := enter(t, r, " Bea ")
	<-changed
	changed = want("Bea")
	again := enter(t, r, "Bea")
	ann := enter(t, r, "Ann")
	<-changed
	changed = want("Ann", "Bea")
	bea.Leave()
	<-changed
	changed = want("Ann", "Bea") // she is in the room twice
	if err := again.Rename("Cleo"); err != nil {
		t.Error(err)
	}
	<-changed
	want("Ann", "Cleo")
	again.Leave()
	ann.Leave()
	want()
}

func TestMessagesSentAgainAreSaidOnce(t *testing.T) {
	t.Parallel()
	r := New(2)
	ann, bea := enter(t, r, "Ann"), enter(t, r, "Bea")
	for _, say := range []struct {
		seat     *Seat
		id, text string
	}{{ann, "a", "one"}, {ann, "a", "one"}, {bea, "b", " two "}, {ann, "a", "one"}, {bea, "c", "three"}, {bea, "b", "two"}} {
		if err := say.seat.Say(say.id, say.text); err != nil {
			t.Error(err)
		}
	}
	if got, want := texts(r), []string{"Bea: two", "Bea: three"}; !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}

func TestRoomRefuses(t *testing.T) {
	t.Parallel()
	r := New(1)
	ann := enter(t, r, "Ann")
	enterAs := func(name string) error { _, err := r.Enter(name); return err }
	for name, err := range map[string]error{
		"no name":        enterAs(" "),
		"a long name":    enterAs(strings.Repeat("ü", MaxName+1)),
		"a second line":  ann.Rename("Ann\nBea"),
		"no text":        ann.Say("1", " \n"),
		"a long text":    ann.Say("1", strings.Repeat("ü", MaxText+1)),
		"no id":          ann.Say("", "x"),
		"a very long id": ann.Say(strings.Repeat("x", MaxID+1), "x"),
	} {
		if _, refused := errors.AsType[Refusal](err); !refused || err.Error() == "" {
			t.Errorf("%s: error %v, want a refusal", name, err)
		}
	}
	if err := ann.Say("1", strings.Repeat("ü", MaxText)); err != nil {
		t.Errorf("longest text: %v", err)
	}
	if people, _ := r.People(); !slices.Equal(people, []string{"Ann"}) {
		t.Errorf("people %q", people)
	}
}

func TestNobodyFloodsTheRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := New(100)
		ann, bea := enter(t, r, "Ann"), enter(t, r, "Bea")
		for n := range sayLimit {
			if err := ann.Say(fmt.Sprint(n), "x"); err != nil {
				t.Fatal(err)
			}
		}
		if err := ann.Say("more", "x"); err == nil {
			t.Error("a message over the limit is accepted")
		}
		if err := ann.Say("0", "x"); err != nil {
			t.Errorf("a message sent again: %v", err)
		}
		if err := bea.Say("bea", "x"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		time.Sleep(sayWindow)
		if err := ann.Say("more", "x"); err != nil {
			t.Errorf("later: %v", err)
		}
	})
}

func TestEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	r := New(1000)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			seat, err := r.Enter(fmt.Sprint("p", n))
			if err != nil {
				t.Error(err)
				return
			}
			for i := range sayLimit {
				if err := seat.Say(fmt.Sprint(n, "/", i), "x"); err != nil {
					t.Error(err)
				}
				r.People()
			}
			seat.Leave()
		})
	}
	group.Wait()
	if got := len(texts(r)); got != 8*sayLimit {
		t.Errorf("%d messages, want %d", got, 8*sayLimit)
	}
	if people, _ := r.People(); len(people) > 0 {
		t.Errorf("still there: %q", people)
	}
}
