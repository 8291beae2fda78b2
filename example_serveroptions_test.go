package http_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// Several servers can share a slice of options. If an option is given twice,
// the last one wins.
func ExampleServerOption() {
	internal := []http.ServerOption{
		http.WithAddr("localhost:8080"),
		http.WithReadTimeout(2 * time.Second),
		http.WithWriteTimeout(2 * time.Second),
	}
	api := http.NewServer(http.NewRouter(), internal...)
	metrics := http.NewServer(http.NewRouter(), append(internal, http.WithAddr("localhost:9090"))...)
	fmt.Println(api.Addr(), metrics.Addr())
	// Output: localhost:8080 localhost:9090
}

// This server accepts connections from the same machine only.
func ExampleWithAddr() {
	server := http.NewServer(http.NewRouter(), http.WithAddr("localhost:8081"))
	fmt.Println(server.Addr())
	// Output: localhost:8081
}

// This server listens on a Unix socket, for a proxy on the same machine.
func ExampleWithListener() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("unix", filepath.Join(dir, "app.sock"))
	if err != nil {
		log.Fatal(err)
	}
	server := http.NewServer(http.NewRouter(), http.WithListener(listener))
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(server.Addr()))
	fmt.Println(server.Stop(context.Background()))
	// Output:
	// app.sock
	// <nil>
}

// Start reads the files, and returns an error if it cannot.
func ExampleWithTLS() {
	server := http.NewServer(http.NewRouter(),
		http.WithAddr("127.0.0.1:0"),
		http.WithTLS("cert.pem", "key.pem"),
	)
	err := server.Start(context.Background())
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output: true
}

// The certificates can also come from a TLS configuration, for example one of
// golang.org/x/crypto/acme/autocert. This example uses the one from httptest.
func ExampleWithTLS_config() {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()

	server := http.NewServer(http.NewRouter(),
		http.WithAddr("127.0.0.1:0"),
		http.WithTLS("", ""),
		http.WithHTTPServer(func(hs *nethttp.Server) {
			hs.TLSConfig = &tls.Config{Certificates: certified.TLS.Certificates}
		}),
	)
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer server.Stop(context.Background())

	res, err := certified.Client().Get("https://" + server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 404 Not Found
}

// Large uploads over slow connections need more than the default of 15 seconds.
func ExampleWithReadTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithReadTimeout(5*time.Minute),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.ReadTimeout) }),
	)
	// Output: 5m0s
}

// If a client does not send its header in time, it is disconnected.
func ExampleWithReadHeaderTimeout() {
	server := http.NewServer(http.NewRouter(),
		http.WithAddr("127.0.0.1:0"),
		http.WithReadHeaderTimeout(10*time.Millisecond),
	)
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer server.Stop(context.Background())

	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: exam"); err != nil {
		log.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	fmt.Println(err)
	// Output: EOF
}

// Handlers that take long need more than the default of 15 seconds.
func ExampleWithWriteTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithWriteTimeout(time.Minute),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.WriteTimeout) }),
	)
	// Output: 1m0s
}

// If the server is behind a proxy, keep idle connections longer than the proxy
// does, so that it never reuses a connection that the server is closing.
func ExampleWithIdleTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithIdleTimeout(75*time.Second),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.IdleTimeout) }),
	)
	// Output: 1m15s
}

// If the header of a request is too large, the server responds with 431.
func ExampleWithMaxHeaderBytes() {
	server := http.NewServer(http.NewRouter(),
		http.WithAddr("127.0.0.1:0"),
		http.WithMaxHeaderBytes(4<<10),
	)
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer server.Stop(context.Background())

	req, err := http.NewRequest("GET", "http://"+server.Addr(), nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Cookie", strings.Repeat("c", 16<<10))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 431 Request Header Fields Too Large
}

// The server serves requests for a while after Stop is called. Each response closes its
// connection.
func ExampleWithDrainDelay() {
	router := http.NewRouter()
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "served") })
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0"), http.WithDrainDelay(time.Second))
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- server.Stop(context.Background()) }()
	for closed := false; !closed; { // until Stop has been called
		res, err := http.Get("http://" + server.Addr())
		if err != nil {
			log.Fatal(err)
		}
		if closed = res.Close; closed {
			fmt.Println(res.Status)
		}
		res.Body.Close()
	}
	fmt.Println(<-stopped)
	// Output:
	// 200 OK
	// <nil>
}

// If a request does not end in time, its connection is closed and Run returns
// an error with its route.
func ExampleWithDrainTimeout() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	router := http.NewRouter()
	router.HandleFunc("GET /endless", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	server := http.NewServer(router,
		http.WithListener(listener),
		http.WithDrainTimeout(time.Millisecond),
	)

	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := http.Get("http://" + server.Addr() + "/endless")
		fmt.Println("client:", errors.Is(err, io.EOF))
	}()
	fmt.Println("server:", server.Run(ctx))
	<-done
	// Unordered output:
	// server: http: stop: aborted 1 connection, 1 request (GET /endless: 1): context deadline exceeded
	// client: true
}

// Without prefixes, the server trusts no proxy: clients connect to it directly, some of
// them from the office's private network.
func ExampleWithTrustedProxies() {
	router := http.NewRouter()
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, http.ClientIP(r)) })
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0"), http.WithTrustedProxies())
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer server.Stop(context.Background())

	r, err := http.NewRequest("GET", "http://"+server.Addr(), nil)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", "203.0.114.9") // not the client's address
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(os.Stdout, res.Body)
	// Output: 127.0.0.1
}

// Settings without an option can be changed on the underlying server. This one
// also accepts HTTP/2 without TLS, for a proxy on the same machine.
func ExampleWithHTTPServer() {
	server := http.NewServer(http.NewRouter(),
		http.WithAddr("127.0.0.1:0"),
		http.WithHTTPServer(func(hs *nethttp.Server) {
			hs.Protocols = new(http.Protocols)
			hs.Protocols.SetHTTP1(true)
			hs.Protocols.SetUnencryptedHTTP2(true)
		}),
	)
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer server.Stop(context.Background())

	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	res, err := client.Get("http://" + server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Proto, res.Status)
	// Output: HTTP/2.0 404 Not Found
}
