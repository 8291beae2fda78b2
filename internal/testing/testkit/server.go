package testkit

import (
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A Protocol is a version of HTTP that a test server speaks.
type Protocol string

// The protocols of [StartServer]. HTTP/1.1 is served in the clear, HTTP/2
// over TLS as browsers do it.
const (
	HTTP1 Protocol = "HTTP/1.1"
	HTTP2 Protocol = "HTTP/2"
)

// A Server is a running test server. Client gives a client that trusts it
// and speaks its protocol, Listener its address for [Dial].
type Server struct {
	*httptest.Server
	log logBuffer
}

// StartServer serves handler on a free port of 127.0.0.1 until the test ends.
// The configure functions may change the server underneath before it starts,
// for example its timeouts.
//
//	srv := testkit.StartServer(t, testkit.HTTP2, handler)
//	res, err := srv.Client().Get(srv.URL + "/x")
func StartServer(tb testing.TB, protocol Protocol, handler http.Handler, configure ...func(*http.Server)) *Server {
	tb.Helper()
	srv := &Server{Server: httptest.NewUnstartedServer(handler)}
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
		// A handler may still be busy with a client that the test left open.
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

// EachProtocol runs test as a subtest in HTTP/1.1 and in HTTP/2, each against
// its own server of handler.
func EachProtocol(t *testing.T, handler http.Handler, test func(t *testing.T, srv *Server)) {
	t.Helper()
	for _, protocol := range []Protocol{HTTP1, HTTP2} {
		t.Run(string(protocol), func(t *testing.T) {
			test(t, StartServer(t, protocol, handler))
		})
	}
}

// Logged returns what net/http has written to the server's error log so far:
// panics, superfluous WriteHeader calls, failed handshakes.
func (s *Server) Logged() string { return s.log.String() }

// Addr returns the server's address as "host:port".
func (s *Server) Addr() string { return s.Listener.Addr().String() }

// A logBuffer collects a log that several goroutines write.
type logBuffer struct {
	mu   sync.Mutex
	text []byte
}

// Write appends one log line.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

// String returns the whole log.
func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
