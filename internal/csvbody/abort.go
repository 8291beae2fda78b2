package csvbody

import (
	"net"
	"net/http"
)

// Abort aborts a response of which a part was sent. It does not return.
//
// Over HTTP/1.0, the end of the connection is also the end of a body without
// Content-Length, so a connection that is merely closed makes the file look complete. Some
// proxies use HTTP/1.0 by default. Abort therefore resets the connection.
func Abort(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		reset(w)
	}
	panic(http.ErrAbortHandler)
}

// reset resets the TCP connection of a response. If other middleware hides the
// connection, reset does nothing.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn() // TLS would announce the end of the connection
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // an error means that the client has disconnected
	}
	_ = conn.Close() // an error means that the client has disconnected
}
