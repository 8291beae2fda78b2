package docs

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// block returns the only block of a language in docs/production.md.
func block(t *testing.T, language string) string {
	t.Helper()
	blocks, err := snippet.ReadDocuments("../../..")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, b := range blocks {
		if b.Document == "docs/production.md" && b.Language == language {
			found = append(found, b.Code)
		}
	}
	if len(found) != 1 {
		t.Fatalf("docs/production.md has %d blocks of %s, want one", len(found), language)
	}
	return found[0]
}

// check writes text to the file named by the last argument of command, and runs
// command, which checks the file.
func check(t *testing.T, text string, command ...string) {
	t.Helper()
	path := tools.Require(t, command[0])
	file := command[len(command)-1]
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, command[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", command[0], err, out, text)
	}
}

func TestPrometheusConfiguration(t *testing.T) {
	t.Parallel()
	check(t, block(t, "yaml"), "promtool", "check", "config", filepath.Join(t.TempDir(), "prometheus.yml"))
}

func TestPrometheusQueries(t *testing.T) {
	t.Parallel()
	rules := "groups:\n- name: documented\n  rules:\n"
	for query := range strings.Lines(block(t, "promql")) {
		rules += fmt.Sprintf("  - record: %s\n    expr: '%s'\n", "q"+strings.ToLower(rand.Text()), strings.TrimSpace(query))
	}
	check(t, rules, "promtool", "check", "rules", filepath.Join(t.TempDir(), "rules.yml"))
}

// nginx before 1.25.1 does not have the directive http2. A comment in the
// configuration shows the alternative.
func TestNginxConfiguration(t *testing.T) {
	t.Parallel()
	version, err := exec.Command(tools.Require(t, "nginx"), "-v").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	site := block(t, "nginx")
	if before(t, string(version), 1, 25, 1) {
		old := regexp.MustCompile(`(?m)listen 443 ssl;\n *http2 on; *# before nginx 1\.25\.1: (listen 443 ssl http2;)$`)
		if !old.MatchString(site) {
			t.Fatalf("the configuration does not show the alternative for older versions:\n%s", site)
		}
		site = old.ReplaceAllString(site, "$1")
	}
	dir := t.TempDir()
	certFile, keyFile, _ := testkit.KeyPair(t)
	for from, to := range map[string]string{certFile: "cert.pem", keyFile: "key.pem"} {
		if err := os.Rename(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf("pid %s/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n%s}\n", dir, site)
	check(t, config, "nginx", "-t", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
}

// The units are in one block, each after a comment with its path.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	units := regexp.MustCompile(`(?m)^# /etc/systemd/system/(.*)\n([^#]+)`).FindAllStringSubmatch(block(t, "ini"), -1)
	if len(units) != 2 {
		t.Fatalf("docs/production.md has %d units, want 2", len(units))
	}
	for _, unit := range units {
		text := strings.Replace(unit[2], "/usr/local/bin/myapp", "/bin/true", 1)
		if err := os.WriteFile(filepath.Join(dir, unit[1]), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	path := tools.Require(t, "systemd-analyze")
	if out, err := exec.Command(path, "verify", filepath.Join(dir, units[0][1]), filepath.Join(dir, units[1][1])).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

// before reports whether nginx is older than a version.
func before(t *testing.T, version string, than ...int) bool {
	t.Helper()
	numbers := regexp.MustCompile(`nginx/(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(version)
	if numbers == nil {
		t.Fatalf("unexpected version %q", version)
	}
	for i, n := range than {
		if have, _ := strconv.Atoi(numbers[i+1]); have != n {
			return have < n
		}
	}
	return false
}
