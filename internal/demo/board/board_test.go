package board

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// mustAdd adds a task, and ends the test if that fails.
func mustAdd(tb testing.TB, b *Board, draft Draft) Task {
	tb.Helper()
	task, err := b.Add(tb.Context(), draft)
	if err != nil {
		tb.Fatal(err)
	}
	return task
}

// list returns the tasks that a query selects, and their total number.
func list(tb testing.TB, b *Board, query Query) (page []Task, total int) {
	tb.Helper()
	page, total, err := b.List(tb.Context(), query)
	if err != nil {
		tb.Fatal(err)
	}
	return page, total
}

// remove deletes tasks.
func remove(tb testing.TB, b *Board, ids ...int64) {
	tb.Helper()
	if _, _, err := b.Delete(tb.Context(), ids...); err != nil {
		tb.Error(err)
	}
}

func TestDraftIsChecked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		draft Draft
		want  Draft
		err   string // "" means none
	}{
		{"status defaults to todo", Draft{Title: "a"}, Draft{Title: "a", Status: Todo}, ""},
		{"all fields", Draft{"a", "b\nc", Done}, Draft{"a", "b\nc", Done}, ""},
		{"spaces around the title", Draft{Title: " \n a b \t"}, Draft{Title: "a b", Status: Todo}, ""},
		{"longest title", Draft{Title: strings.Repeat("ü", MaxTitle)}, Draft{Title: strings.Repeat("ü", MaxTitle), Status: Todo}, ""},
		{"longest description", Draft{"a", strings.Repeat("é", MaxDescription), Todo}, Draft{"a", strings.Repeat("é", MaxDescription), Todo}, ""},
		{"no title", Draft{}, Draft{}, "title is required"},
		{"title of spaces", Draft{Title: " \t\n"}, Draft{}, "title is required"},
		{"title too long", Draft{Title: strings.Repeat("ü", MaxTitle+1)}, Draft{}, "title must not be longer than 200 characters"},
		{"title of two lines", Draft{Title: "a\nb"}, Draft{}, "title must be one line without control characters"},
		{"title with an escape", Draft{Title: "a\x1b[31m"}, Draft{}, "title must be one line without control characters"},
		{"description too long", Draft{"a", strings.Repeat("é", MaxDescription+1), Todo}, Draft{}, "description must not be longer than 2000 characters"},
		{"unknown status", Draft{Title: "a", Status: "later"}, Draft{}, `status must be "todo", "doing" or "done"`},
		{"status in capitals", Draft{Title: "a", Status: "DONE"}, Draft{}, `status must be "todo", "doing" or "done"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := New(Config{Capacity: 1})
			task, err := b.Add(t.Context(), test.draft)
			if test.err != "" {
				invalid, ok := errors.AsType[*InvalidError](err)
				if !ok || invalid.Error() != test.err {
					t.Fatalf("error %v, want %s", err, test.err)
				}
				if _, total := list(t, b, Query{}); total != 0 {
					t.Fatal("the refused task is on the board")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := (Draft{task.Title, task.Description, task.Status}); got != test.want {
				t.Errorf("stored %+v, want %+v", got, test.want)
			}
		})
	}
}

// Not parallel, because it measures the whole heap.
func TestSpacesAroundATitleAreNotKeptInMemory(t *testing.T) {
	const tasks, spaces = 32, 1 << 20
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	b := New(Config{Capacity: tasks})
	before := heap()
	for range tasks {
		mustAdd(t, b, Draft{Title: "a" + strings.Repeat(" ", spaces)})
	}
	if after := heap(); after > before+tasks*spaces/2 {
		t.Errorf("%d tasks take %d bytes", tasks, after-before)
	}
	runtime.KeepAlive(b)
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	title, empty, status, unknown := "new", "", Done, Status("later")
	var one, two int64 = 1, 2
	tests := []struct {
		name string
		id   int64
		edit Edit
		want Draft
		err  string // "" means none
	}{
		{"title", 1, Edit{Title: &title}, Draft{"new", "text", Doing}, ""},
		{"description", 1, Edit{Description: &empty}, Draft{"old", "", Doing}, ""},
		{"status", 1, Edit{Status: &status}, Draft{"old", "text", Done}, ""},
		{"seen version", 1, Edit{Title: &title, Version: &one}, Draft{"new", "text", Doing}, ""},
		{"other version", 1, Edit{Title: &title, Version: &two}, Draft{}, "board: the task has changed: it is at version 1, not 2"},
		{"empty title", 1, Edit{Title: &empty}, Draft{}, "title is required"},
		{"unknown status", 1, Edit{Title: &title, Status: &unknown}, Draft{}, `status must be "todo", "doing" or "done"`},
		{"unknown task", 2, Edit{Title: &title}, Draft{}, "board: no such task"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := New(Config{Capacity: 1})
			before := mustAdd(t, b, Draft{"old", "text", Doing})
			got, err := b.Update(t.Context(), test.id, test.edit)
			stored, _ := b.Task(t.Context(), 1)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Fatalf("error %v, want %s", err, test.err)
				}
				if stored != before {
					t.Errorf("the refused edit changed the task: %+v", stored)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if content := (Draft{got.Title, got.Description, got.Status}); content != test.want {
				t.Errorf("content %+v, want %+v", content, test.want)
			}
			if got.ID != 1 || got.Version != 2 || got.CreatedAt != before.CreatedAt {
				t.Errorf("got %+v from %+v", got, before)
			}
			if stored != got {
				t.Errorf("stored %+v, returned %+v", stored, got)
			}
		})
	}
}

func TestEditIsEmptyWithoutContent(t *testing.T) {
	t.Parallel()
	title, status, version := "", Todo, int64(1)
	for _, edit := range []Edit{{}, {Version: &version}} {
		if !edit.Empty() {
			t.Errorf("%+v is not empty", edit)
		}
	}
	for _, edit := range []Edit{{Title: &title}, {Description: &title}, {Status: &status}} {
		if edit.Empty() {
			t.Errorf("%+v is empty", edit)
		}
	}
}

func TestTimesOfATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Capacity: 1})
		start := time.Now().UTC()
		mustAdd(t, b, Draft{Title: "a"})
		time.Sleep(time.Minute)
		status := Done
		task, err := b.Update(t.Context(), 1, Edit{Status: &status})
		if err != nil {
			t.Fatal(err)
		}
		if !task.CreatedAt.Equal(start) || !task.UpdatedAt.Equal(start.Add(time.Minute)) {
			t.Errorf("created %v, updated %v, want %v and a minute later", task.CreatedAt, task.UpdatedAt, start)
		}
	})
}

func TestFullBoardTakesNoMore(t *testing.T) {
	t.Parallel()
	b := New(Config{Capacity: 2})
	mustAdd(t, b, Draft{Title: "a"})
	mustAdd(t, b, Draft{Title: "b"})
	if _, err := b.Add(t.Context(), Draft{Title: "c"}); err != ErrFull {
		t.Fatalf("error %v, want ErrFull", err)
	}
	remove(t, b, 1)
	if task := mustAdd(t, b, Draft{Title: "c"}); task.ID != 3 {
		t.Errorf("id %d, want 3: ids are not used again", task.ID)
	}
}

func TestUnknownTask(t *testing.T) {
	t.Parallel()
	b := New(Config{Capacity: 3})
	for range 3 {
		mustAdd(t, b, Draft{Title: "a"})
	}
	remove(t, b, 2)
	for _, id := range []int64{-1, 0, 2, 4} {
		if _, err := b.Task(t.Context(), id); err != ErrNotFound {
			t.Errorf("task %d: error %v, want ErrNotFound", id, err)
		}
	}
	for _, id := range []int64{1, 3} {
		if task, err := b.Task(t.Context(), id); err != nil || task.ID != id {
			t.Errorf("task %d: %+v, error %v", id, task, err)
		}
	}
}

func TestListSortsAndCuts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Capacity: 10})
		for _, draft := range []Draft{
			{"beta", "", Done},   // 1
			{"Alpha", "", Todo},  // 2
			{"gamma", "", Doing}, // 3
			{"alpha", "", Todo},  // 4
		} {
			mustAdd(t, b, draft)
			time.Sleep(time.Second)
		}
		text := "changed last"
		if _, err := b.Update(t.Context(), 2, Edit{Description: &text}); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name  string
			query Query
			ids   []int64
			total int
		}{
			{"zero", Query{}, []int64{1, 2, 3, 4}, 4},
			{"unknown key", Query{Sort: "version; DROP TABLE"}, []int64{1, 2, 3, 4}, 4},
			{"by id, descending", Query{Sort: "id", Descending: true}, []int64{4, 3, 2, 1}, 4},
			{"by title", Query{Sort: "title"}, []int64{2, 4, 1, 3}, 4},
			{"by title, descending", Query{Sort: "title", Descending: true}, []int64{3, 1, 4, 2}, 4},
			{"by status", Query{Sort: "status"}, []int64{2, 4, 3, 1}, 4},
			{"by creation, descending", Query{Sort: "created_at", Descending: true}, []int64{4, 3, 2, 1}, 4},
			{"by update", Query{Sort: "updated_at"}, []int64{1, 3, 4, 2}, 4},
			{"one status", Query{Status: Todo}, []int64{2, 4}, 2},
			{"first page", Query{Limit: 3}, []int64{1, 2, 3}, 4},
			{"last page", Query{Limit: 3, Offset: 3}, []int64{4}, 4},
			{"page of one status", Query{Status: Todo, Limit: 1, Offset: 1}, []int64{4}, 2},
			{"just past the end", Query{Limit: 3, Offset: 4}, []int64{}, 4},
			{"far past the end", Query{Limit: math.MaxInt, Offset: math.MaxInt}, []int64{}, 4},
		}
		for _, test := range tests {
			page, total := list(t, b, test.query)
			ids := []int64{}
			for _, task := range page {
				ids = append(ids, task.ID)
			}
			if !slices.Equal(ids, test.ids) || total != test.total {
				t.Errorf("%s: ids %v of %d, want %v of %d", test.name, ids, total, test.ids, test.total)
			}
		}
	})
}

func TestEverySortKeyHasAnOrder(t *testing.T) {
	t.Parallel()
	early := time.Unix(1, 0)
	a := Task{ID: 1, Title: "a", Status: Todo, CreatedAt: early, UpdatedAt: early}
	for _, key := range SortKeys() {
		// b follows a in the order of this key only.
		b := a
		switch key {
		case "id":
			b.ID = 2
		case "title":
			b.Title = "B"
		case "status":
			b.Status = Doing
		case "created_at":
			b.CreatedAt = early.Add(1)
		case "updated_at":
			b.UpdatedAt = early.Add(1)
		default:
			t.Fatalf("no case for %s", key)
		}
		if compare(key)(a, b) != -1 || compare(key)(b, a) != 1 || compare(key)(a, a) != 0 {
			t.Errorf("%s does not order tasks by its field", key)
		}
	}
}

func TestListReturnsCopies(t *testing.T) {
	t.Parallel()
	b := New(Config{Capacity: 1})
	mustAdd(t, b, Draft{Title: "a"})
	for _, query := range []Query{{}, {Status: Todo}} {
		page, _ := list(t, b, query)
		page[0].Title = "changed"
		if task, _ := b.Task(t.Context(), 1); task.Title != "a" {
			t.Errorf("a change of the page of %+v changed the board", query)
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ids, deleted, missing, left []int64
	}{
		{[]int64{2}, []int64{2}, []int64{}, []int64{1, 3, 4}},
		{[]int64{9}, []int64{}, []int64{9}, []int64{1, 2, 3, 4}},
		{[]int64{4, 1}, []int64{1, 4}, []int64{}, []int64{2, 3}},
		{[]int64{3, 9, 3, 0, 9, -1}, []int64{3}, []int64{-1, 0, 9}, []int64{1, 2, 4}},
		{[]int64{1, 2, 3, 4}, []int64{1, 2, 3, 4}, []int64{}, []int64{}},
		{nil, []int64{}, []int64{}, []int64{1, 2, 3, 4}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.ids), func(t *testing.T) {
			t.Parallel()
			b := New(Config{Capacity: 4})
			for range 4 {
				mustAdd(t, b, Draft{Title: "a"})
			}
			given := slices.Clone(test.ids)
			deleted, missing, err := b.Delete(t.Context(), test.ids...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(deleted, test.deleted) || !slices.Equal(missing, test.missing) {
				t.Errorf("deleted %v, missing %v, want %v, %v", deleted, missing, test.deleted, test.missing)
			}
			if deleted == nil || missing == nil {
				t.Error("a nil slice")
			}
			if !slices.Equal(test.ids, given) {
				t.Errorf("the caller's ids are now %v", test.ids)
			}
			left := []int64{}
			page, _ := list(t, b, Query{})
			for _, task := range page {
				left = append(left, task.ID)
			}
			if !slices.Equal(left, test.left) {
				t.Errorf("left %v, want %v", left, test.left)
			}
		})
	}
}

// This test is mainly for the race detector. It also checks that the board does
// not exceed its capacity, and that no update is lost if each includes the
// version that it changes.
func TestUseFromManyGoroutines(t *testing.T) {
	t.Parallel()
	const capacity, goroutines, rounds = 20, 8, 50
	b := New(Config{Capacity: capacity})
	counter := mustAdd(t, b, Draft{Title: "0"})
	var updates atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range rounds {
				if task, err := b.Add(t.Context(), Draft{Title: "a"}); err == nil && i%2 == 0 {
					remove(t, b, task.ID)
				} else if err != nil && err != ErrFull {
					t.Errorf("add: %v", err)
				}
				seen, err := b.Task(t.Context(), counter.ID)
				if err != nil {
					t.Errorf("read: %v", err)
				}
				title := fmt.Sprint(seen.Version)
				if _, err := b.Update(t.Context(), counter.ID, Edit{Title: &title, Version: &seen.Version}); err == nil {
					updates.Add(1)
				} else if !errors.Is(err, ErrChanged) {
					t.Errorf("update: %v", err)
				}
				if _, total := list(t, b, Query{Sort: "title", Limit: 3}); total > capacity {
					t.Errorf("%d tasks on a board for %d", total, capacity)
				}
			}
		})
	}
	wg.Wait()
	task, err := b.Task(t.Context(), counter.ID)
	if err != nil {
		t.Fatal(err)
	}
	if task.Version != 1+updates.Load() || task.Title != fmt.Sprint(updates.Load()) {
		t.Errorf("after %d updates: %+v", updates.Load(), task)
	}
}
