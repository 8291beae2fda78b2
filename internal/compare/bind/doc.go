// Package bind compares the binding of query parameters and forms with that of other
// packages.
package bind
