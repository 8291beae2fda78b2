package testkit

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// Packages must not declare this flag again: a test binary with two flags of
// the same name panics.
var update = flag.Bool("update", false, "write golden files in testdata instead of comparing with them")

// Update reports whether the test runs with -update.
func Update() bool { return *update }

// Golden reports an error unless got equals the content of the file
// testdata/name of the package under test. With -update, it writes the file
// instead.
func Golden(tb testing.TB, name string, got []byte) {
	tb.Helper()
	path := filepath.Join("testdata", filepath.FromSlash(name))
	if Update() {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("%v (run the test with -update to write it)", err)
	}
	if !bytes.Equal(got, want) {
		line, g, w := firstDifference(got, want)
		tb.Errorf("%s differs from line %d on (-update rewrites it)\n got: %s\nwant: %s", path, line, g, w)
	}
}

// firstDifference returns the first line that differs between got and want, with
// its number, counted from 1.
func firstDifference(got, want []byte) (line int, g, w []byte) {
	gs, ws := bytes.SplitAfter(got, []byte("\n")), bytes.SplitAfter(want, []byte("\n"))
	for line < len(gs) && line < len(ws) && bytes.Equal(gs[line], ws[line]) {
		line++
	}
	if line < len(gs) {
		g = gs[line]
	}
	if line < len(ws) {
		w = ws[line]
	}
	return line + 1, bytes.TrimRight(g, "\r\n"), bytes.TrimRight(w, "\r\n")
}
