//go:build race

package testkit

// Race reports whether the race detector is enabled. The detector allocates, so
// tests must not count allocations if it is enabled.
const Race = true
