package header_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

func TestStoreKeepsFieldsApart(t *testing.T) {
	t.Parallel()
	h := http.Header{"A": {"before"}}
	slots := make([]string, 3)
	slots = header.Store(h, "A", "1", slots)
	slots = header.Store(h, "B", "2", slots)
	if len(slots) != 1 {
		t.Errorf("%d of 3 slots are left after two fields", len(slots))
	}
	h.Add("A", "3")
	if !slices.Equal(h["A"], []string{"1", "3"}) || !slices.Equal(h["B"], []string{"2"}) {
		t.Errorf("after adding to A the header is %q", h)
	}
}
