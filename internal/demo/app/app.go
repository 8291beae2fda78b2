// Package app is the application of the demo: a task board that updates live in
// every browser, with a JSON API, a chat, and a dashboard of its own metrics.
//
// Start reading in routes.go, which lists all routes. tasks.go has the handlers
// of the API, live.go the feed that keeps the pages up to date, and chat.go the
// connections of the chat.
package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/demo/room"
)

// capacity is the maximum number of tasks on the board. With titles and
// descriptions of maximum length, they take about 9 MB.
const capacity = 1000

// Stores are the stores that several processes share.
type Stores struct {
	// Tasks keeps the tasks. If nil, they are kept in memory.
	Tasks board.Store
	// Feeds has the changes of the board and the messages of the chat. If nil,
	// they are kept in memory.
	Feeds http.FeedStore
	// Used means that another process has already added the first tasks.
	Used bool
}

// settings are the values of the flags.
type settings struct {
	addr       string        // for browsers
	operations string        // the address for Prometheus and Kubernetes
	drainDelay time.Duration // see [http.WithDrainDelay]
}

// Main is the main function of a command that serves the application. It adds the
// flags -addr, -operations, -drain-delay and -v to those of the command, and calls open
// after parsing them.
func Main(open func(context.Context) (Stores, error)) {
	log.SetFlags(0)
	log.SetPrefix("demo: ")
	var s settings
	flag.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`address` to serve at; port 0 means any free port")
	flag.StringVar(&s.operations, "operations", "127.0.0.1:0", "`address` of the server for metrics and readiness")
	flag.DurationVar(&s.drainDelay, "drain-delay", 0, "how long to serve after a signal to stop, behind a load balancer")
	verbose := flag.Bool("v", false, "log all requests to standard error, not only errors")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Printf("unexpected argument %q", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	if s.drainDelay < 0 {
		log.Fatalf("-drain-delay %v is negative", s.drainDelay)
	}
	ctx := context.Background()
	stores, err := open(ctx)
	if err == nil {
		err = run(ctx, s, stores, log.New(os.Stdout, "", 0), newLogger(*verbose))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// newLogger returns the logger for requests.
func newLogger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// run serves the application until ctx ends or the process receives a signal to stop. It
// prints to out when it starts and stops.
func run(ctx context.Context, s settings, stores Stores, out *log.Logger, logger *slog.Logger) error {
	// A listener provides the address before the server starts, even for port 0.
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("%w\nChoose another address, for example -addr 127.0.0.1:0 for any free port", err)
	}
	operations, err := net.Listen("tcp", s.operations)
	if err != nil {
		return errors.Join(fmt.Errorf("%w\nChoose another address with -operations", err), listener.Close())
	}
	a := newApplication(capacity, stores)
	defer a.close()
	if !stores.Used {
		if err := seed(ctx, a.tasks); err != nil {
			return fmt.Errorf("first tasks: %w", err)
		}
	}
	announce(out, baseURL(listener.Addr()), baseURL(operations.Addr()))

	delay := http.WithDrainDelay(s.drainDelay)
	if err := http.Run(ctx,
		http.NewServer(a.router(logger), http.WithListener(listener), delay),
		http.NewServer(a.operations(), http.WithListener(operations), delay),
	); err != nil {
		return err
	}
	out.Print("Stopped.")
	return nil
}

// An application has the state of the application.
type application struct {
	tasks   *board.Board
	changes *http.Feed // of tasks
	room    *room.Room
	metrics *http.Metrics
}

// newApplication returns an application whose board can hold capacity tasks.
func newApplication(capacity int, stores Stores) *application {
	a := &application{room: room.New(keptMessages, stores.Feeds), metrics: http.NewMetrics()}
	a.tasks, a.changes = newBoard(capacity, stores.Tasks, stores.Feeds)
	return a
}

// close closes the feeds. Browsers do not reconnect to a feed that is closed, so
// close must not be called before the server has stopped.
func (a *application) close() {
	a.changes.Close()
	a.room.Close()
}

// seed adds the first tasks to the board.
func seed(ctx context.Context, tasks *board.Board) error {
	for _, draft := range []board.Draft{
		{Title: "Read routes.go", Description: "It lists all routes.", Status: board.Doing},
		{Title: "Create a task", Description: "Here, or with a command from the Routes page."},
		{Title: "Open the board in a second window", Description: "Changes in one window appear in the other at once."},
		{Title: "Stop the server and start it again", Description: "Open pages notice, wait, and catch up automatically."},
		{Title: "Start the demo", Status: board.Done},
	} {
		if _, err := tasks.Add(ctx, draft); err != nil {
			return err
		}
	}
	return nil
}

// baseURL returns the URL of a server that listens at addr, for a browser on the
// same machine.
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

// announce prints the addresses of both servers, and some commands to try.
func announce(out *log.Logger, base, operations string) {
	out.Printf("Task board at %s (Ctrl-C stops it)\n", base)
	out.Printf("Metrics at %s/metrics, readiness at %[1]s/ready\n", operations)
	out.Print("\nOpen it in two windows: changes in one appear in the other.\n" +
		"Or, from another terminal:\n\n")
	for _, example := range examples(base) {
		out.Printf("  %-26s %s", example.Does, example.Command)
	}
	out.Print("\n")
}
