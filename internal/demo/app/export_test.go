package app

import (
	"encoding/csv"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
)

func TestExport(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	if _, err := a.board.Add(t.Context(), board.Draft{Title: `=1+1, "quoted"`, Description: "-\ntwo lines"}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		query string
		want  [][]string
	}{
		{"", [][]string{
			{"1", "beta", "second", "done", "T", "T"},
			{"2", "alpha", "first", "todo", "T", "T"},
			{"3", "gamma", "third", "doing", "T", "T"},
			{"4", `'=1+1, "quoted"`, "'-\ntwo lines", "todo", "T", "T"},
		}},
		{"?status=doing", [][]string{{"3", "gamma", "third", "doing", "T", "T"}}},
		{"?sort=title&order=desc&status=todo&limit=1", [][]string{
			{"2", "alpha", "first", "todo", "T", "T"},
			{"4", `'=1+1, "quoted"`, "'-\ntwo lines", "todo", "T", "T"},
		}},
	}
	for _, test := range tests {
		got := a.send(t, "GET", "/api/tasks/export"+test.query, "")
		if got.StatusCode != 200 {
			t.Fatalf("%s: status %d: %s", test.query, got.StatusCode, got.Body)
		}
		if ct := got.Header.Get("Content-Type"); ct != "text/csv; charset=utf-8" {
			t.Errorf("Content-Type %q", ct)
		}
		disposition := regexp.MustCompile(`^attachment; filename="?tasks-\d{8}\.csv"?$`)
		if cd := got.Header.Get("Content-Disposition"); !disposition.MatchString(cd) {
			t.Errorf("Content-Disposition %q", cd)
		}
		records, err := csv.NewReader(strings.NewReader(got.Body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := append([][]string{{"ID", "Title", "Description", "Status", "Created", "Updated"}}, test.want...)
		if !slices.EqualFunc(records, want, slices.Equal) {
			t.Errorf("%s: records %q\nwant %q", test.query, records, want)
		}
	}
}

func TestPlainCell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "plain": "plain", "a=b": "a=b", "'=": "'=", "ü": "ü",
		"=1": "'=1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "\t=": "'\t=", "\r=": "'\r=",
	} {
		if got := plainCell(text); got != want {
			t.Errorf("plainCell(%q) = %q, want %q", text, got, want)
		}
	}
}
