package feedtest

import (
	"context"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

func TestMemoryPassesTheSuite(t *testing.T) {
	t.Parallel()
	memory := NewMemory(400)
	Suite{
		Open:    func(testing.TB) feed.Store { return memory },
		Dropped: 400,
		Flush:   func(testing.TB) { memory.Flush() },
		Restart: func(testing.TB) { memory.Stop(); memory.Start() },
	}.Run(t)
}

// TestShortPagesPassTheSuite runs the suite on a store that returns pages of any
// size, which a Store is allowed to do.
func TestShortPagesPassTheSuite(t *testing.T) {
	t.Parallel()
	memory := NewMemory(400)
	Suite{
		Open:    func(testing.TB) feed.Store { return shortPages{memory, NewHostile(memory, 1, 0)} },
		Dropped: 400,
	}.Run(t)
}

type shortPages struct {
	feed.Store
	hostile *Hostile
}

func (s shortPages) Read(ctx context.Context, after []feed.Position) ([]feed.Page, error) {
	pages, err := s.Store.Read(ctx, after)
	for i := range pages {
		s.hostile.shorten(&pages[i])
	}
	return pages, err
}
