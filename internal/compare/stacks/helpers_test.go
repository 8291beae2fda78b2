package stacks_test

import (
	"bytes"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

func TestHelpersAnswerAlike(t *testing.T) {
	var log bytes.Buffer
	for _, row := range stacks.Helpers() {
		answerAlike(t, row, &log)
		for _, c := range row.Contestants {
			if a := ask(t, row, c, &log); a.status != nethttp.StatusOK || a.body == "" {
				t.Errorf("%s: %s answers with status %d and %q", row.Name, c.Name, a.status, a.body)
			}
		}
	}
}

// TestBadBodiesAreRefused checks that all contestants reject the same bodies.
func TestBadBodiesAreRefused(t *testing.T) {
	var log bytes.Buffer
	for _, row := range stacks.Helpers() {
		if !strings.HasPrefix(row.Name, "BindJSON") {
			continue
		}
		for _, body := range []string{"{", row.Body + "{}", row.Body[:len(row.Body)-1] + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`} {
			row.Body = body
			for _, c := range row.Contestants {
				if a := ask(t, row, c, &log); a.status != nethttp.StatusBadRequest {
					t.Errorf("%s: %s takes %.20q… of %d bytes", row.Name, c.Name, body, len(body))
				}
			}
		}
	}
}

func BenchmarkHelpers(b *testing.B) {
	for _, row := range stacks.Helpers() {
		measureRow(b, row, clearHeader)
	}
}

// TestPrometheusAnswersAlike compares the sets of lines, because families may
// come in any order.
func TestPrometheusAnswersAlike(t *testing.T) {
	// Each family has a HELP and a TYPE line, and each histogram has 11
	// samples.
	lengths := map[string]int{"50-counters": 3 * 50, "50-metrics": 2*26 + 20 + 20 + 10*11}
	for _, row := range stacks.Prometheus() {
		checkPage(t, row, lengths[row.Name])
	}
}

// checkPage checks that all contestants write the same lines.
func checkPage(t *testing.T, row stacks.Row, length int) {
	t.Helper()
	var log bytes.Buffer
	var want []string
	for i, c := range row.Contestants {
		lines := strings.Split(strings.TrimSuffix(ask(t, row, c, &log).body, "\n"), "\n")
		slices.Sort(lines)
		if i == 0 {
			want = lines
		}
		if len(lines) != length {
			t.Errorf("%s: %s writes %d lines, want %d", row.Name, c.Name, len(lines), length)
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%s writes\n%s\nwant\n%s", c.Name, strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
	}
}

func BenchmarkPrometheus(b *testing.B) {
	for _, row := range stacks.Prometheus() {
		measureRow(b, row, clearHeader)
	}
}
