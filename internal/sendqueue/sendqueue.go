// Package sendqueue limits how much the kernel holds for a peer that does not read.
//
// A write to a TCP connection succeeds as soon as the kernel has the bytes. Linux
// takes up to 4 MB for a peer that reads nothing, so a write timeout would begin
// long after the peer has stopped. A smaller send buffer would help, but would also
// limit the throughput to a distant peer. Therefore [Limit] bounds only the bytes
// that have never been sent, for example because the peer's window is full.
package sendqueue

import "net"

// maxUnsent is the limit in bytes. A blocked write resumes when less than half of it
// is unsent.
const maxUnsent = 64 << 10

// Limit limits the unsent bytes of a TCP connection to 64 KiB. If conn has a NetConn
// method, as a [crypto/tls.Conn] does, Limit applies to the connection below it. Limit
// has no effect on other connections and on systems other than Linux.
func Limit(conn net.Conn) {
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
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(limit) // fails if the connection is closed, which the next write reports
	}
}
