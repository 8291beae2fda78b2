package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestRelease packs the module as a module proxy does, with the version at the top of the
// changelog, and runs the README's go get command in an empty module. It then builds the
// program at the beginning of the README with it.
func TestRelease(t *testing.T) {
	t.Parallel()
	const root, path = "../../..", "github.com/stanza-go/framework/pkg/http"
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+), `).FindSubmatch(changelog)
	if heading == nil {
		t.Fatal("CHANGELOG.md has no version")
	}
	version := "v" + string(heading[1])
	proxy := t.TempDir()
	pack(t, root, filepath.Join(proxy, path, "@v"), module.Version{Path: path, Version: version})

	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("`(go get [^`]*)`").FindSubmatch(readme)
	if command == nil {
		t.Fatal("README.md has no go get command")
	}
	dir := t.TempDir()
	for name, start := range map[string]string{"main.go": "// Command notes", "index.html": "<!doctype html>"} {
		text, err := snippet.Find(root, "README.md", start)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"GOPROXY=file://" + filepath.ToSlash(proxy), "GOSUMDB=off", "GOMODCACHE=" + t.TempDir(), "GOFLAGS=-modcacherw"}
	for _, command := range []string{"go mod init example.com/notes", string(command[1]), "go build", "go vet"} {
		if out, err := testkit.TryRun(dir, env, strings.Fields(command)...); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.Contains(string(goMod), path+" "+version) || strings.Count(string(goMod), "require") != 1 {
		t.Errorf("go.mod: %v\n%s", err, goMod)
	}
}

// pack writes the files that a module proxy serves for a version of the module in dir.
func pack(t *testing.T, dir, to string, m module.Version) {
	t.Helper()
	if err := os.MkdirAll(to, 0o777); err != nil {
		t.Fatal(err)
	}
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"list":              m.Version + "\n",
		m.Version + ".info": `{"Version":"` + m.Version + `","Time":"2026-01-01T00:00:00Z"}`,
		m.Version + ".mod":  string(goMod),
	} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(to, m.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := zip.CreateFromDir(file, m, dir); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}
