//go:build !linux

package shutdown

import (
	"net"
	"time"
)

// setUndeliveredLimit does nothing: the kernel decides when it closes a connection whose
// peer has disappeared.
func setUndeliveredLimit(net.Conn, time.Duration) {}
