package snippet_test

import (
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/snippet"
)

const document = "# Title\n\n```go\nx := 1\n```\n\n```sh\n# ```go\ngo test ./...\n```\n\n" +
	"````go\n```\n````\n\n```go other words\npackage q\n\nvar y int\n```\n\n```golang\nno\n```\n"

func TestSnippetsAreFoundWithTheirPlaces(t *testing.T) {
	t.Parallel()
	want := []snippet.Snippet{
		{Path: "a.md", Line: 4, Code: "x := 1\n"},
		{Path: "a.md", Line: 13, Code: "```\n"},
		{Path: "a.md", Line: 17, Label: "other words", Code: "package q\n\nvar y int\n"},
	}
	got := snippet.In("a.md", document)
	if len(got) != len(want) {
		t.Fatalf("found %d snippets, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("snippet %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

const prelude = `package prelude

import (
	"fmt"
	"net/http"
)

var name string

type user struct{ name string }

func (u *user) show() { fmt.Println(u.name) }

func show(v any) { fmt.Println(v) }

var _ http.Handler
`

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, code, want string // want is part of the one error, or "" for none
	}{
		{"statements see w, r and the prelude", `fmt.Fprint(w, name, r.URL)`, ""},
		{"statements may leave variables unused", `x := 1`, ""},
		{"statements may return", "if name == \"\" {\n\treturn\n}", ""},
		{"declarations", "type T struct{ name string }\n\nfunc (t T) f() { show(t.name) }", ""},
		{"declarations take the prelude's place", "func show(n int) {}\n\nfunc f() { show(1) }", ""},
		{"types take their methods along", "type user struct{ id int }\n\nfunc (u user) show() int { return u.id }", ""},
		{"statements declare w and r anew", "r := name\nshow(len(r))", ""},
		{"declarations with imports of their own", "import \"strings\"\n\nvar _ = strings.ToUpper(name)", ""},
		{"a whole file", "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(0) }", ""},
		{"wrong argument", "\nshow(1, 2)", "docs/a.md:8:9: too many arguments"},
		{"unknown name", `http.Nope()`, "docs/a.md:7:6: undefined: http.Nope"},
		{"unknown method", `r.Nope()`, "docs/a.md:7:3: r.Nope undefined"},
		{"malformed", "if {", "docs/a.md:7"},
		{"the prelude is not for whole files", "package main\n\nfunc main() { show(1) }", "undefined: show"},
		{"unused in a whole file", "package main\n\nimport \"os\"\n\nfunc main() {}", `"os" imported and not used`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := snippet.Snippet{Path: "docs/a.md", Line: 7, Code: test.code}
			checker, err := snippet.NewChecker(".", []byte(prelude), []snippet.Snippet{s})
			if err != nil {
				t.Fatal(err)
			}
			problems := checker.Check(s)
			if test.want == "" {
				for _, problem := range problems {
					t.Error(problem)
				}
				return
			}
			if len(problems) == 0 || !strings.Contains(" "+problems[0].Error(), " "+test.want) {
				t.Errorf("problems %q, want one with %q", problems, test.want)
			}
		})
	}
}

func TestUnknownImportIsAnError(t *testing.T) {
	t.Parallel()
	s := snippet.Snippet{Path: "a.md", Line: 1, Code: "import \"example.invalid/nope\"\n"}
	if _, err := snippet.NewChecker(".", []byte(prelude), []snippet.Snippet{s}); err == nil {
		t.Error("no error")
	}
}
