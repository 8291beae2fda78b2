// Package tools finds the programs of other people that the tests of this
// module run against. Only test files import it.
package tools

import (
	"os"
	"os/exec"
	"testing"
)

// Require returns the path of a program. Where it is not installed the test is
// skipped; it fails if the environment variable REQUIRE_TOOLS is set, as it is
// where the tools are known to be there and a skipped test would be a lie.
func Require(tb testing.TB, program string) string {
	tb.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("REQUIRE_TOOLS") != "" {
		tb.Fatal(err)
	}
	tb.Skip(err)
	return ""
}
