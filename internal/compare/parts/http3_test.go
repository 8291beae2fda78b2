package parts

import (
	"crypto/tls"
	"net"
	nethttp "net/http"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The HTTP/3 server of quic-go serves a Router with the documented chain.
func TestHTTP3(t *testing.T) {
	t.Parallel()
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			routes := http.NewRouter()
			commonRoutes(routes)
			routes.HandleFunc("GET /protocol", func(w http.ResponseWriter, r *http.Request) { http.WriteJSON(w, 200, r.Proto) })
			s := startHTTP3(t, p.handler(documentedChain(t), routes))
			testkit.Get(t, s.client, s.url+"/protocol").Want(t, 200, `"HTTP/3.0"`)
			checkRoutes(t, s)
		})
	}
}

// startHTTP3 serves handler over HTTP/3 until the test ends.
func startHTTP3(t *testing.T, handler nethttp.Handler) *site {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: certificates(t)})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(conn) }()
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		testkit.Receive(t, served, "the end of the HTTP/3 server")
		conn.Close()
	})
	addr := conn.LocalAddr().String()
	return &site{url: "https://" + addr, addr: addr, client: &nethttp.Client{Transport: transport}, http2: true}
}
