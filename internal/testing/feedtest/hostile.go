package feedtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// A Mood is how a Hostile behaves.
type Mood int32

// The moods of a Hostile.
const (
	Hostility Mood = iota // everything goes wrong now and then
	Deaf                  // all rings are lost, and calls succeed
	Calm                  // nothing goes wrong
)

// A Hostile is a feed.Store that passes calls on to another one and has every
// problem that a Store may have. It loses, delays, repeats and invents rings,
// returns pages of any size, fails before or after the call had its effect, and
// ignores contexts. Its Watch hangs or returns early. It is safe for concurrent
// use by multiple goroutines.
type Hostile struct {
	store feed.Store
	long  time.Duration // the longest that a call hangs
	mood  atomic.Int32

	mu   sync.Mutex
	rand *rand.Rand
}

// NewHostile returns a Hostile with a source of randomness. Calls hang for up to
// long, which should be longer than their timeout.
func NewHostile(store feed.Store, seed uint64, long time.Duration) *Hostile {
	return &Hostile{store: store, long: long, rand: rand.New(rand.NewPCG(seed, 1))}
}

// Feel sets the mood.
func (h *Hostile) Feel(mood Mood) { h.mood.Store(int32(mood)) }

var errHostile = errors.New("feedtest: hostile")

// roll returns a random number in [0, n) if the mood is Hostility, and otherwise 0.
func (h *Hostile) roll(n int) int {
	if Mood(h.mood.Load()) != Hostility {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rand.IntN(n)
}

// hang sometimes sleeps for up to h.long. It ignores contexts on purpose.
func (h *Hostile) hang() {
	if h.roll(8) == 1 {
		<-time.After(h.long * time.Duration(h.roll(100)) / 100)
	}
}

// Append implements feed.Store.
func (h *Hostile) Append(ctx context.Context, name string, e feed.Event) (string, error) {
	h.hang()
	if h.roll(6) == 1 {
		return "", errHostile
	}
	id, err := h.store.Append(context.WithoutCancel(ctx), name, e)
	h.hang()
	if h.roll(6) == 1 {
		return "", errHostile
	}
	return id, err
}

// Read implements feed.Store.
func (h *Hostile) Read(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
	h.hang()
	if h.roll(5) == 1 {
		return nil, errHostile
	}
	pages, err := h.store.Read(context.WithoutCancel(ctx), after)
	for i := range pages {
		h.shorten(&pages[i])
	}
	h.hang()
	if h.roll(10) == 1 {
		return nil, errHostile
	}
	return pages, err
}

// shorten leaves events of a page for the next one, and may forget what a page need
// not contain.
func (h *Hostile) shorten(page *feed.Page) {
	if h.roll(3) == 1 {
		page.First = "" // a store need not know it
	}
	if n := len(page.Events); n > 1 {
		if left := h.roll(n); left > 0 {
			page.Events = page.Events[:n-left]
			page.Next = page.Events[len(page.Events)-1].ID
			page.More = true
		}
	}
}

// Watch implements feed.Store.
func (h *Hostile) Watch(ctx context.Context, changed func(string)) error {
	switch h.roll(4) {
	case 1:
		return errHostile
	case 2:
		h.hang()
		return nil
	case 3: // hears nothing
		<-time.After(h.long * 4)
		return errHostile
	}
	return h.store.Watch(ctx, func(name string) { h.ring(name, changed) })
}

func (h *Hostile) ring(name string, changed func(string)) {
	if Mood(h.mood.Load()) == Deaf {
		return
	}
	switch h.roll(6) {
	case 1: // lost
	case 2: // late
		time.AfterFunc(h.long*time.Duration(h.roll(100))/100, func() { changed(name) })
	case 3: // invented
		changed("no such feed")
		changed("")
	case 4: // repeated
		changed(name)
		changed(name)
	default:
		changed(name)
	}
}
