package docs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// says returns a handler that responds with name and the values of the given
// path parameters.
func says(name string, parameters ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, name)
		for _, p := range parameters {
			fmt.Fprint(w, " ", http.PathParam(r, p))
		}
	}
}

// Handlers that the examples use but do not show.
var (
	hello      = says("hello")
	login      = says("login")
	listUsers  = says("list")
	getUser    = says("user", "id")
	deleteUser = says("delete", "id")
	download   = says("download", "path")
	stats      = says("stats")
)

// requireLogin represents an application's middleware.
func requireLogin(next http.Handler) http.Handler { return require("login", next) }

// requireAdmin represents an application's middleware.
func requireAdmin(next http.Handler) http.Handler { return require("admin", next) }

// require allows requests whose Authorization header contains the right.
func require(right string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), right) {
			http.WriteError(w, http.StatusUnauthorized, right+" required")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A User is a user of the examples.
type User struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// A memory represents a database. It records the last query.
type memory struct {
	users []User
	err   error
	asked string
}

// List returns all users, regardless of the requested page.
func (m *memory) List(ctx context.Context, column, direction string, limit, offset int) ([]User, int, error) {
	m.asked = fmt.Sprintf("%s %s limit %d offset %d", column, direction, limit, offset)
	return m.users, 42, errors.Join(m.err, ctx.Err())
}

// Find returns the first user.
func (m *memory) Find(ctx context.Context, id int64) (User, error) {
	deadline, _ := ctx.Deadline()
	m.asked = fmt.Sprintf("%d until %v", id, deadline)
	if m.err != nil {
		return User{}, m.err
	}
	return m.users[0], ctx.Err()
}

// A console replaces package fmt or log, and records the output.
type console struct {
	t *testing.T
	testkit.Log
}

// Println records a line.
func (c *console) Println(a ...any) { c.Printf("%s", fmt.Sprintln(a...)) }

// Print records a line, as log.Print does.
func (c *console) Print(a ...any) { c.Println(a...) }

// Printf records text.
func (c *console) Printf(format string, a ...any) { fmt.Fprintf(c, format, a...) }

// Fatal fails the test and ends the goroutine.
func (c *console) Fatal(a ...any) {
	c.t.Error(a...)
	runtime.Goexit()
}

// logger returns a logger that writes to the console, without attributes that
// vary.
func (c *console) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" || a.Key == "remote_ip" {
			return slog.Attr{}
		}
		return a
	}}))
}

// A site is a server that an example creates. It listens on a free port instead
// of the documented one.
type site struct {
	listener net.Listener
	made     chan *http.Server
}

func newSite(t *testing.T) *site {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &site{listener, make(chan *http.Server, 1)}
}

// newServer replaces http.NewServer.
func (s *site) newServer(handler http.Handler, options ...http.ServerOption) *http.Server {
	server := http.NewServer(handler, append(options, http.WithListener(s.listener))...)
	s.made <- server
	return server
}

// during runs an example that serves until it is stopped, calls use, and stops
// the server.
func (s *site) during(t *testing.T, example func(), use func(url string)) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		example()
	}()
	use("http://" + s.listener.Addr().String())
	select {
	case server := <-s.made:
		if err := server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	case <-ended:
	}
	<-ended
}
