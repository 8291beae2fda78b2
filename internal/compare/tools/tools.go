// Package tools finds the external programs that the tests of this module use.
// Only test files import it.
package tools

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// Require returns the path of a program. If the program is not installed, it
// skips the test, or fails the test if the environment variable REQUIRE_TOOLS
// is set. Set it where all programs should be installed, so that no test is
// skipped unnoticed.
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

// Profile returns a new directory for a browser's profile and removes it when
// the test ends. Because ending processes of the browser may still write to it,
// removal is retried for a while. If it fails, the test does not.
func Profile(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "profile")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond) // there is no notification of their end
		}
		tb.Logf("%s could not be removed", dir)
	})
	return dir
}
