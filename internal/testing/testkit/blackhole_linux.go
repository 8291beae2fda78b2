package testkit

import (
	"net"
	"syscall"
	"testing"
)

// BlackHole makes the kernel drop everything that arrives for conn, without an answer:
// to its peer, the machine or the network has disappeared. conn must be a TCP
// connection of this process. On systems other than Linux, BlackHole skips the test.
func BlackHole(tb testing.TB, conn net.Conn) {
	tb.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	// A socket filter runs before TCP. This one accepts 0 bytes of each packet.
	drop := []syscall.SockFilter{{Code: syscall.BPF_RET | syscall.BPF_K}}
	var attached error
	//lint:ignore SA1019 the alternative is not in the standard library
	err = raw.Control(func(fd uintptr) { attached = syscall.AttachLsf(int(fd), drop) })
	if err != nil || attached != nil {
		tb.Fatalf("attach a socket filter: %v, %v", err, attached)
	}
}
