package testkit_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestLogKeepsRecordsWithoutTimes(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	if got := log.Lines(); got != nil {
		t.Errorf("an empty log has the lines %q", got)
	}
	log.JSON().Debug("one", "duration", time.Second, "n", 1)
	want := map[string]any{"level": "DEBUG", "msg": "one", "duration": "a Duration", "n": 1.0}
	if got := log.Records(t); len(got) != 1 || !maps.Equal(got[0], want) {
		t.Errorf("records %v, want %v", got, want)
	}
	log.Text().Info("two")
	lines := []string{`{"level":"DEBUG","msg":"one","duration":"a Duration","n":1}`, "level=INFO msg=two"}
	if got := log.Lines(); !slices.Equal(got, lines) {
		t.Errorf("lines %q, want %q", got, lines)
	}
}

func TestLogIsWrittenConcurrently(t *testing.T) {
	t.Parallel()
	var (
		log     testkit.Log
		writers sync.WaitGroup
	)
	for i := range 100 {
		writers.Go(func() { fmt.Fprintf(&log, "%02d\n", i) })
	}
	writers.Wait()
	lines := log.Lines()
	slices.Sort(lines)
	if len(lines) != 100 || lines[0] != "00" || lines[99] != "99" {
		t.Errorf("lines %q", lines)
	}
}
