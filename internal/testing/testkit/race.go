//go:build race

package testkit

// Race reports whether the race detector is enabled. It allocates, so tests must
// not check numbers of allocations then.
const Race = true
