// Command instance is the server that command rolling restarts. It serves until it
// receives SIGTERM, or until its standard input is closed, so that it does not outlive
// the process that started it.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	nethttp "net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("instance: ")
	server := flag.String("server", "stanza", "`kind` of server: stanza, run, or nethttp")
	addr := flag.String("addr", "127.0.0.1:0", "`address` to serve at")
	delay := flag.Duration("delay", 2*time.Second, "drain delay of stanza")
	timeout := flag.Duration("timeout", 10*time.Second, "drain timeout")
	flag.Parse()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // an error ends the input too
	}()
	if err := serve(ctx, *server, *addr, *delay, *timeout); err != nil {
		log.Fatal(err)
	}
}

// serve serves with one of the kinds of servers until ctx is done or SIGTERM is
// received.
func serve(ctx context.Context, kind, addr string, delay, timeout time.Duration) error {
	switch kind {
	case "nethttp":
		mux := nethttp.NewServeMux()
		register(mux.HandleFunc)
		return serveNetHTTP(ctx, &nethttp.Server{Addr: addr, Handler: mux}, timeout)
	case "run":
		delay = 0
	case "stanza":
	default:
		return errors.New("unknown kind of server: " + kind)
	}
	router := http.NewRouter()
	register(router.HandleFunc)
	return http.NewServer(router, http.WithAddr(addr), http.WithDrainDelay(delay), http.WithDrainTimeout(timeout)).Run(ctx)
}

// serveNetHTTP shuts a server down as the documentation of net/http shows.
func serveNetHTTP(ctx context.Context, server *nethttp.Server, timeout time.Duration) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		done <- server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, nethttp.ErrServerClosed) {
		return err
	}
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil // event streams never end, and are cut
}

// register registers the handlers, which are the same for all servers.
func register(handle func(pattern string, handler func(nethttp.ResponseWriter, *nethttp.Request))) {
	handle("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]string{"hello": "there"})
	})
	handle("POST /items", func(w http.ResponseWriter, r *http.Request) {
		var item map[string]string
		if http.BindJSON(w, r, &item) {
			http.WriteJSON(w, http.StatusCreated, item)
		}
	})
	handle("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(200 * time.Millisecond)
		http.WriteJSON(w, http.StatusOK, map[string]string{"hello": "at last"})
	})
	handle("GET /ready", http.ReadyHandler().ServeHTTP) // on net/http, always ready
	handle("GET /events", events)
	handle("GET /socket", socket)
}

// events sends one event and then keeps the stream open. The client should reconnect
// one second after its end.
func events(w http.ResponseWriter, r *http.Request) {
	stream := http.NewSSEWriter(w)
	if errors.Join(stream.Retry(1000), stream.Data("hello")) == nil {
		<-r.Context().Done()
	}
}

// socket sends one message and then reads until the connection ends.
func socket(w http.ResponseWriter, r *http.Request) {
	conn, err := http.Upgrader{}.Upgrade(w, r)
	if err != nil {
		return // the client has its response
	}
	defer conn.Close()
	for err = conn.WriteMessage(http.TextMessage, []byte("hello")); err == nil; {
		_, _, err = conn.ReadMessage()
	}
}
