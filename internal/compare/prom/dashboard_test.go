package prom_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
)

// dashboardExpressions returns the expressions of docs/grafana.json, with values for its
// variables.
func dashboardExpressions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*")
	var all []string
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all = append(all, values.Replace(target.Expr))
		}
	}
	return all
}

func TestPromtoolAcceptsTheDashboard(t *testing.T) {
	expressions := dashboardExpressions(t)
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, expression := range expressions {
		rules += fmt.Sprintf("  - record: dashboard:%d\n    expr: %q\n", i, expression)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tools.Require(t, "promtool"), "check", "rules", file).CombinedOutput()
	t.Logf("promtool check rules: %s", out)
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("SUCCESS: %d rules found", len(expressions))) {
		t.Errorf("%v, with %d expressions", err, len(expressions))
	}
}
