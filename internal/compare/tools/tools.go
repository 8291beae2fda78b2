// Package tools finds the programs of other people that the tests of this
// module run against. Only test files import it.
package tools

import (
	"os"
	"os/exec"
	"testing"
	"time"
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

// Profile returns a new folder for the profile of a browser. It is removed when
// the test ends. Processes of the browser that are ending may still write to
// it, so removing it is tried for a while, and its failure is none of the test.
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
			time.Sleep(20 * time.Millisecond) // nothing announces their end
		}
		tb.Logf("%s could not be removed", dir)
	})
	return dir
}
