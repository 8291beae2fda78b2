//go:build !race

package testkit

// Race says whether the race detector is on. Its bookkeeping allocates, so
// counts of allocations are not worth asserting then.
const Race = false
