package replaced

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

var all = flag.Bool("all", false, "run the tests of all projects")

// A project is a module with tests.
type project struct {
	module   string // with the version
	packages string
	skip     string // tests that cannot pass here even with net/http
	long     bool   // it is not in the short list
}

var projects = []project{
	{module: "github.com/gorilla/mux@v1.8.1"},
	{module: "github.com/gorilla/handlers@v1.5.2", skip: "TestHeaderWrites"}, // it needs the internet
	{module: "github.com/go-chi/chi/v5@v5.5.0", packages: "./middleware"},
	{module: "github.com/go-chi/chi/v5@v5.5.0", long: true},
	{module: "github.com/go-pkgz/rest@v1.21.0", packages: "./logger ./realip"},
	{module: "github.com/go-pkgz/rest@v1.21.0", long: true},
	{module: "github.com/go-chi/cors@v1.2.2", long: true},
	{module: "github.com/go-chi/httprate@v0.16.1", long: true},
	{module: "github.com/julienschmidt/httprouter@v1.3.0", long: true},
	{module: "github.com/rs/cors@v1.11.1", packages: ".", long: true},
	{module: "github.com/alexedwards/scs/v2@v2.9.0", packages: ".", long: true},
}

func TestProjectsWithTheImportReplaced(t *testing.T) {
	t.Parallel()
	for _, p := range projects {
		if p.long && !*all {
			continue
		}
		t.Run(strings.ReplaceAll(p.module+" "+p.packages, "/", "_"), func(t *testing.T) {
			t.Parallel()
			dir := replace(t, p.module)
			arguments := []string{"test", "-vet=off", "-mod=mod"}
			if p.skip != "" {
				arguments = append(arguments, "-skip", p.skip)
			}
			packages := strings.Fields(p.packages)
			if packages == nil {
				packages = []string{"./..."}
			}
			cmd := exec.Command("go", append(arguments, packages...)...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// replace copies a module to a new directory, and replaces its imports of net/http.
func replace(t *testing.T, module string) string {
	t.Helper()
	out := testkit.Run(t, ".", "go", "mod", "download", "-json", module)
	var downloaded struct{ Dir, Path string }
	if err := json.Unmarshal([]byte(out), &downloaded); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := filepath.Join(t.TempDir(), path.Base(downloaded.Path)) // tests of go-pkgz/rest expect this name
	if err := os.CopyFS(dir, os.DirFS(downloaded.Dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		testkit.Run(t, dir, "go", "mod", "init", downloaded.Path)
	}
	checkout, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Run(t, dir, "go", "mod", "edit", "-go=1.26", "-require="+replacement+"@v0.0.0", "-replace="+replacement+"="+checkout)
	replaced := 0
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" {
			return err
		}
		changed, err := replaceIn(file)
		if changed {
			replaced++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if replaced == 0 {
		t.Fatal("no file imports net/http")
	}
	t.Logf("replaced the import in %d files", replaced)
	return dir
}

const replacement = "github.com/stanza-go/framework/pkg/http"

var (
	imported   = regexp.MustCompile(`(?m)^(import |\t)((\w+) )?"net/http"$`)
	usesServer = regexp.MustCompile(`\bhttp\.Server\b`)
)

// replaceIn replaces the import in a file. It leaves files that use the type Server, which
// is the one name that is not the same in both packages.
func replaceIn(file string) (changed bool, err error) {
	source, err := os.ReadFile(file)
	if err != nil || !imported.Match(source) || usesServer.Match(source) {
		return false, err
	}
	source = imported.ReplaceAllFunc(source, func(line []byte) []byte {
		parts := imported.FindSubmatch(line)
		name := "http"
		if len(parts[3]) > 0 {
			name = string(parts[3])
		}
		return []byte(string(parts[1]) + name + ` "` + replacement + `"`)
	})
	return true, os.WriteFile(file, source, 0o666)
}
