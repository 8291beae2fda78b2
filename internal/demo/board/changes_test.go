package board

import (
	"maps"
	"slices"
	"sync"
	"testing"
)

// follow applies the changes after the one with the given ID to the tasks of a
// snapshot, as a reader does, and returns the ID of the last change.
func follow(t *testing.T, b *Board, tasks map[int64]Task, change string) string {
	t.Helper()
	entries, _, ok := b.Changes().After(change)
	if !ok {
		t.Fatal("changes are gone")
	}
	for _, entry := range entries {
		if saved := entry.Value.Saved; saved != nil {
			if old := tasks[saved.ID]; saved.Version != old.Version+1 {
				t.Errorf("task %d: version %d follows %d", saved.ID, saved.Version, old.Version)
			}
			tasks[saved.ID] = *saved
		}
		for _, id := range entry.Value.Deleted {
			delete(tasks, id)
		}
		change = entry.ID
	}
	return change
}

// byID returns the tasks as a map with their IDs as keys.
func byID(tasks []Task) map[int64]Task {
	m := make(map[int64]Task)
	for _, task := range tasks {
		m[task.ID] = task
	}
	return m
}

func TestChangesTellEverythingThatHappens(t *testing.T) {
	t.Parallel()
	b := New(10)
	before := b.Changes().Newest()
	task, err := b.Add(Draft{Title: "one"})
	if err != nil {
		t.Fatal(err)
	}
	title := "two"
	updated, err := b.Update(task.ID, Edit{Title: &title})
	if err != nil {
		t.Fatal(err)
	}
	b.Delete(task.ID, 77)
	b.Delete(task.ID)
	if _, err := b.Add(Draft{}); err == nil {
		t.Fatal("a task without a title was added")
	}

	entries, _, ok := b.Changes().After(before)
	if !ok || len(entries) != 3 {
		t.Fatalf("%d changes, %v, want 3", len(entries), ok)
	}
	if got := entries[0].Value.Saved; got == nil || *got != task {
		t.Errorf("first change %+v, want %+v", got, task)
	}
	if got := entries[1].Value.Saved; got == nil || *got != updated {
		t.Errorf("second change %+v, want %+v", got, updated)
	}
	if got := entries[2].Value.Deleted; !slices.Equal(got, []int64{task.ID}) {
		t.Errorf("third change deletes %v", got)
	}
}

// Whenever a reader takes a snapshot, the changes after it lead to the current
// board, and each version is seen exactly once.
func TestSnapshotAndChangesFitTogether(t *testing.T) {
	t.Parallel()
	b := New(1000)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 10 {
				task, err := b.Add(Draft{Title: "x"})
				if err != nil {
					t.Error(err)
					return
				}
				done := Done
				if _, err := b.Update(task.ID, Edit{Status: &done}); err != nil {
					t.Error(err)
				}
				if task.ID%3 == 0 {
					b.Delete(task.ID)
				}
			}
		})
	}
	var readers sync.WaitGroup
	for range 4 {
		tasks, change := b.Snapshot()
		seen := byID(tasks)
		readers.Go(func() {
			change := follow(t, b, seen, change)
			writers.Wait()
			follow(t, b, seen, change)
			if now, _ := b.Snapshot(); !maps.Equal(seen, byID(now)) {
				t.Errorf("a reader sees %d tasks, there are %d", len(seen), len(now))
			}
		})
	}
	readers.Wait()
}
