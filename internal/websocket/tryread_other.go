//go:build !unix

package websocket

import "errors"

// canTryRead reports whether tryRead works on this system.
const canTryRead = false

// tryRead is not called on this system.
func tryRead(uintptr, []byte) (n int, again bool, err error) {
	return 0, false, errors.ErrUnsupported
}
