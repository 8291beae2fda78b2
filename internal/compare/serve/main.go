// Command serve serves one contestant of package stacks, so that a load
// generator can measure it from outside:
//
//	go run ./serve -by chi -size 200B
//
// It serves the contestants and sizes of [stacks.Chains] on a net/http server,
// all with the same timeouts. For example, by=stanza has the same middleware as
// its peers, and by=stanza-whole has the whole documented chain. There are two
// more contestants: by=stanza-server is the whole chain on this package's
// server, and by=net-http-gzip is net/http with minimal compression.
//
// It prints only the address at which it serves. It ends on SIGINT and SIGTERM,
// and when its standard input is closed, so that it does not outlive the
// process that started it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("serve: ")
	by := flag.String("by", "stanza", "`contestant` to serve")
	size := flag.String("size", "200B", "`size` of the answers")
	addr := flag.String("addr", "127.0.0.1:0", "`address` to serve at; port 0 means any free port")
	logFile := flag.String("log", "", "`file` for the log lines, which are formatted and dropped otherwise")
	profile := flag.String("cpuprofile", "", "`file` for a CPU profile of all the time it serves")
	flag.Parse()
	if err := run(*by, *size, *addr, *logFile, *profile); err != nil {
		log.Fatal(err)
	}
}

// run opens the requested files and serves until the process is asked to end.
func run(by, size, addr, logFile, profile string) (err error) {
	out := io.Discard
	if logFile != "" {
		file, err := os.Create(logFile)
		if err != nil {
			return err
		}
		defer file.Close()
		out = file
	}
	handler, err := find(by, size, out)
	if err != nil {
		return err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return serve(handler, addr, by == ownServer)
}

// ownServer is the contestant that uses this package's server.
const ownServer = "stanza-server"

// find returns a contestant's handler, which logs to out.
func find(by, size string, out io.Writer) (nethttp.Handler, error) {
	switch by {
	case ownServer:
		return find("stanza-whole", size, out)
	case "net-http-gzip":
		handler, err := find("net-http", size, out)
		if err != nil {
			return nil, err
		}
		return compress(handler), nil
	}
	known := []string{}
	for _, row := range stacks.Chains(out) {
		for _, c := range append(row.Contestants, row.Beside...) {
			if row.Name == size && c.Name == by {
				return c.Handler, nil
			}
			known = append(known, row.Name+" "+c.Name)
		}
	}
	return nil, fmt.Errorf("unknown size %q or contestant %q; want one of %s", size, by, strings.Join(known, ", "))
}

// serve serves at addr until the process is asked to end. Every contestant has
// this package's default timeouts.
func serve(handler nethttp.Handler, addr string, own bool) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // an error ends the input too
	}()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if own {
		return serveOwn(ctx, handler, listener)
	}
	server := &nethttp.Server{
		Handler:           handler,
		ReadTimeout:       15 * time.Second,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       60 * time.Second,
	}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // the process ends with it
	fmt.Println(listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, nethttp.ErrServerClosed) {
		return err
	}
	return nil
}

// serveOwn is like serve, but uses this package's server.
func serveOwn(ctx context.Context, handler nethttp.Handler, listener net.Listener) error {
	server := http.NewServer(handler, http.WithListener(listener))
	if err := server.Start(ctx); err != nil {
		return err
	}
	fmt.Println(server.Addr())
	select {
	case err := <-server.Err():
		return err
	case <-ctx.Done():
	}
	return server.Stop(context.WithoutCancel(ctx))
}
