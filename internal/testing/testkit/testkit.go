// Package testkit is what the project's tests have in common: a real server
// in each protocol, a raw connection, golden files, and a check for leaked
// goroutines. Only test files import it.
//
// Everything it starts ends with the test, through [testing.TB.Cleanup], and
// whatever could block for ever gives up after [Patience].
package testkit

import "time"

// Patience is how long anything in a test waits for something that should
// happen at once. It bounds a hanging test and never decides whether one
// passes, so it is long enough for a busy machine.
const Patience = 20 * time.Second
