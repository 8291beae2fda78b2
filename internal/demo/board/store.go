package board

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// A Store keeps the tasks of a [Board]. It must be safe for concurrent use by
// multiple goroutines and, if several processes share it, by multiple processes.
// The errors below are returned as they are; any other error means that the
// outcome is unknown.
type Store interface {
	// Tasks returns all tasks, sorted by ID, and the highest ID that any task
	// has had so far.
	Tasks(ctx context.Context) (tasks []Task, lastID int64, err error)

	// Task returns the task with the given ID, or [ErrNotFound].
	Task(ctx context.Context, id int64) (Task, error)

	// Add stores a task and returns it with its ID, which no task has had before.
	// If there are already capacity tasks, it returns [ErrFull].
	Add(ctx context.Context, task Task, capacity int) (Task, error)

	// Replace stores a task in place of the one with the same ID. If that one
	// differs from before, it returns [ErrChanged] or [ErrNotFound].
	Replace(ctx context.Context, before, after Task) error

	// Delete removes tasks. It returns the IDs of those that were there, in the
	// order of ids.
	Delete(ctx context.Context, ids []int64) (deleted []int64, err error)
}

// NewMemory returns a Store in the memory of the process.
func NewMemory() Store { return new(memory) }

// memory is a Store in the memory of the process.
type memory struct {
	mu     sync.RWMutex
	tasks  []Task // sorted by ID
	lastID int64
}

// Tasks implements Store.
func (m *memory) Tasks(context.Context) ([]Task, int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.tasks), m.lastID, nil
}

// Task implements Store.
func (m *memory) Task(_ context.Context, id int64) (Task, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	i, found := m.find(id)
	if !found {
		return Task{}, ErrNotFound
	}
	return m.tasks[i], nil
}

// Add implements Store.
func (m *memory) Add(_ context.Context, task Task, capacity int) (Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.tasks) >= capacity {
		return Task{}, ErrFull
	}
	m.lastID++
	task.ID = m.lastID
	m.tasks = append(m.tasks, task)
	return task, nil
}

// Replace implements Store.
func (m *memory) Replace(_ context.Context, before, after Task) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := m.find(before.ID)
	switch {
	case !found:
		return ErrNotFound
	case m.tasks[i] != before:
		return ErrChanged
	}
	m.tasks[i] = after
	return nil
}

// Delete implements Store.
func (m *memory) Delete(_ context.Context, ids []int64) (deleted []int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if i, found := m.find(id); found {
			m.tasks = slices.Delete(m.tasks, i, i+1)
			deleted = append(deleted, id)
		}
	}
	return deleted, nil
}

// find returns the index of a task in m.tasks. The caller must hold m.mu.
func (m *memory) find(id int64) (i int, found bool) {
	return slices.BinarySearchFunc(m.tasks, id, func(task Task, id int64) int {
		return cmp.Compare(task.ID, id)
	})
}
