package feed

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// values returns the values that After returns for an ID.
func values(l *Log[int], id string) (got []int, ok bool) {
	entries, _, ok := l.After(id)
	for _, entry := range entries {
		got = append(got, entry.Value)
	}
	return got, ok
}

func TestReadersGetWhatCameAfterTheirID(t *testing.T) {
	t.Parallel()
	l := New[int](3)
	ids := []string{l.Newest()}
	for n := 1; n <= 5; n++ {
		ids = append(ids, l.Append(n).ID)
	}
	tests := []struct {
		name string
		id   string
		want []int
		ok   bool
	}{
		{"the newest", ids[5], nil, true},
		{"the newest, asked for", l.Newest(), nil, true},
		{"the one before", ids[4], []int{5}, true},
		{"the oldest that is kept", ids[3], []int{4, 5}, true},
		{"just before the oldest", ids[2], []int{3, 4, 5}, true},
		{"just before the oldest, asked for", l.Oldest(), []int{3, 4, 5}, true},
		{"one of which a successor is gone", ids[1], nil, false},
		{"before the first", ids[0], nil, false},
		{"nothing", "", nil, false},
		{"the future", l.epoch + "6", nil, false},
		{"too large a number", l.epoch + "99999999999999999999", nil, false},
		{"a negative number", l.epoch + "-1", nil, false},
		{"no number", l.epoch, nil, false},
		{"a word", l.epoch + "five", nil, false},
		{"another process", New[int](3).Newest(), nil, false},
		{"a number alone", "5", nil, false},
	}
	for _, test := range tests {
		got, ok := values(l, test.id)
		if !slices.Equal(got, test.want) || ok != test.ok {
			t.Errorf("%s: after %q: %v, %v, want %v, %v", test.name, test.id, got, ok, test.want, test.ok)
		}
	}
}

func TestEmptyLogHasAPlaceToStart(t *testing.T) {
	t.Parallel()
	l := New[int](1)
	start := l.Newest()
	if got, ok := values(l, start); len(got) > 0 || !ok {
		t.Errorf("empty log: %v, %v", got, ok)
	}
	l.Append(1)
	if got, ok := values(l, start); !slices.Equal(got, []int{1}) || !ok {
		t.Errorf("after the first entry: %v, %v", got, ok)
	}
}

func TestIDsFitIntoAnEventStream(t *testing.T) {
	t.Parallel()
	if id := New[int](1).Append(1).ID; strings.ContainsAny(id, "\r\n\x00 ") || id == "" {
		t.Errorf("id %q", id)
	}
}

// Readers that start at any time and read at any speed see every entry once and
// in order, if the log keeps enough entries.
func TestReadersMissNothing(t *testing.T) {
	t.Parallel()
	const writers, each, readers = 4, 50, 4
	l := New[[2]int](writers * each)
	var group sync.WaitGroup
	for range readers {
		at := l.Newest()
		group.Go(func() {
			next := [writers]int{}
			for seen := 0; seen < writers*each; {
				entries, changed, ok := l.After(at)
				if !ok {
					t.Error("entries are gone")
					return
				}
				for _, entry := range entries {
					writer, n := entry.Value[0], entry.Value[1]
					if n != next[writer] {
						t.Errorf("writer %d: entry %d, want %d", writer, n, next[writer])
						return
					}
					next[writer]++
					seen++
					at = entry.ID
				}
				if len(entries) == 0 {
					<-changed
				}
			}
		})
	}
	for writer := range writers {
		group.Go(func() {
			for n := range each {
				l.Append([2]int{writer, n})
			}
		})
	}
	group.Wait()
}
