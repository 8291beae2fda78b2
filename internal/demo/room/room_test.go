package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
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

// texts returns the messages in the form "name: text", once the room has n that
// it keeps.
func texts(t *testing.T, r *Room, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	said := []string{}
	for event, err := range r.Said().Follow(ctx, "") {
		var message Message
		if err == nil {
			err = json.Unmarshal([]byte(event.Data), &message)
		}
		if err != nil || event.Name != "said" {
			t.Fatalf("after %q: %+v, %v", said, event, err)
		}
		if said = append(said, message.Name+": "+message.Text); len(said) == n {
			break
		}
	}
	return said
}

// people returns the newest list of people.
func people(t *testing.T, r *Room) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	for event, err := range r.Present().Follow(ctx, "") {
		if err != nil || event.Name != "people" {
			t.Errorf("%+v, %v", event, err)
		}
		return event.Data
	}
	return ""
}

func TestPeopleComeAndGo(t *testing.T) {
	t.Parallel()
	r := New(1, nil)
	want := func(list string) {
		t.Helper()
		if got := people(t, r); got != list {
			t.Errorf("people %s, want %s", got, list)
		}
	}
	bea := enter(t, r, " Bea ")
	want(`["Bea"]`)
	again := enter(t, r, "Bea")
	ann := enter(t, r, "Ann")
	want(`["Ann","Bea"]`)
	bea.Leave()
	want(`["Ann","Bea"]`) // she was in the room twice
	if err := again.Rename("Cleo"); err != nil {
		t.Error(err)
	}
	want(`["Ann","Cleo"]`)
	again.Leave()
	ann.Leave()
	want(`[]`)
}

func TestMessagesSentAgainAreSaidOnce(t *testing.T) {
	t.Parallel()
	r := New(2, nil)
	ann, bea := enter(t, r, "Ann"), enter(t, r, "Bea")
	for _, say := range []struct {
		seat     *Seat
		id, text string
	}{{ann, "a", "one"}, {ann, "a", "one"}, {bea, "b", " two "}, {ann, "a", "one"}, {bea, "c", "three"}, {bea, "b", "two"}} {
		if err := say.seat.Say(t.Context(), say.id, say.text); err != nil {
			t.Error(err)
		}
	}
	if got, want := texts(t, r, 2), []string{"Bea: two", "Bea: three"}; !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}

func TestRoomRefuses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := New(1, nil)
	ann := enter(t, r, "Ann")
	enterAs := func(name string) error { _, err := r.Enter(name); return err }
	for name, err := range map[string]error{
		"no name":            enterAs(" "),
		"a long name":        enterAs(strings.Repeat("ü", MaxName+1)),
		"a second line":      ann.Rename("Ann\nBea"),
		"no text":            ann.Say(ctx, "1", " \n"),
		"a long text":        ann.Say(ctx, "1", strings.Repeat("ü", MaxText+1)),
		"no id":              ann.Say(ctx, "", "x"),
		"an id not in UTF-8": ann.Say(ctx, "\xff", "x"),
		"a very long id":     ann.Say(ctx, strings.Repeat("x", MaxID+1), "x"),
	} {
		if _, refused := errors.AsType[Refusal](err); !refused || err.Error() == "" {
			t.Errorf("%s: error %v, want a refusal", name, err)
		}
	}
	if err := ann.Say(ctx, "1", strings.Repeat("ü", MaxText)); err != nil {
		t.Errorf("longest text: %v", err)
	}
	if got := people(t, r); got != `["Ann"]` {
		t.Errorf("people %s", got)
	}
}

func TestNobodyFloodsTheRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := New(100, nil)
		ann, bea := enter(t, r, "Ann"), enter(t, r, "Bea")
		for n := range sayLimit {
			if err := ann.Say(ctx, fmt.Sprint(n), "x"); err != nil {
				t.Fatal(err)
			}
		}
		if err := ann.Say(ctx, "more", "x"); err == nil {
			t.Error("a message over the limit is accepted")
		}
		if err := ann.Say(ctx, "0", "x"); err != nil {
			t.Errorf("a message sent again: %v", err)
		}
		if err := bea.Say(ctx, "bea", "x"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		time.Sleep(sayWindow)
		if err := ann.Say(ctx, "more", "x"); err != nil {
			t.Errorf("later: %v", err)
		}
	})
}

func TestEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	r := New(1000, nil)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			seat, err := r.Enter(fmt.Sprint("p", n))
			if err != nil {
				t.Error(err)
				return
			}
			for i := range sayLimit {
				if err := seat.Say(t.Context(), fmt.Sprint(n, "/", i), "x"); err != nil {
					t.Error(err)
				}
				people(t, r)
			}
			seat.Leave()
		})
	}
	group.Wait()
	texts(t, r, 8*sayLimit)
	if got := people(t, r); got != "[]" {
		t.Errorf("still there: %s", got)
	}
}

// downStore is a store that cannot be reached.
type downStore struct{}

var errDown = errors.New("down")

func (downStore) Append(context.Context, string, http.Event) (string, error) { return "", errDown }
func (downStore) Read(context.Context, []http.FeedPosition) ([]http.FeedPage, error) {
	return nil, errDown
}
func (downStore) Watch(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

// If a message may be lost, that is not a refusal: the client sends it again.
func TestErrorsOfTheStoreAreNotRefusals(t *testing.T) {
	t.Parallel()
	r := New(10, downStore{})
	t.Cleanup(r.Close)
	err := enter(t, r, "Ann").Say(t.Context(), "1", "hello")
	if _, refused := errors.AsType[Refusal](err); !errors.Is(err, errDown) || refused {
		t.Errorf("error %v, want that of the store", err)
	}
}
