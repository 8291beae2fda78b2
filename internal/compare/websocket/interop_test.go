package websocket_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// TestInterop plays every scenario with every peer. With -v, it prints the
// results as a matrix.
func TestInterop(t *testing.T) {
	m := newMatrix()
	t.Cleanup(func() { t.Log("\n" + m.String()) })

	for _, impl := range implementations() {
		t.Run("client/"+impl.name, func(t *testing.T) {
			srv := serveStanza(t, nil)
			playGo(t, m.row(impl.name+", client"), impl, impl, srv)
		})
	}
	t.Run("client/node ws", func(t *testing.T) {
		srv := serveStanza(t, nil)
		playNodeClient(t, m.row("Node's ws, client"), srv)
	})
	t.Run("client/python websockets", func(t *testing.T) {
		srv := serveStanza(t, nil)
		playPythonClient(t, m.row("Python's websockets, client"), srv)
	})
	t.Run("client/chromium", func(t *testing.T) {
		page := newPage(t)
		srv := serveStanza(t, page)
		page.play(m.row("Chromium, client"), srv)
	})
	for _, impl := range implementations() {
		t.Run("server/"+impl.name, func(t *testing.T) {
			srv := serveImplementation(t, impl)
			playGo(t, m.row(impl.name+", server"), stanzaImplementation, impl, srv)
		})
	}
	t.Run("server/node ws", func(t *testing.T) {
		playNodeServer(t, m.row("Node's ws, server"))
	})
}

// A server plays the server's half of each scenario at the path of its name.
type server struct {
	addr     string
	outcomes outcomes
}

func (s *server) url(sc scenario) string { return "ws://" + s.addr + "/" + sc.name }

// outcomes are the outcomes of one end's halves, by scenario.
type outcomes map[string]chan error

func newOutcomes() outcomes {
	o := outcomes{}
	for _, sc := range scenarios() {
		o[sc.name] = make(chan error, 4)
	}
	return o
}

// await returns the outcome of a scenario.
func (o outcomes) await(sc scenario) error {
	select {
	case err := <-o[sc.name]:
		return err
	case <-time.After(patience):
		return fmt.Errorf("no outcome within %v", patience)
	}
}

// handler serves the paths of all scenarios with the implementation impl.
func handler(impl implementation, o outcomes) nethttp.Handler {
	mux := nethttp.NewServeMux()
	for _, sc := range scenarios() {
		mux.HandleFunc("/"+sc.name, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			impl.accept(w, r, sc.compression, func(s session) { o[sc.name] <- sc.half(true)(s) })
		})
	}
	return mux
}

// serveStanza serves the scenarios with a full chain of middleware. If rest is
// not nil, it serves all other paths.
func serveStanza(t *testing.T, rest http.Handler) *server {
	t.Helper()
	o := newOutcomes()
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{}),
		http.NewMetrics().Middleware(),
		http.RequestLogger(slog.New(slog.DiscardHandler)),
		http.Recovery(func(recovered any, stack []byte) { t.Errorf("panic: %v\n%s", recovered, stack) }),
		http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}),
		http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(1<<20),
	)
	scenarioHandler := handler(stanzaImplementation, o)
	for _, sc := range scenarios() {
		router.Handle("GET /"+sc.name, scenarioHandler)
	}
	if rest != nil {
		router.Handle("/", rest)
	}
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"), http.WithHTTPServer(func(s *nethttp.Server) {
		s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, rawConn{}, conn)
		}
	}))
	if err := srv.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return &server{srv.Addr(), o}
}

// serveImplementation serves the scenarios with a peer.
func serveImplementation(t *testing.T, impl implementation) *server {
	t.Helper()
	o := newOutcomes()
	srv := httptest.NewServer(handler(impl, o))
	t.Cleanup(srv.Close)
	return &server{srv.Listener.Addr().String(), o}
}

// playGo plays the scenarios with a client in this process. The peer is the end
// that is not the package under test.
func playGo(t *testing.T, row *row, client, peer implementation, srv *server) {
	for _, sc := range scenarios() {
		if sc.compression == takeover && !peer.takeover {
			row.set(sc, unsupported)
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			err := within(patience, func() error { return playClient(client, srv.url(sc), sc) })
			if err != nil {
				t.Errorf("client: %v", err)
			}
			row.report(t, sc, srv.outcomes)
		})
	}
}

// playClient plays the client's half of a scenario.
func playClient(client implementation, url string, sc scenario) error {
	s, err := client.dial(url, sc.compression)
	if err != nil {
		return err
	}
	if err := checkAgreement(s.extensions(), sc.compression); err != nil {
		return err
	}
	err = sc.half(false)(s)
	if sc.ending != nil || sc.byServer {
		_ = s.kill() // the scenario may have left it open
	}
	return err
}

// checkAgreement checks that the compression of a scenario was negotiated.
func checkAgreement(extensions string, c compression) error {
	name, parameters, _ := strings.Cut(extensions, ";")
	independent := strings.Contains(parameters, "server_no_context_takeover")
	switch {
	case (c != noCompression) != (name == "permessage-deflate"),
		c == takeover && strings.Contains(parameters, "no_context_takeover"),
		c == noTakeover && parameters != "" && !independent:
		return fmt.Errorf("agreed on extensions %q", extensions)
	}
	return nil
}

// within runs f, and returns an error if f takes too long.
func within(d time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		return fmt.Errorf("not done within %v", d)
	}
}

// A matrix is the table of results.
type matrix struct {
	mu   sync.Mutex
	rows []*row
}

type row struct {
	peer  string
	cells map[string]string
}

// Results.
const (
	passed      = "ok"
	failed      = "FAIL"
	unsupported = "-" // the peer does not support the scenario
)

func newMatrix() *matrix { return new(matrix) }

func (m *matrix) row(peer string) *row {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &row{peer, map[string]string{}}
	m.rows = append(m.rows, r)
	return r
}

func (r *row) set(sc scenario, result string) { r.cells[sc.name] = result }

// report waits for the outcome of the server's half, and records the result of
// the test.
func (r *row) report(t *testing.T, sc scenario, o outcomes) {
	t.Helper()
	if err := o.await(sc); err != nil {
		t.Errorf("server: %v", err)
	}
	r.set(sc, passed)
	if t.Failed() {
		r.set(sc, failed)
	}
}

// String returns the table.
func (m *matrix) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s", "")
	for _, sc := range scenarios() {
		fmt.Fprintf(&b, " %s", sc.name)
	}
	for _, r := range m.rows {
		fmt.Fprintf(&b, "\n%-28s", r.peer)
		for _, sc := range scenarios() {
			fmt.Fprintf(&b, " %-*s", len(sc.name), r.cells[sc.name])
		}
	}
	return b.String()
}
