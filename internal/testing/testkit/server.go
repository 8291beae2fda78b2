package testkit

import (
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A Protocol is a version of HTTP that a test server speaks.
type Protocol string

// The protocols of [StartServer]. HTTP/1.1 is served without TLS, HTTP/2 with
// it, as browsers require.
const (
	HTTP1 Protocol = "HTTP/1.1"
	HTTP2 Protocol = "HTTP/2"
)

// A Server is a running test server. Its Client method returns a client that
// trusts the server's certificate and speaks its protocol.
type Server struct {
	*httptest.Server
	Protocol Protocol
	log      Log
}

// StartServer serves handler on a free port of 127.0.0.1 until the test ends.
// The configure functions may change the underlying server before it starts;
// for example, its timeouts.
//
//	srv := testkit.StartServer(t, testkit.HTTP2, handler)
//	res := srv.Get(t, "/x")
func StartServer(tb testing.TB, protocol Protocol, handler http.Handler, configure ...func(*http.Server)) *Server {
	tb.Helper()
	srv := &Server{Server: httptest.NewUnstartedServer(handler), Protocol: protocol}
	srv.Config.ErrorLog = log.New(&srv.log, "", 0)
	for _, f := range configure {
		f(srv.Config)
	}
	switch protocol {
	case HTTP1:
		srv.Start()
	case HTTP2:
		srv.EnableHTTP2 = true
		srv.StartTLS()
	default:
		tb.Fatalf("testkit: unknown protocol %q", protocol)
	}
	tb.Cleanup(func() {
		// A handler may still be serving a connection that the test left open.
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

// EachProtocol runs test as a subtest for HTTP/1.1 and for HTTP/2, each with a
// new server for handler.
func EachProtocol(t *testing.T, handler http.Handler, test func(t *testing.T, srv *Server)) {
	t.Helper()
	for _, protocol := range []Protocol{HTTP1, HTTP2} {
		t.Run(string(protocol), func(t *testing.T) {
			test(t, StartServer(t, protocol, handler))
		})
	}
}

// Logged returns the server's error log so far: panics, superfluous WriteHeader
// calls, and failed handshakes, for example.
func (s *Server) Logged() string { return s.log.String() }

// Addr returns the server's address as "host:port".
func (s *Server) Addr() string { return s.Listener.Addr().String() }
