package board

import (
	"cmp"
	"slices"
	"strings"
)

// SortKeys returns what a [Query] can sort by: the names of the task's fields
// in JSON.
func SortKeys() []string {
	return []string{"id", "title", "status", "created_at", "updated_at"}
}

// order returns the order that the query asks for. Tasks that it does not tell
// apart are in the order of their ids, so that every page of a list fits to the
// page before.
func (q Query) order() func(a, b Task) int {
	byKey := compare(q.Sort)
	return func(a, b Task) int {
		c := cmp.Or(byKey(a, b), cmp.Compare(a.ID, b.ID))
		if q.Descending {
			return -c
		}
		return c
	}
}

// compare returns the ascending order of a sort key.
func compare(key string) func(a, b Task) int {
	switch key {
	case "title":
		return func(a, b Task) int {
			return strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
		}
	case "status":
		return func(a, b Task) int { return cmp.Compare(a.Status.step(), b.Status.step()) }
	case "created_at":
		return func(a, b Task) int { return a.CreatedAt.Compare(b.CreatedAt) }
	case "updated_at":
		return func(a, b Task) int { return a.UpdatedAt.Compare(b.UpdatedAt) }
	default:
		return func(a, b Task) int { return cmp.Compare(a.ID, b.ID) }
	}
}

// step returns how far along its way a task with the status is.
func (s Status) step() int { return slices.Index(Statuses(), s) }
