package snippet_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
)

const document = "# Title\n\n```go\nx := 1\n```\n\n```sh\n# ```go\ngo test ./...\n```\n\n" +
	"````go\n```\n````\n\n```go other words\npackage q\n\nvar y int\n```\n\n```\nno language\n```\n"

func TestBlocksAreFoundWithTheirPlaces(t *testing.T) {
	t.Parallel()
	want := []snippet.Block{
		{"a.md", 4, "go", "", "x := 1\n"},
		{"a.md", 8, "sh", "", "# ```go\ngo test ./...\n"},
		{"a.md", 13, "go", "", "```\n"},
		{"a.md", 17, "go", "other words", "package q\n\nvar y int\n"},
		{"a.md", 23, "", "", "no language\n"},
	}
	if got := snippet.Blocks("a.md", document); !slices.Equal(got, want) {
		t.Errorf("found %+v\nwant %+v", got, want)
	}
}

func TestDocumentsAreTheReadmeAndThoseInDocs(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "README.md"), document)
	write(t, filepath.Join(root, "docs", "b.md"), "```\nb\n```\n")
	write(t, filepath.Join(root, "docs", "c.txt"), "```\nc\n```\n")
	blocks, err := snippet.ReadDocuments(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) != 6 || blocks[0].Document != "docs/b.md" || blocks[5].Document != "README.md" {
		t.Errorf("found %+v", blocks)
	}
}

// write writes a file and creates its directory.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestReadRegions(t *testing.T) {
	t.Parallel()
	const mark, done = "//snippet:begin a.md\n", "//snippet:end\n"
	for _, test := range []struct{ name, source, code, wrong string }{
		{name: "statements lose their indentation",
			source: "func TestX() {\n\tfor {\n\t\t" + mark + "\t\tif x {\n\t\t\ty()\n\t\t}\n\t\t" + done + "\t}\n}\n",
			code:   "if x {\n\ty()\n}\n"},
		{name: "declarations lose the empty lines around them",
			source: mark + "\nvar x int\n\n" + done + "\nfunc TestX() { _ = x }\n",
			code:   "var x int\n"},
		{name: "one of several declarations is used",
			source: mark + "\ntype x int\n\nfunc (x) y() {}\n" + done + "\nfunc TestX() { _ = x(1) }\n",
			code:   "type x int\n\nfunc (x) y() {}\n"},
		{name: "imports need no use", source: mark + "import \"fmt\"\n" + done, code: "import \"fmt\"\n"},
		{name: "documents show the functions that stand-ins replace",
			source: "func TestX() {\n" + mark + "newServer(a, port8080, renewServer(dial(b)))\n" + done + "}\n",
			code:   "http.NewServer(a, \":8080\", renewServer(http.Dial(b)))\n"},

		{name: "declarations that nothing uses", source: mark + "\nfunc x() {}\n\n" + done, wrong: "x_test.go:3: no test uses x, declared in this region"},
		{name: "declarations that only other regions use",
			source: mark + "\nfunc x() {}\n\n" + done + "\nfunc TestX() {\n\t" + mark + "\tx()\n\t" + done + "}\n",
			wrong:  "x_test.go:3: no test uses"},
		{name: "statements outside of tests", source: "func x() {\n" + mark + "y()\n" + done + "}\n", wrong: "x_test.go:4: the region is not in a test function"},
		{name: "region without an end", source: mark + "\nvar x int\n", wrong: "does not end"},
		{name: "region in a region", source: mark + mark + done, wrong: "x_test.go:4: //snippet:begin"},
		{name: "end of nothing", source: done, wrong: "x_test.go:3: //snippet:end"},
		{name: "file that does not parse", source: "func {", wrong: "x_test.go:3:6: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "x_test.go"), "package x\n\n"+test.source)
			write(t, filepath.Join(dir, "x.go"), "package x\n\n"+mark)
			regions, err := snippet.ReadRegions(dir)
			switch {
			case test.wrong != "":
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("error %v, want one with %q", err, test.wrong)
				}
			case err != nil:
				t.Error(err)
			case len(regions) != 1 || regions[0].Code != test.code || regions[0].Document != "a.md":
				t.Errorf("found %+v, want %q", regions, test.code)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	block := func(document, code string) snippet.Block { return snippet.Block{document, 7, "go", "", code} }
	region := func(document, code string) snippet.Region {
		return snippet.Region{Path: "x_test.go", Line: 9, Document: document, Code: code}
	}
	for _, test := range []struct {
		name    string
		blocks  []snippet.Block
		regions []snippet.Region
		want    []string // how the errors begin
	}{
		{"all in order", []snippet.Block{block("a.md", "1"), block("a.md", "2")}, []snippet.Region{region("a.md", "2"), region("a.md", "1")}, nil},
		{"block without region", []snippet.Block{block("a.md", "1")}, nil, []string{"a.md:7: no test runs this example"}},
		{"region without block", nil, []snippet.Region{region("a.md", "1")}, []string{"x_test.go:9: a.md does not show this region"}},
		{"another text", []snippet.Block{block("a.md", "1")}, []snippet.Region{region("a.md", "2")}, []string{"a.md:7: ", "x_test.go:9: "}},
		{"another document", []snippet.Block{block("a.md", "1")}, []snippet.Region{region("b.md", "1")}, []string{"a.md:7: ", "x_test.go:9: "}},
		{"one region for two blocks", []snippet.Block{block("a.md", "1"), block("a.md", "1")}, []snippet.Region{region("a.md", "1")}, []string{"a.md:7: "}},
	} {
		var got []string
		for _, err := range snippet.Compare(test.blocks, test.regions) {
			got = append(got, err.Error())
		}
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
