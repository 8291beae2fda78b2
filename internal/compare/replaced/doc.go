// Package replaced runs the tests of other projects after their import of net/http has been
// replaced with this package. By default, it runs a short list. To run all:
//
//	go test ./replaced -all
package replaced
