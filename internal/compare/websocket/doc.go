// Package websocket tests WebSocket connections against other implementations,
// and compares their costs. It contains only tests; the echo servers to measure
// are in package echo.
//
//	go test -v -run Interop                     table of implementations that interoperate
//	go test -v -run Idle                        memory of idle connections, and cost of a broadcast
//	go test -v -race -run UnderLoad -load 30s   hundreds of connections that echo
//	go test -v -run Speed -speed 9 [-heap 64]   cost of an echo, and of masking
//	go test ../stacks -run - -bench WebSocket   short benchmarks of an echo, with allocations
//
// Before the tests, install Node's ws with npm ci in testdata/node, and
// Python's websockets as Debian's python3-websockets.
package websocket
