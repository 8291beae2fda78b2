package shutdown

import (
	"math"
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of Linux, see tcp(7). Package syscall does not
// define it.
const tcpUserTimeout = 0x12

// setUndeliveredLimit makes the kernel close a TCP connection if its peer has not
// acknowledged what was sent for d. If d is 0, the kernel decides, which takes about 15
// minutes.
func setUndeliveredLimit(conn net.Conn, d time.Duration) {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = outer.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	ms := int64(0)
	if d > 0 {
		ms = min(max(d.Milliseconds(), 1), math.MaxInt32)
	}
	set := func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(ms)) // any kernel since 2.6.37 has it
	}
	_ = raw.Control(set) // fails only if the connection is closed
}
