// Package board keeps tasks in memory. It takes the place of a database, and is
// independent of HTTP.
package board

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/demo/feed"
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

// keptChanges is the number of changes that a reader can miss without having to
// read the whole board again.
const keptChanges = 256

// A Change is a change of the board. One of its fields is set.
type Change struct {
	Saved   *Task   // a new task, or a task after an update
	Deleted []int64 // IDs of deleted tasks
}

// A Board holds a limited number of tasks. It is safe for concurrent use by
// multiple goroutines. The tasks that its methods return are copies.
type Board struct {
	capacity int
	changes  *feed.Log[Change] // appended to with mu held, so that changes are in order

	mu     sync.RWMutex
	tasks  []Task // sorted by id
	lastID int64
}

// New returns an empty board that can hold capacity tasks.
func New(capacity int) *Board {
	return &Board{capacity: capacity, changes: feed.New[Change](keptChanges)}
}

// Capacity returns the maximum number of tasks.
func (b *Board) Capacity() int { return b.capacity }

// Changes returns the log of the board's changes.
func (b *Board) Changes() *feed.Log[Change] { return b.changes }

// Snapshot returns all tasks, sorted by ID, and the ID of the last change that
// they include. The slice is never nil.
func (b *Board) Snapshot() (tasks []Task, change string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return append([]Task{}, b.tasks...), b.changes.Newest()
}

// Add adds a task and returns it. Any error is [ErrFull] or an [*InvalidError].
func (b *Board) Add(draft Draft) (Task, error) {
	draft, err := draft.checked()
	if err != nil {
		return Task{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.tasks) >= b.capacity {
		return Task{}, ErrFull
	}
	b.lastID++
	now := time.Now().UTC()
	task := Task{
		ID:          b.lastID,
		Title:       draft.Title,
		Description: draft.Description,
		Status:      draft.Status,
		Version:     1,
		CreatedAt:   now,
		UpdatedAt:   now,
	}
	b.tasks = append(b.tasks, task)
	b.changes.Append(Change{Saved: &task})
	return task, nil
}

// Task returns the task with the given ID, or [ErrNotFound].
func (b *Board) Task(id int64) (Task, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	i, found := b.find(id)
	if !found {
		return Task{}, ErrNotFound
	}
	return b.tasks[i], nil
}

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
func (b *Board) List(query Query) (page []Task, total int) {
	tasks := b.withStatus(query.Status)
	slices.SortFunc(tasks, query.order())
	total = len(tasks)
	page = tasks[min(query.Offset, total):]
	if query.Limit > 0 && query.Limit < len(page) {
		page = page[:query.Limit]
	}
	return page, total
}

// Update changes a task and returns the changed task. Any error is
// [ErrNotFound], [ErrChanged] or an [*InvalidError].
func (b *Board) Update(id int64, edit Edit) (Task, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, found := b.find(id)
	if !found {
		return Task{}, ErrNotFound
	}
	task := &b.tasks[i]
	if edit.Version != nil && *edit.Version != task.Version {
		return Task{}, fmt.Errorf("%w: it is at version %d, not %d", ErrChanged, task.Version, *edit.Version)
	}
	draft, err := edit.applyTo(*task).checked()
	if err != nil {
		return Task{}, err
	}
	task.Title, task.Description, task.Status = draft.Title, draft.Description, draft.Status
	task.Version++
	task.UpdatedAt = time.Now().UTC()
	saved := *task
	b.changes.Append(Change{Saved: &saved})
	return saved, nil
}

// Delete removes the tasks with the given IDs, as one change. It returns the IDs
// of the tasks that it removed and the IDs without a task, both sorted, without
// duplicates, and never nil.
func (b *Board) Delete(ids ...int64) (deleted, missing []int64) {
	deleted, missing = []int64{}, []int64{}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if _, found := b.find(id); found {
			deleted = append(deleted, id)
		} else {
			missing = append(missing, id)
		}
	}
	b.tasks = slices.DeleteFunc(b.tasks, func(task Task) bool {
		_, found := slices.BinarySearch(deleted, task.ID)
		return found
	})
	if len(deleted) > 0 {
		b.changes.Append(Change{Deleted: slices.Clone(deleted)})
	}
	return deleted, missing
}

// find returns the index of a task in b.tasks. The caller must hold b.mu.
func (b *Board) find(id int64) (i int, found bool) {
	return slices.BinarySearchFunc(b.tasks, id, func(task Task, id int64) int {
		return cmp.Compare(task.ID, id)
	})
}

// withStatus returns copies of the tasks with a status, or of all tasks if status
// is empty. The caller can sort them without holding b.mu.
func (b *Board) withStatus(status Status) []Task {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if status == "" {
		return slices.Clone(b.tasks)
	}
	var tasks []Task
	for _, task := range b.tasks {
		if task.Status == status {
			tasks = append(tasks, task)
		}
	}
	return tasks
}
