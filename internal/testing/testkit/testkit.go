// Package testkit provides servers for each protocol, requests and responses, raw
// connections, logs, commands, golden files, and a check for leaked goroutines. Only
// test files import it.
//
// Everything that a test starts ends with the test, through [testing.TB.Cleanup],
// and everything that could block forever gives up after [Patience].
package testkit

import "time"

// Patience is how long a test waits for something that should happen at once.
// It bounds a hanging test but never decides whether a test passes, so it is
// long enough for a busy machine.
const Patience = 20 * time.Second
