package board

import (
	"cmp"
	"slices"
	"strings"
)

// SortKeys returns the values of [Query.Sort]: the names of a task's fields in
// JSON.
func SortKeys() []string {
	return []string{"id", "title", "status", "created_at", "updated_at"}
}

// order returns the order of the query. Tasks that it does not distinguish are
// sorted by id, so that each task is on one page of a list.
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

// step returns the position of s in [Statuses].
func (s Status) step() int { return slices.Index(Statuses(), s) }
