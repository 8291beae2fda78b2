// Package parts tests that applications and middleware of other projects work with this
// package: inside and outside its documented chain of middleware, with HTTP/1 and HTTP/2.
package parts
