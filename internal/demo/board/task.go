package board

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The longest texts a task may have, in characters.
const (
	MaxTitle       = 200
	MaxDescription = 2000
)

// A Status says how far a task has come.
type Status string

// The statuses, in the order in which a task goes through them.
const (
	Todo  Status = "todo"
	Doing Status = "doing"
	Done  Status = "done"
)

// Statuses returns every status, in order.
func Statuses() []Status { return []Status{Todo, Doing, Done} }

// Check returns an [*InvalidError] if there is no such status.
func (s Status) Check() error {
	if !slices.Contains(Statuses(), s) {
		return &InvalidError{"status", `must be "todo", "doing" or "done"`}
	}
	return nil
}

// A Task is one card on the board.
type Task struct {
	// ID is positive, and never used again for another task.
	ID          int64  `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Status      Status `json:"status"`
	// Version is 1 for a new task and grows by 1 with every update.
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// A Draft is what a client decides about a task.
type Draft struct {
	// Title is one line of 1 to [MaxTitle] characters. Spaces around it are
	// removed.
	Title string `json:"title"`
	// Description is any text of at most [MaxDescription] characters.
	Description string `json:"description"`
	// Status is one of [Statuses], or empty for [Todo].
	Status Status `json:"status"`
}

// An Edit changes a task. Fields that are nil stay as they are.
type Edit struct {
	Title       *string `json:"title"`
	Description *string `json:"description"`
	Status      *Status `json:"status"`
	// Version is the version that the client has seen. If it is not nil and the
	// task has another one by now, the edit is refused with [ErrChanged], so
	// that nobody overwrites a change without having seen it.
	Version *int64 `json:"version"`
}

// Empty reports whether the edit would change nothing.
func (e Edit) Empty() bool { return e.Title == nil && e.Description == nil && e.Status == nil }

// applyTo returns what becomes of a task's content.
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

// An InvalidError tells what is wrong with a [Draft] or an [Edit]. Its text is
// meant for whoever wrote that.
type InvalidError struct {
	Field  string // as named in JSON
	Reason string // what follows the name in a sentence
}

// Error returns a sentence such as "title is required".
func (e *InvalidError) Error() string { return e.Field + " " + e.Reason }

// checked returns the draft as the board stores it, or an [*InvalidError].
func (d Draft) checked() (Draft, error) {
	// A copy, so that the board does not keep the spaces: they may be many.
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

// tooLong returns the error for a text of more than limit characters.
func tooLong(field string, limit int) error {
	return &InvalidError{field, fmt.Sprintf("must not be longer than %d characters", limit)}
}
