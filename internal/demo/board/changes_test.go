package board

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

// A recorder records changes.
type recorder struct {
	mu      sync.Mutex
	changes []Change
}

// changed is for Config.Changed.
func (r *recorder) changed(_ context.Context, change Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, change)
	return nil
}

func TestChangesTellEverythingThatHappens(t *testing.T) {
	t.Parallel()
	var r recorder
	b := New(Config{Capacity: 10, Changed: r.changed})
	task := mustAdd(t, b, Draft{Title: "one"})
	title := "two"
	updated, err := b.Update(t.Context(), task.ID, Edit{Title: &title})
	if err != nil {
		t.Fatal(err)
	}
	remove(t, b, task.ID, 77)
	remove(t, b, task.ID)
	if _, err := b.Add(t.Context(), Draft{}); err == nil {
		t.Fatal("a task without a title was added")
	}

	if len(r.changes) != 3 {
		t.Fatalf("%d changes, want 3", len(r.changes))
	}
	if got := r.changes[0].Saved; got == nil || *got != task {
		t.Errorf("first change %+v, want %+v", got, task)
	}
	if got := r.changes[1].Saved; got == nil || *got != updated {
		t.Errorf("second change %+v, want %+v", got, updated)
	}
	if got := r.changes[2].Deleted; !slices.Equal(got, []int64{task.ID}) {
		t.Errorf("third change deletes %v", got)
	}
}

// When a change is announced, the store has it: whoever reads the board after the
// announcement does not miss the change.
func TestChangesAreStoredBeforeTheyAreAnnounced(t *testing.T) {
	t.Parallel()
	var b *Board
	b = New(Config{Capacity: 10, Changed: func(ctx context.Context, change Change) error {
		tasks, lastID, err := b.All(ctx)
		if err != nil {
			return err
		}
		if saved := change.Saved; saved != nil && (lastID < saved.ID || !slices.Contains(tasks, *saved)) {
			t.Errorf("%+v is announced, but not on the board", *saved)
		}
		if change.Deleted != nil && len(tasks) > 0 {
			t.Errorf("%v announced as deleted, but %d tasks are on the board", change.Deleted, len(tasks))
		}
		return nil
	}})
	task := mustAdd(t, b, Draft{Title: "one"})
	done := Done
	if _, err := b.Update(t.Context(), task.ID, Edit{Status: &done}); err != nil {
		t.Fatal(err)
	}
	remove(t, b, task.ID)
	if tasks, lastID, err := b.All(t.Context()); tasks == nil || lastID != task.ID || err != nil {
		t.Errorf("all tasks %v, last id %d, %v, want an empty slice and %d", tasks, lastID, err, task.ID)
	}
}

// failingStore is a Store that cannot be reached.
type failingStore struct{ Store }

var errDown = errors.New("down")

func (failingStore) Tasks(context.Context) ([]Task, int64, error)           { return nil, 0, errDown }
func (failingStore) Task(context.Context, int64) (Task, error)              { return Task{}, errDown }
func (failingStore) Add(context.Context, Task, int) (Task, error)           { return Task{}, errDown }
func (failingStore) Delete(context.Context, []int64) (d []int64, err error) { return nil, errDown }

func TestErrorsOfTheStoreAreReturned(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	announced := func(context.Context, Change) error {
		t.Error("a change that was not stored is announced")
		return nil
	}
	b := New(Config{Capacity: 10, Store: failingStore{}, Changed: announced})
	_, addErr := b.Add(ctx, Draft{Title: "a"})
	_, taskErr := b.Task(ctx, 1)
	_, _, allErr := b.All(ctx)
	_, _, listErr := b.List(ctx, Query{})
	_, updateErr := b.Update(ctx, 1, Edit{})
	_, _, deleteErr := b.Delete(ctx, 1)
	for i, err := range []error{addErr, taskErr, allErr, listErr, updateErr, deleteErr} {
		if !errors.Is(err, errDown) {
			t.Errorf("error %d: %v, want that of the store", i, err)
		}
	}
}

// An error of the announcement is returned, although the change was made.
func TestErrorsOfTheAnnouncementAreReturned(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := New(Config{Capacity: 10, Changed: func(context.Context, Change) error { return errDown }})
	if task, err := b.Add(ctx, Draft{Title: "a"}); err != errDown || task.ID != 1 {
		t.Errorf("add: %+v, %v", task, err)
	}
	if task, err := b.Update(ctx, 1, Edit{}); err != errDown || task.Version != 2 {
		t.Errorf("update: %+v, %v", task, err)
	}
	if deleted, _, err := b.Delete(ctx, 1); err != errDown || len(deleted) != 1 {
		t.Errorf("delete: %v, %v", deleted, err)
	}
}

// racingStore calls a function after it has read a task for the first time.
type racingStore struct {
	Store
	once sync.Once
	race func()
}

func (s *racingStore) Task(ctx context.Context, id int64) (Task, error) {
	task, err := s.Store.Task(ctx, id)
	s.once.Do(s.race)
	return task, err
}

// If somebody else changes a task between the read and the write of an update, no
// change is lost.
func TestUpdatesAtTheSameTime(t *testing.T) {
	t.Parallel()
	title, done, one := "theirs", Done, int64(1)
	tests := []struct {
		name    string
		theirs  func(t *testing.T, b *Board)
		version *int64
		want    Task
		err     error
	}{
		{"both", update(&title), nil, Task{ID: 1, Title: "theirs", Status: Done, Version: 3}, nil},
		{"conflict", update(&title), &one, Task{ID: 1, Title: "theirs", Status: Todo, Version: 2}, ErrChanged},
		{"deletion", func(t *testing.T, b *Board) { remove(t, b, 1) }, nil, Task{}, ErrNotFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			memory := NewMemory()
			others := New(Config{Capacity: 1, Store: memory})
			mustAdd(t, others, Draft{Title: "a"})
			b := New(Config{Store: &racingStore{Store: memory, race: func() { test.theirs(t, others) }}})
			if _, err := b.Update(t.Context(), 1, Edit{Status: &done, Version: test.version}); !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			got, _ := others.Task(t.Context(), 1)
			got.CreatedAt, got.UpdatedAt = test.want.CreatedAt, test.want.UpdatedAt
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// update returns a function that sets the title of the first task.
func update(title *string) func(*testing.T, *Board) {
	return func(t *testing.T, b *Board) {
		if _, err := b.Update(t.Context(), 1, Edit{Title: title}); err != nil {
			t.Error(err)
		}
	}
}
