// Package timeout compares Timeout with net/http's TimeoutHandler, and shows streams of
// other packages with Streaming.
package timeout
