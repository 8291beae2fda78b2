//go:build unix

package websocket

import (
	"os"
	"syscall"
)

// canTryRead reports whether tryRead works on this system.
const canTryRead = true

// tryRead reads from a non-blocking socket. It reports whether there is nothing to
// read yet.
func tryRead(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch err {
		case nil:
			return n, false, nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, true, nil
		}
		return 0, false, os.NewSyscallError("read", err)
	}
}
