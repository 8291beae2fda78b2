package parts

import (
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A site is a running [http.Server] with a part in one of its places.
type site struct {
	place  string
	url    string          // without a slash at the end
	addr   string          // host and port
	client *nethttp.Client // speaks the protocol, and trusts the server
	http2  bool
	server *http.Server
}

// A place is where a part is in relation to the documented chain.
type place struct {
	name string
	// handler returns the handler of a server with a part that is a handler.
	handler func(chain http.Middleware, part nethttp.Handler) nethttp.Handler
	// middleware returns the handler of a server with a part that is middleware.
	middleware func(chain, part http.Middleware, routes func(*http.Router)) nethttp.Handler
}

// places returns the two places of a part: inside the chain, and outside of it. Outside, a
// handler is a route that the chain does not cover, and middleware is around the router with
// the chain.
func places() []place {
	return []place{
		{
			name: "inside",
			handler: func(chain http.Middleware, part nethttp.Handler) nethttp.Handler {
				router := http.NewRouter()
				router.Use(chain)
				router.Handle("/", part)
				return router
			},
			middleware: func(chain, part http.Middleware, routes func(*http.Router)) nethttp.Handler {
				router := http.NewRouter()
				router.Use(chain, part)
				routes(router)
				return router
			},
		},
		{
			name: "outside",
			handler: func(chain http.Middleware, part nethttp.Handler) nethttp.Handler {
				router := http.NewRouter()
				router.Handle("/", part)
				router.Group("/covered").Use(chain)
				return router
			},
			middleware: func(chain, part http.Middleware, routes func(*http.Router)) nethttp.Handler {
				router := http.NewRouter()
				router.Use(chain)
				routes(router)
				return part(router)
			},
		},
	}
}

// eachPlace runs test with a part that is a handler, in each place and with each protocol.
func eachPlace(t *testing.T, part nethttp.Handler, test func(t *testing.T, s *site)) {
	t.Helper()
	for _, p := range places() {
		eachProtocol(t, p.name, func(t *testing.T) nethttp.Handler { return p.handler(documentedChain(t), part) }, test)
	}
}

// eachPlaceAround runs test with a part that is middleware, and the routes that it covers, in
// each place and with each protocol.
func eachPlaceAround(t *testing.T, part http.Middleware, routes func(*http.Router), test func(t *testing.T, s *site)) {
	t.Helper()
	for _, p := range places() {
		eachProtocol(t, p.name, func(t *testing.T) nethttp.Handler { return p.middleware(documentedChain(t), part, routes) }, test)
	}
}

// eachProtocol serves the handler with HTTP/1 and with HTTP/2.
func eachProtocol(t *testing.T, name string, build func(*testing.T) nethttp.Handler, test func(t *testing.T, s *site)) {
	t.Helper()
	for protocol, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name+" "+protocol, func(t *testing.T) {
			t.Parallel()
			s := start(t, build(t), http2)
			s.place = name
			test(t, s)
		})
	}
}

// documentedChain is the chain that the README documents. If a handler panics, the test fails.
func documentedChain(t *testing.T) http.Middleware {
	return http.Chain(
		http.RequestID(http.RequestIDConfig{}),
		http.NewMetrics().Middleware(),
		http.RequestLogger(slog.New(slog.DiscardHandler)),
		http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}),
		http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(2<<20),
		http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example.com"}}),
		http.Recovery(func(recovered any, stack []byte) { t.Errorf("panic: %v\n%s", recovered, stack) }),
	)
}

// start serves handler with this package's server until the test ends. The test fails if the
// server does not stop in time, or if net/http logs anything, such as a superfluous call of
// WriteHeader.
func start(t *testing.T, handler nethttp.Handler, http2 bool, configure ...func(*nethttp.Server)) *site {
	t.Helper()
	var logged testkit.Log
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true}
	options := []http.ServerOption{http.WithListener(listener), http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.ErrorLog = log.New(&logged, "", 0)
		for _, f := range configure {
			f(hs)
		}
		if http2 {
			hs.TLSConfig = &tls.Config{Certificates: certificates(t)}
		}
	})}
	scheme := "http://"
	if http2 {
		scheme = "https://"
		options = append(options, http.WithTLS("", ""))
	}
	transport := &nethttp.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
	s := &site{
		url: scheme + listener.Addr().String(), addr: listener.Addr().String(), http2: http2,
		client: &nethttp.Client{Transport: transport}, server: http.NewServer(handler, options...),
	}
	if err := s.server.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections() // so that Stop does not wait for them
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.server.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if text := logged.String(); text != "" {
			t.Errorf("net/http logged:\n%s", text)
		}
	})
	return s
}

// certificates returns a certificate for 127.0.0.1.
func certificates(t *testing.T) []tls.Certificate {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.TLS.Certificates
}
