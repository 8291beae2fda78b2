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

// order returns the comparison function of the query. Ties are broken by ID, so
// that each task is on exactly one page of a list.
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

// compare returns the comparison function of a sort key, for ascending order.
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
