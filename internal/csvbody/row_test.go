package csvbody

import (
	"encoding/csv"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// written returns rows as a rowWriter writes them.
func written(t *testing.T, rows ...[]string) string {
	t.Helper()
	var out strings.Builder
	var w rowWriter
	w.init(&out, Format{})
	for _, row := range rows {
		if err := w.write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestRowsAreQuotedAsNeeded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		row  []string
		want string
	}{
		{[]string{"a", "b"}, "a,b\n"},
		{[]string{""}, "\"\"\n"},
		{[]string{"", ""}, ",\n"},
		{[]string{"", "a"}, ",a\n"},
		{[]string{}, "\n"},
		{[]string{"#1", "#2"}, "\"#1\",#2\n"},
		{[]string{"#"}, "\"#\"\n"},
		{[]string{" "}, "\" \"\n"},
		{[]string{"a", " b", "c "}, "a,\" b\",c \n"},
		{[]string{`\.`}, "\"\\.\"\n"},
		{[]string{`a"b`, `"`, `""`}, "\"a\"\"b\",\"\"\"\",\"\"\"\"\"\"\n"},
		{[]string{"a,b", "c\nd", "e\rf"}, "\"a,b\",\"c\nd\",\"e\rf\"\n"},
		{[]string{"\ufeffID", "\u00a0x"}, "\ufeffID,\"\u00a0x\"\n"},
		{[]string{"=1+1", "bad\xff"}, "=1+1,bad\xff\n"},
	} {
		if got := written(t, tt.row); got != tt.want {
			t.Errorf("%q is written as %q, want %q", tt.row, got, tt.want)
		}
	}
}

func TestLongCellsAreWrittenInParts(t *testing.T) {
	t.Parallel()
	var sizes parts
	var w rowWriter
	w.init(&sizes, Format{})
	for _, cell := range []string{strings.Repeat("x", 100_000), strings.Repeat(`"`, 50_000)} {
		if err := w.write([]string{cell}); err != nil {
			t.Fatal(err)
		}
	}
	if sizes.largest > 4096 {
		t.Errorf("%d bytes in one write", sizes.largest)
	}
}

// parts records the size of the largest write.
type parts struct{ largest int }

func (p *parts) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return len(b), nil
}

func (p *parts) WriteString(s string) (int, error) { return p.Write([]byte(s)) }

func TestAfterAnErrorAllCallsReturnIt(t *testing.T) {
	t.Parallel()
	failure := errors.New("disconnected")
	var w rowWriter
	w.init(failing{failure}, Format{})
	if err := w.write([]string{strings.Repeat("x", 10_000), `"`}); err != failure {
		t.Errorf("a row that does not fit the buffer: %v", err)
	}
	if err := w.write([]string{"x"}); err != failure {
		t.Errorf("the next row: %v", err)
	}
	if err := w.flush(); err != failure {
		t.Errorf("Flush: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzReadersReturnTheRows reads the output with a reader that skips comments and
// with one that does not. It compares rows that need no special treatment with
// encoding/csv.
func FuzzReadersReturnTheRows(f *testing.F) {
	f.Add("", "a,b", "#x", `\.`, "\r\n")
	f.Add("#", "", "", "", "")
	f.Add(" a", "\tb", "\u2003", `"`, "c\rd")
	f.Fuzz(func(t *testing.T, a, b, c, d, e string) {
		rows := [][]string{{a}, {b, c}, {d, e, ""}, {"", a}, {e}}
		text := written(t, rows...)
		for _, comment := range []rune{0, '#'} {
			r := csv.NewReader(strings.NewReader(text))
			r.FieldsPerRecord, r.Comment = -1, comment
			read, err := r.ReadAll()
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			var want [][]string
			for _, row := range rows {
				var kept []string
				for _, cell := range row {
					kept = append(kept, strings.ReplaceAll(cell, "\r\n", "\n")) // as the reader does
				}
				want = append(want, kept)
			}
			if !reflect.DeepEqual(read, want) {
				t.Errorf("with comment %q, %q reads as %q, want %q", comment, text, read, want)
			}
		}
		for _, row := range rows {
			if len(row) == 1 && row[0] == "" || strings.HasPrefix(row[0], "#") {
				continue
			}
			var out strings.Builder
			w := csv.NewWriter(&out)
			if err := w.Write(row); err != nil {
				t.Fatal(err)
			}
			if w.Flush(); written(t, row) != out.String() {
				t.Errorf("%q is written as %q, by encoding/csv as %q", row, written(t, row), out.String())
			}
		}
	})
}
