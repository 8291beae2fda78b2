// Command demo is a small but whole application on package http: a task board
// that is live in every browser that has it open, with a JSON API, a chat and a
// dashboard of its own metrics.
//
//	go run ./internal/demo
//
// It prints its address and what to try, and serves until Ctrl-C. Tasks and
// messages live in memory only.
//
// Start reading in routes.go, which says what is served where. The handlers of
// the API are in tasks.go, the stream of events that keeps the pages up to date
// in live.go, the chat's connections in chat.go, and the page itself in the
// folder web. What a real application would replace with a database is in the
// packages board and room.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/demo/room"
)

// capacity is how many tasks the board holds. With texts of the greatest
// length they take about 9 MB.
const capacity = 1000

func main() {
	log.SetFlags(0)
	log.SetPrefix("demo: ")
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to serve at; port 0 means any free port")
	verbose := flag.Bool("v", false, "log every request to standard error, not errors only")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Printf("unexpected argument %q", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), *addr, log.New(os.Stdout, "", 0), newLogger(*verbose)); err != nil {
		log.Fatal(err)
	}
}

// newLogger returns the logger for requests and what happens while they are
// served.
func newLogger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// run serves the application at addr until ctx ends or the process is told to
// stop. It tells on out where and when.
func run(ctx context.Context, addr string, out *log.Logger, logger *slog.Logger) error {
	tasks := board.New(capacity)
	if err := seed(tasks); err != nil {
		return fmt.Errorf("first tasks: %w", err)
	}
	// With a listener of its own the program knows the address, even of port 0,
	// before it serves.
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w\nChoose another address, for example -addr 127.0.0.1:0 for any free port", err)
	}
	announce(out, baseURL(listener.Addr()))

	srv := http.NewServer(newRouter(tasks, room.New(keptMessages), logger), http.WithListener(listener))
	if err := srv.Run(ctx); err != nil {
		return err
	}
	out.Print("Stopped.")
	return nil
}

// seed puts the first tasks on the board.
func seed(tasks *board.Board) error {
	for _, draft := range []board.Draft{
		{Title: "Read routes.go", Description: "It says what is served where.", Status: board.Doing},
		{Title: "Create a task", Description: "Here, or with a command from the page of routes."},
		{Title: "Open the board in a second window", Description: "What you change in one appears in the other at once."},
		{Title: "Stop the server and start it again", Description: "Open pages notice, wait and catch up by themselves."},
		{Title: "Start the demo", Status: board.Done},
	} {
		if _, err := tasks.Add(draft); err != nil {
			return err
		}
	}
	return nil
}

// baseURL returns the URL of a server that listens at addr, one that works in a
// browser on the same machine.
func baseURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// announce tells the user where the application is and what to try.
func announce(out *log.Logger, base string) {
	out.Printf("Task board at %s (Ctrl-C stops it)\n", base)
	out.Print("\nOpen it in two windows: what you change in one appears in the other.\n" +
		"Or, from another terminal:\n\n")
	for _, example := range examples(base) {
		out.Printf("  %-26s %s", example.Does, example.Command)
	}
	out.Print("\n")
}
