package sendqueue

import "syscall"

// notSentLowWater is the socket option TCP_NOTSENT_LOWAT (tcp(7)), which package
// syscall does not define.
const notSentLowWater = 25

// limit sets the option of a socket.
func limit(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowWater, maxUnsent) // without it, write timeouts only begin later
}
