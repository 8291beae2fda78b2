package board

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The maximum lengths of texts, in characters.
const (
	MaxTitle       = 200
	MaxDescription = 2000
)

// A Status is the progress of a task.
type Status string

// The statuses, in the order in which a task usually goes through them.
const (
	Todo  Status = "todo"
	Doing Status = "doing"
	Done  Status = "done"
)

// Statuses returns all statuses, in order.
func Statuses() []Status { return []Status{Todo, Doing, Done} }

// Check returns an [*InvalidError] if s is not one of [Statuses].
func (s Status) Check() error {
	if !slices.Contains(Statuses(), s) {
		return &InvalidError{"status", `must be "todo", "doing" or "done"`}
	}
	return nil
}

// A Task is one card on the board.
type Task struct {
	// ID is positive. It is not reused after the task has been deleted.
	ID          int64  `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Status      Status `json:"status"`
	// Version is 1 for a new task. Each update increments it.
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// A Draft is the part of a task that clients set.
type Draft struct {
	// Title is one line of 1 to [MaxTitle] characters. Surrounding spaces are
	// removed.
	Title string `json:"title"`
	// Description has at most [MaxDescription] characters.
	Description string `json:"description"`
	// Status is one of [Statuses]. If empty, [Todo] is used.
	Status Status `json:"status"`
}

// An Edit changes a task. A nil field leaves that part of the task unchanged.
type Edit struct {
	Title       *string `json:"title"`
	Description *string `json:"description"`
	Status      *Status `json:"status"`
	// Version is the version that the client has seen. If it is not nil and the
	// task has another version, the edit fails with [ErrChanged], so that
	// clients do not overwrite changes that they have not seen.
	Version *int64 `json:"version"`
}

// Empty reports whether e has no field to change.
func (e Edit) Empty() bool { return e.Title == nil && e.Description == nil && e.Status == nil }

// applyTo returns the content of task with the changes of e.
func (e Edit) applyTo(task Task) Draft {
	draft := Draft{task.Title, task.Description, task.Status}
	if e.Title != nil {
		draft.Title = *e.Title
	}
	if e.Description != nil {
		draft.Description = *e.Description
	}
	if e.Status != nil {
		draft.Status = *e.Status
	}
	return draft
}

// An InvalidError is returned for an invalid [Draft] or [Edit]. Its text can be
// shown to users.
type InvalidError struct {
	Field  string // as named in JSON
	Reason string // the rest of the sentence
}

// Error returns a sentence such as "title is required".
func (e *InvalidError) Error() string { return e.Field + " " + e.Reason }

// checked returns the draft in the form in which it is stored, or an
// [*InvalidError].
func (d Draft) checked() (Draft, error) {
	// Clone, so that the board does not keep the memory of the spaces.
	d.Title = strings.Clone(strings.TrimSpace(d.Title))
	switch {
	case d.Title == "":
		return d, &InvalidError{"title", "is required"}
	case utf8.RuneCountInString(d.Title) > MaxTitle:
		return d, tooLong("title", MaxTitle)
	case strings.ContainsFunc(d.Title, unicode.IsControl):
		return d, &InvalidError{"title", "must be one line without control characters"}
	case utf8.RuneCountInString(d.Description) > MaxDescription:
		return d, tooLong("description", MaxDescription)
	}
	if d.Status == "" {
		d.Status = Todo
	}
	return d, d.Status.Check()
}

// tooLong returns the error for a field with more than limit characters.
func tooLong(field string, limit int) error {
	return &InvalidError{field, fmt.Sprintf("must not be longer than %d characters", limit)}
}
