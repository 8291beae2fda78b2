// Package board implements a task board. It is independent of HTTP, and keeps the
// tasks in memory or in a [Store].
package board

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	// ErrNotFound is returned if no task has the given ID.
	ErrNotFound = errors.New("board: no such task")
	// ErrFull is returned if the board cannot hold another task.
	ErrFull = errors.New("board: full")
	// ErrChanged is returned if the version of a task differs from that of the
	// [Edit].
	ErrChanged = errors.New("board: the task has changed")
)

// A Change is a change of the board. One of its fields is set.
//
// Changes that are made at the same time may be announced in either order. To
// apply them in any order, ignore a task whose Version is not higher than the one
// that you have, and a task that you know to be deleted.
type Change struct {
	Saved   *Task   // a new task, or a task after an update
	Deleted []int64 // IDs of deleted tasks
}

// A Config configures a [Board].
type Config struct {
	// Capacity is the maximum number of tasks.
	Capacity int
	// Store keeps the tasks. If nil, they are kept in memory.
	Store Store
	// Changed is called after each change has been stored. If it returns an
	// error, so does the method that made the change. It may be nil.
	Changed func(context.Context, Change) error
}

// A Board holds a limited number of tasks. It is safe for concurrent use by
// multiple goroutines. The tasks that its methods return are copies.
//
// All methods also return the errors of the Store and of Config.Changed.
type Board struct{ Config }

// New returns a board.
func New(config Config) *Board {
	if config.Store == nil {
		config.Store = NewMemory()
	}
	if config.Changed == nil {
		config.Changed = func(context.Context, Change) error { return nil }
	}
	return &Board{config}
}

// All returns all tasks, sorted by ID, and the highest ID that any task has had so
// far: a task with this or a lower ID that is not among them has been deleted. The
// slice is never nil.
func (b *Board) All(ctx context.Context) (tasks []Task, lastID int64, err error) {
	tasks, lastID, err = b.Store.Tasks(ctx)
	return append([]Task{}, tasks...), lastID, err
}

// Add adds a task and returns it. It returns [ErrFull] or an [*InvalidError] if it
// does not accept the task.
func (b *Board) Add(ctx context.Context, draft Draft) (Task, error) {
	draft, err := draft.checked()
	if err != nil {
		return Task{}, err
	}
	now := time.Now().UTC().Round(0)
	task, err := b.Store.Add(ctx, Task{
		Title:       draft.Title,
		Description: draft.Description,
		Status:      draft.Status,
		Version:     1,
		CreatedAt:   now,
		UpdatedAt:   now,
	}, b.Capacity)
	if err != nil {
		return Task{}, err
	}
	return task, b.Changed(ctx, Change{Saved: &task})
}

// Task returns the task with the given ID, or [ErrNotFound].
func (b *Board) Task(ctx context.Context, id int64) (Task, error) { return b.Store.Task(ctx, id) }

// A Query selects tasks. The zero value selects all tasks, sorted by ID.
type Query struct {
	Status     Status // only tasks with this status; empty means all
	Sort       string // one of [SortKeys]; any other value means "id"
	Descending bool
	Offset     int // how many tasks to skip; not negative
	Limit      int // maximum number of tasks; 0 means no limit
}

// List returns the tasks that query selects, and the number that it would select
// without Offset and Limit.
func (b *Board) List(ctx context.Context, query Query) (page []Task, total int, err error) {
	tasks, _, err := b.Store.Tasks(ctx)
	if err != nil {
		return nil, 0, err
	}
	if query.Status != "" {
		tasks = slices.DeleteFunc(tasks, func(task Task) bool { return task.Status != query.Status })
	}
	slices.SortFunc(tasks, query.order())
	total = len(tasks)
	page = tasks[min(query.Offset, total):]
	if query.Limit > 0 && query.Limit < len(page) {
		page = page[:query.Limit]
	}
	return page, total, nil
}

// Update changes a task and returns the changed task. It returns [ErrNotFound],
// [ErrChanged] or an [*InvalidError] if it does not accept the edit.
func (b *Board) Update(ctx context.Context, id int64, edit Edit) (Task, error) {
	for {
		task, err := b.Store.Task(ctx, id)
		if err != nil {
			return Task{}, err
		}
		if edit.Version != nil && *edit.Version != task.Version {
			return Task{}, fmt.Errorf("%w: it is at version %d, not %d", ErrChanged, task.Version, *edit.Version)
		}
		draft, err := edit.applyTo(task).checked()
		if err != nil {
			return Task{}, err
		}
		saved := task
		saved.Title, saved.Description, saved.Status = draft.Title, draft.Description, draft.Status
		saved.Version++
		saved.UpdatedAt = time.Now().UTC().Round(0)
		err = b.Store.Replace(ctx, task, saved)
		if errors.Is(err, ErrChanged) {
			continue // somebody else was faster: apply the edit to their version
		}
		if err != nil {
			return Task{}, err
		}
		return saved, b.Changed(ctx, Change{Saved: &saved})
	}
}

// Delete removes the tasks with the given IDs, as one change. It returns the IDs
// of the tasks that it removed and the IDs without a task, both sorted, without
// duplicates, and never nil.
func (b *Board) Delete(ctx context.Context, ids ...int64) (deleted, missing []int64, err error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	removed, err := b.Store.Delete(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	deleted, missing = []int64{}, []int64{}
	for _, id := range ids {
		if slices.Contains(removed, id) {
			deleted = append(deleted, id)
		} else {
			missing = append(missing, id)
		}
	}
	if len(deleted) > 0 {
		err = b.Changed(ctx, Change{Deleted: slices.Clone(deleted)})
	}
	return deleted, missing, err
}
