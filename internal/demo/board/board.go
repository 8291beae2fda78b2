// Package board keeps tasks in memory: a stand-in for the database that a real
// application has. It knows nothing of HTTP.
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
	// ErrNotFound means that there is no task with that id.
	ErrNotFound = errors.New("board: no such task")
	// ErrFull means that the board has as many tasks as it may hold.
	ErrFull = errors.New("board: full")
	// ErrChanged means that a task is no longer at the version that an [Edit]
	// was made for.
	ErrChanged = errors.New("board: the task has changed")
)

// keptChanges is how many changes a reader may miss and still catch up without
// reading the whole board again.
const keptChanges = 256

// A Change is what happened to the board: one of its fields is set.
type Change struct {
	Saved   *Task   // a new task, or a task after an update
	Deleted []int64 // ids of tasks that are gone
}

// A Board holds a bounded number of tasks. Its methods may be called from any
// goroutine; the tasks that they return are copies.
type Board struct {
	capacity int
	changes  *feed.Log[Change] // appended to with mu held, so that its order is the board's

	mu     sync.RWMutex
	tasks  []Task // in order of their ids
	lastID int64
}

// New returns an empty board for at most capacity tasks.
func New(capacity int) *Board {
	return &Board{capacity: capacity, changes: feed.New[Change](keptChanges)}
}

// Capacity returns how many tasks the board may hold.
func (b *Board) Capacity() int { return b.capacity }

// Changes returns the log of everything that happens to the board from now on.
func (b *Board) Changes() *feed.Log[Change] { return b.changes }

// Snapshot returns all tasks by id, never nil, and the id of the last change
// that is in them: with the changes after that one a reader misses nothing.
func (b *Board) Snapshot() (tasks []Task, change string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return append([]Task{}, b.tasks...), b.changes.Newest()
}

// Add puts a new task on the board. The error is [ErrFull] or an
// [*InvalidError].
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

// Task returns the task with that id, or [ErrNotFound].
func (b *Board) Task(id int64) (Task, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	i, found := b.find(id)
	if !found {
		return Task{}, ErrNotFound
	}
	return b.tasks[i], nil
}

// A Query selects tasks. The zero Query selects all of them, by id.
type Query struct {
	Status     Status // only tasks of this status, unless it is empty
	Sort       string // one of [SortKeys]; anything else sorts by id
	Descending bool
	Offset     int // how many tasks to leave out at the start, at least 0
	Limit      int // at most so many tasks; 0 means all
}

// List returns the tasks that a query selects, and how many there would be
// without its Offset and Limit.
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

// Update changes a task and returns it as it is then. The error is
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

// Delete removes the tasks with those ids, all at the same moment. It returns
// which of the ids it removed and which had no task, each once and in order. Neither is nil.
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

// find returns where in b.tasks the task with that id is. The caller holds b.mu.
func (b *Board) find(id int64) (i int, found bool) {
	return slices.BinarySearchFunc(b.tasks, id, func(task Task, id int64) int {
		return cmp.Compare(task.ID, id)
	})
}

// withStatus returns copies of the tasks of a status or, if that is empty, of
// all tasks, so that sorting them does not hold the lock.
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
