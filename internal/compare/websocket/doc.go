// Package websocket holds the tests of WebSocket connections against other
// people's implementations. It has no code of its own outside of tests; the
// echo servers that are measured are in package echo.
//
//	go test -v -run Interop                          who understands whom, as a table
//	go test -v -run Idle                             what thousands of connections keep and a broadcast costs
//	go test -v -race -run UnderLoad -load 30s        hundreds of connections that echo
//	go test -v -run Speed -speed 9 [-heap 64]        what an echo costs, and masking
//	go test ../stacks -run - -bench WebSocket        the same in short, with allocations
//
// Node's ws must have been installed by npm ci in testdata/node, and Python's
// websockets as Debian's python3-websockets.
package websocket
