package stacks_test

import (
	"bytes"
	"net/http"
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
			if a := ask(t, row, c, &log); a.status != http.StatusOK || a.body == "" {
				t.Errorf("%s: %s answers with status %d and %q", row.Name, c.Name, a.status, a.body)
			}
		}
	}
}

// TestBadBodiesAreRefused makes sure that all check the same of a body.
func TestBadBodiesAreRefused(t *testing.T) {
	var log bytes.Buffer
	for _, row := range stacks.Helpers() {
		if !strings.HasPrefix(row.Name, "BindJSON") {
			continue
		}
		for _, body := range []string{"{", row.Body + "{}", row.Body[:len(row.Body)-1] + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`} {
			row.Body = body
			for _, c := range row.Contestants {
				if a := ask(t, row, c, &log); a.status != http.StatusBadRequest {
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

// TestPrometheusAnswersAlike compares lines: families may come in any order.
func TestPrometheusAnswersAlike(t *testing.T) {
	var log bytes.Buffer
	row := stacks.Prometheus()
	var want []string
	for i, c := range row.Contestants {
		lines := strings.Split(ask(t, row, c, &log).body, "\n")
		slices.Sort(lines)
		if i == 0 {
			want = lines
		}
		// 26 families of two lines each, and a histogram has 11 samples.
		if n := 2*26 + 20 + 20 + 10*11; len(lines) != n {
			t.Errorf("%s writes %d lines, want %d", c.Name, len(lines), n)
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%s writes\n%s\nwant\n%s", c.Name, strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
	}
}

func BenchmarkPrometheus(b *testing.B) { measureRow(b, stacks.Prometheus(), clearHeader) }
