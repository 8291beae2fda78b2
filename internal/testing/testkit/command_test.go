package testkit_test

import (
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestRunReturnsTheOutput(t *testing.T) {
	t.Parallel()
	if got := testkit.Run(t, "", "go", "env", "GOARCH"); strings.TrimSpace(got) == "" {
		t.Errorf("output %q", got)
	}
	got, err := testkit.TryRun("", []string{"GOFLAGS=-mod=mod"}, "go", "env", "GOFLAGS")
	if err != nil || got != "-mod=mod\n" {
		t.Errorf("output %q, %v", got, err)
	}
}

func TestTheErrorOfACommandHasItsOutput(t *testing.T) {
	t.Parallel()
	_, err := testkit.TryRun("", nil, "go", "no-such-command")
	if err == nil || !strings.Contains(err.Error(), "go no-such-command: exit status 2\n") || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("error %v", err)
	}
}

func TestListPackages(t *testing.T) {
	t.Parallel()
	const path = "github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
	all, err := testkit.ListPackages("", ".", "io")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].ImportPath != path || len(all[0].XTestGoFiles) == 0 || all[1].ImportPath != "io" {
		t.Errorf("listed %+v", all)
	}
	if _, err := testkit.ListPackages("", "./missing"); err == nil {
		t.Error("a missing package was listed")
	}
}
