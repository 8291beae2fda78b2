package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Run runs a program in a directory and returns its standard output; for
// example, Run(t, dir, "go", "build", "."). If the program fails, Run ends the
// test with an error that includes the program's output.
func Run(tb testing.TB, dir string, command ...string) string {
	tb.Helper()
	out, err := TryRun(dir, nil, command...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// TryRun runs a program in a directory, with additional environment variables
// of the form "NAME=value", and returns its standard output. If the program
// fails, the error includes its standard output and standard error.
func TryRun(dir string, env []string, command ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// A ListedPackage holds some of the fields that go list -json prints for a
// package.
type ListedPackage struct {
	Dir, ImportPath, Export            string
	GoFiles, TestGoFiles, XTestGoFiles []string
	DepOnly                            bool
}

// listedFields are the fields of [ListedPackage].
const listedFields = "Dir,ImportPath,Export,GoFiles,TestGoFiles,XTestGoFiles,DepOnly"

// ListPackages runs go list in a directory with the given flags and patterns.
func ListPackages(dir string, args ...string) ([]ListedPackage, error) {
	out, err := TryRun(dir, nil, append([]string{"go", "list", "-json=" + listedFields}, args...)...)
	if err != nil {
		return nil, err
	}
	var all []ListedPackage
	for decoder := json.NewDecoder(strings.NewReader(out)); ; {
		var p ListedPackage
		switch err := decoder.Decode(&p); err {
		case nil:
			all = append(all, p)
		case io.EOF:
			return all, nil
		default:
			return nil, fmt.Errorf("output of go list: %w", err)
		}
	}
}
