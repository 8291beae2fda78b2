// Package timeout compares Timeout with net/http's TimeoutHandler and chi's Timeout, and
// tests Streaming with the streams of other packages.
package timeout
