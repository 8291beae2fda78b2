package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestGuide follows docs/guide.md in a new directory: it saves the files, adds the lines,
// and runs the commands of each step, whose output must be as documented. In the end, the
// directory must have the same files as internal/guide, and its tests must pass.
func TestGuide(t *testing.T) {
	t.Parallel()
	tools.Require(t, "curl")
	blocks, err := snippet.ReadDocuments("../../..")
	if err != nil {
		t.Fatal(err)
	}
	g := &guide{t: t, dir: t.TempDir()}
	for _, b := range blocks {
		if b.Document == "docs/guide.md" {
			g.follow(b)
		}
	}
	if g.sessions < 7 {
		t.Errorf("the guide has %d sessions in a terminal, want 7 or more", g.sessions)
	}
	g.check()
}

// A guide is a directory in which a guide is followed.
type guide struct {
	t        *testing.T
	dir      string
	sessions int
}

// follow does what a block says.
func (g *guide) follow(b snippet.Block) {
	g.t.Helper()
	switch {
	case strings.HasPrefix(b.Code, "go mod init "):
		g.makeModule(b.Code)
	case strings.HasPrefix(b.Code, "./status -https"):
		g.checkFlags(b.Code)
	case b.Language == "console":
		g.sessions++
		g.run(b)
	case b.Label == "routes.go" && !strings.HasPrefix(b.Code, "package "):
		g.addRoutes(b.Code)
	case b.Label != "":
		g.save(b.Label, b.Code)
	default:
		g.t.Errorf("%s:%d: a block with an unknown purpose:\n%s", b.Document, b.Line, b.Code)
	}
}

// makeModule runs the commands that create the module, with the path of the checkout.
func (g *guide) makeModule(commands string) {
	g.t.Helper()
	checkout, err := filepath.Abs("../../..")
	if err != nil {
		g.t.Fatal(err)
	}
	for command := range strings.Lines(strings.Replace(commands, "../http", checkout, 1)) {
		testkit.Run(g.t, g.dir, strings.Fields(command)...)
	}
}

// save saves a file. With site/app.js, it also saves the script that the guide takes from
// docs/production.md.
func (g *guide) save(name, text string) {
	g.t.Helper()
	if name == "site/app.js" {
		const declared = "function live("
		script, err := snippet.Find("../../..", "docs/production.md", "// live follows")
		if err != nil {
			g.t.Fatal(err)
		}
		if strings.Count(script, declared) != 1 {
			g.t.Fatalf("the script does not have %q once:\n%s", declared, script)
		}
		g.save("site/live.js", strings.Replace(script, declared, "export "+declared, 1))
	}
	path := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		g.t.Fatal(err)
	}
}

// addRoutes adds lines before the end of the function in routes.go.
func (g *guide) addRoutes(lines string) {
	g.t.Helper()
	source, err := os.ReadFile(filepath.Join(g.dir, "routes.go"))
	if err != nil {
		g.t.Fatal(err)
	}
	const end = "\treturn router\n"
	if strings.Count(string(source), end) != 1 {
		g.t.Fatalf("routes.go does not have %q once:\n%s", end, source)
	}
	indented := strings.ReplaceAll("\t"+strings.TrimSuffix(lines, "\n"), "\n", "\n\t")
	g.save("routes.go", strings.Replace(string(source), end, indented+"\n\n"+end, 1))
}

// run runs the commands of a session in a terminal. The first two build the program and
// start it.
func (g *guide) run(b snippet.Block) {
	g.t.Helper()
	commands := strings.Split(b.Code, "$ ")[1:]
	if len(commands) < 3 || commands[0] != "go build\n" || commands[1] != "./status > log.json &\n" {
		g.t.Fatalf("%s:%d: unexpected commands:\n%s", b.Document, b.Line, b.Code)
	}
	testkit.Run(g.t, g.dir, "go", "vet", ".")
	testkit.Run(g.t, g.dir, "go", "build")
	addresses := strings.NewReplacer("localhost:8080", testkit.FreeAddress(g.t), "localhost:2112", testkit.FreeAddress(g.t))
	stop := g.start(addresses)
	defer stop()
	for _, command := range commands[2:] {
		line, want, _ := strings.Cut(command, "\n")
		shell := exec.Command("sh", "-c", strings.Replace(addresses.Replace(line), "curl ", "curl -s ", 1))
		shell.Dir = g.dir
		got, _ := shell.Output() // curl fails on purpose if the time for a stream is over
		text := regexp.MustCompile(`\r?\n?$`).ReplaceAllString(string(got), "")
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSuffix(want, "\n")), "…", ".*")
		if !regexp.MustCompile(`^` + pattern + `\n?$`).MatchString(strings.ReplaceAll(text, "\r", "")) {
			g.t.Errorf("%s:%d: %s\nprints:\n%s\nwant:\n%s", b.Document, b.Line, line, text, want)
		}
	}
}

// start starts the program, and returns a function that stops it.
func (g *guide) start(addresses *strings.Replacer) (stop func()) {
	g.t.Helper()
	log, err := os.Create(filepath.Join(g.dir, "log.json"))
	if err != nil {
		g.t.Fatal(err)
	}
	var failed bytes.Buffer
	public, internal := addresses.Replace("localhost:8080"), addresses.Replace("localhost:2112")
	cmd := exec.Command(filepath.Join(g.dir, "status"), "-addr", public, "-internal-addr", internal)
	cmd.Dir, cmd.Stdout, cmd.Stderr = g.dir, log, &failed
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = cmd.Process.Kill() }) // fails if it has ended
	ready := exec.Command("curl", "-s", "--retry", "100", "--retry-connrefused", "--retry-delay", "0", "--retry-max-time", "20", "http://"+internal+"/ready")
	if out, err := ready.CombinedOutput(); err != nil {
		g.t.Fatalf("%v: %s\n%s", err, out, &failed)
	}
	return func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			g.t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || failed.Len() > 0 {
			g.t.Errorf("the program ends with %v and prints %s", err, &failed)
		}
		if err := log.Close(); err != nil {
			g.t.Error(err)
		}
	}
}

// checkFlags checks that the program has the flags of the commands.
func (g *guide) checkFlags(commands string) {
	g.t.Helper()
	usage, _ := exec.Command(filepath.Join(g.dir, "status"), "-h").CombinedOutput() // -h is no success
	for _, flag := range regexp.MustCompile(` -[a-z-]+`).FindAllString(commands, -1) {
		if !strings.Contains(string(usage), "\n "+flag+"\n") && !strings.Contains(string(usage), "\n "+flag+" ") {
			g.t.Errorf("the program has no flag%s:\n%s", flag, usage)
		}
	}
}

// check compares the directory with internal/guide, and runs the tests.
func (g *guide) check() {
	g.t.Helper()
	const complete = "../../guide"
	paths, err := filepath.Glob(complete + "/*.go")
	if err != nil {
		g.t.Fatal(err)
	}
	site, err := filepath.Glob(complete + "/site/*")
	if err != nil {
		g.t.Fatal(err)
	}
	for _, path := range append(paths, site...) {
		name, err := filepath.Rel(complete, path)
		if err != nil {
			g.t.Fatal(err)
		}
		if err := sameFile(path, filepath.Join(g.dir, name)); err != nil {
			g.t.Error(err)
		}
	}
	testkit.Run(g.t, g.dir, "go", "vet", ".")
	testkit.Run(g.t, g.dir, "go", "test", ".")
}

// sameFile returns an error if two files have different contents.
func sameFile(complete, followed string) error {
	want, err := os.ReadFile(complete)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(followed)
	if err != nil {
		return fmt.Errorf("the guide does not show %s: %w", complete, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the guide shows another text of %s:\n%s", complete, got)
	}
	return nil
}
