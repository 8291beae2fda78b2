package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/clientip"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// ErrServerStarted is returned by [Server.Start] if the server has already been
// started.
var ErrServerStarted = errors.New("http: server already started")

// A Server serves HTTP/1.1 and, if it uses TLS, HTTP/2, from [Server.Start] until
// [Server.Stop]. It can be started only once.
//
// A program with a lifecycle manager can register Start and Stop as hooks. A
// program without one can call [Server.Run] in its main function.
//
// Create a Server with [NewServer]. The methods of a zero Server panic.
//
// A Server is safe for concurrent use by multiple goroutines.
//
// # Differences from net/http
//
// Compared with a zero [net/http.Server], a Server
//
//   - limits the time for reading requests and for writing responses, and how
//     long connections can be idle;
//   - asks WebSockets and event streams to end when Stop is called, and waits
//     for them;
//   - can serve requests for a while after Stop is called, so that load balancers
//     notice; see [WithDrainDelay] and [ReadyHandler];
//   - disconnects peers that do not respond during Stop.
//
// Use [WithHTTPServer] to set fields of the [net/http.Server] for which there is
// no option. The Server type is optional: a [Router] and all middleware also work
// with a plain [net/http.Server].
type Server struct {
	hs           *http.Server
	listener     net.Listener // from WithListener, or nil
	secure       bool         // whether to serve TLS
	certFile     string
	keyFile      string
	drainDelay   time.Duration
	drainTimeout time.Duration
	adjust       []func(*http.Server) // from WithHTTPServer
	trusted      *clientip.Set        // from WithTrustedProxies, or nil
	router       *Router              // the handler, if it is a Router
	drain        *shutdown.Registry

	failures      chan error // returned by Err
	closeFailures sync.Once

	stopping   chan struct{} // closed when the server is told to stop
	served     chan struct{} // closed when the server no longer accepts connections
	serveErr   error         // why it failed, or nil; read only after served is closed
	abandonErr error         // from closing a listener that was never served; likewise

	mu    sync.Mutex // guards the fields below
	phase phase
	addr  string // the bound address, or "" before Start

	accepting *shutdown.Listener // set by Start, and not changed afterwards
}

// A phase is a stage in the life of a server.
//
//	created ──► started ──► stopped
//	   └───────────────────────▲
//
//	from     to       when
//	created  started  Start succeeds
//	created  stopped  Stop is called first
//	started  stopped  Stop is called
//
// If Start fails, or if serving fails later, the phase does not change.
type phase int

const (
	created phase = iota // Start may be called
	started              // the listener is open, unless it has failed
	stopped              // Start returns an error
)

// NewServer returns a server for handler, which is usually a [Router]. Without
// options, it serves HTTP on port 8080 on all interfaces. Its timeouts
// disconnect slow and silent clients; each option documents its default.
//
// NewServer panics if the handler or an option is nil, or if the TLS options are
// inconsistent. The message lists all mistakes.
func NewServer(handler Handler, opts ...ServerOption) *Server {
	s := &Server{
		hs: &http.Server{
			Addr:              ":8080",
			Handler:           handler,
			ReadTimeout:       15 * time.Second,
			ReadHeaderTimeout: 5 * time.Second,
			WriteTimeout:      15 * time.Second,
			IdleTimeout:       60 * time.Second,
		},
		drainTimeout: 25 * time.Second,
		failures:     make(chan error, 1),
		stopping:     make(chan struct{}),
		served:       make(chan struct{}),
	}
	var problems []string
	for i, opt := range opts {
		if opt == nil {
			problems = append(problems, fmt.Sprintf("option %d is nil", i+1))
			continue
		}
		opt(s)
	}
	for _, adjust := range s.adjust {
		adjust(s.hs)
	}
	problems = append(problems, s.problems()...)
	if len(problems) > 0 {
		callsite.Panicf("NewServer: %s", strings.Join(problems, "; "))
	}
	s.router = routerOf(s.hs.Handler)
	s.drain = shutdown.Attach(s.hs)
	s.hs.Handler = response.NewHandler(s.hs, s.drain, s.trusted)
	return s
}

// problems describes the mistakes in the settings, after all options have been
// applied.
func (s *Server) problems() []string {
	var problems []string
	if isNil(s.hs.Handler) {
		problems = append(problems, "the handler is nil")
	}
	certificates := false
	if c := s.hs.TLSConfig; c != nil {
		certificates = len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil
	}
	switch {
	case s.secure && s.certFile == "" && !certificates:
		problems = append(problems, "WithTLS has no files, and TLSConfig has no certificates; set one of them")
	case certificates && !s.secure && s.listener == nil:
		problems = append(problems, `TLSConfig has certificates, but the server does not use TLS; add WithTLS("", "")`)
	}
	return problems
}

// Start binds the server's address, serves requests in the background, and
// returns. If the server's handler is a [Router], Start first builds the
// middleware chains, and panics if they are invalid, for example if a middleware
// returns nil.
//
// Start returns an error if the address cannot be bound, the TLS key pair cannot
// be loaded, or ctx is done. In these cases, Start can be called again. If the
// server has already been started, Start returns [ErrServerStarted], even if
// serving has failed since. If Stop has been called, the error wraps
// [ErrServerClosed].
//
// ctx applies only until Start returns. The server keeps running when ctx is done
// later, so ctx can have a timeout for starting the program.
func (s *Server) Start(ctx context.Context) error {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case started:
		return ErrServerStarted
	case stopped:
		return fmt.Errorf("http: start after stop: %w", ErrServerClosed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("http: start: %w", err)
	}
	if err := s.loadKeyPair(); err != nil {
		return fmt.Errorf("http: start: %w", err)
	}
	if s.router != nil {
		s.router.build()
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return fmt.Errorf("http: start: %w", err)
	}
	s.phase = started
	s.addr = listener.Addr().String()
	s.accepting = shutdown.NewListener(listener)
	go s.serve(s.accepting)
	return nil
}

// Addr returns the address that the server is bound to, for example
// "127.0.0.1:49152" or "[::]:8080". If the configured port is 0, the result
// contains the port that was chosen. Before Start, Addr returns the configured
// address.
func (s *Server) Addr() string {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.addr != "":
		return s.addr
	case s.listener != nil:
		return s.listener.Addr().String()
	}
	return s.hs.Addr
}

// Err returns a channel that receives an error if serving fails after Start has
// returned. The server then no longer accepts connections. At most one error is
// sent, and the channel holds it until it is received. Stop must still be called.
// Before it returns, Stop closes the channel, even if there was no error.
func (s *Server) Err() <-chan error {
	s.mustBeMade()
	return s.failures
}

// Stop stops the server gracefully:
//
//   - If the server has a drain delay, it first serves requests for that time, as
//     described at [WithDrainDelay].
//   - It closes the listener and the idle connections.
//   - It waits for requests in progress. It does not cancel their contexts, except
//     those of handlers that have called [NewSSEWriter] or are inside [Streaming].
//   - It sends close code 1001 to WebSocket peers.
//   - It runs the functions of [Server.OnDrain].
//
// Stop returns nil when every handler has returned, including the handlers of
// hijacked connections and the functions of OnDrain, and every connection is closed,
// except as described below.
//
// If ctx is done first, Stop cancels the contexts of the remaining requests, closes
// their connections, and returns without waiting for their handlers. The error
// says how many requests and connections remained, and wraps ctx.Err(). If ctx is
// never done, Stop waits until all handlers have returned.
//
// If the server has not been started, Stop closes the listener of
// [WithListener], and later calls to Start return an error.
//
// # Unresponsive peers
//
// After 5 seconds, Stop disconnects peers that have crashed or stopped reading,
// and does not report them as errors:
//
//   - A WebSocket is closed if its peer does not answer the close frame.
//   - An event stream fails if a write takes longer than 5 seconds. A write sends
//     at most 32 KiB, so a slow client that reads at least that much in 5 seconds
//     stays connected.
//   - A connection that was hijacked without an [Upgrader] is always closed,
//     because Stop cannot tell whether its peer responds. If its handler has
//     returned, however, Stop leaves it alone, as net/http does.
//
// For WebSockets and other hijacked connections, Stop also cancels the request's
// context. If a handler does not return after its peer was disconnected, Stop
// waits for the handler until ctx is done.
//
// # Repeated calls
//
// Stop can be called more than once and by multiple goroutines. All calls wait
// for the same shutdown and return the same result. Once the context of any call
// is done, all calls stop waiting, even during the drain delay.
func (s *Server) Stop(ctx context.Context) error {
	s.mustBeMade()
	s.waitForDelay(ctx)
	return s.drainNow(ctx)
}

// OnDrain registers a function that [Server.Stop] calls, for example to flush a queue or
// to stop background work. f is called when the drain begins: after the delay of
// [WithDrainDelay], and while handlers may still be running. Therefore, close resources
// that handlers use, such as a database, after Stop has returned. All functions run
// concurrently, each in its own goroutine.
//
// While f runs, Stop ends event streams and closes WebSockets with [CloseGoingAway]. To
// close WebSockets with another code, call [Conn.CloseWithMessage] before Stop.
//
// Stop waits until the functions have returned. If the context of Stop is done first, the
// context passed to f is canceled, and the error of Stop names the functions that are
// still running. If f panics, Stop waits for the others as usual, logs the panic to the
// server's ErrorLog or, if that is nil, to [log/slog.Default], and returns it as an error.
//
// f is called once, no matter how often Stop is called. Stop also calls it if serving has
// failed or the server was never started. If the drain has already begun, OnDrain starts f
// immediately. If Stop has already returned, nothing waits for f, and its context is already
// canceled.
//
// OnDrain panics if f is nil.
func (s *Server) OnDrain(f func(ctx context.Context)) {
	s.mustBeMade()
	if f == nil {
		callsite.Panicf("Server.OnDrain: the function is nil")
	}
	name := fmt.Sprintf("OnDrain function %s (added at %s)",
		runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name(), callsite.Location())
	s.drain.OnDrain(name, func(ctx context.Context) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("%s panicked: %v", name, v)
				s.logPanic(err, debug.Stack())
			}
		}()
		f(ctx)
		return nil
	})
}

// Run starts the server, and stops it when ctx is done, when the process receives
// SIGINT or SIGTERM, or when the server fails or is stopped. It returns nil if the
// server has started and stopped without an error, so a main function can end with
//
//	if err := srv.Run(context.Background()); err != nil {
//		log.Fatal(err)
//	}
//
// Stopping takes at most the sum of [WithDrainDelay] and [WithDrainTimeout] and, if there
// is a delay, a second more. A second signal during that time has its default effect, which
// is to terminate the process.
//
// To run several servers, for example a second one for metrics, call the function
// [Run].
func (s *Server) Run(ctx context.Context) error {
	s.mustBeMade()
	return runServers(ctx, []*Server{s})
}

// Run starts the servers in order, and stops all of them when ctx is done, when the
// process receives SIGINT or SIGTERM, when one of them fails, or when [Server.Stop] is
// called for one of them. It returns nil if all servers have started and stopped without
// an error.
//
// All servers begin to stop at the same time, each with its own [WithDrainDelay] and
// [WithDrainTimeout]. A [ReadyHandler] on any of them therefore reports that all of them
// are stopping. A second signal terminates the process.
//
// If a server cannot start, for example because its port is in use, Run stops those
// that have started, without a drain delay, and returns the error. If there are several
// servers, their errors are joined, and each one ends with the address of its server.
//
// Run panics if servers is empty, or if a server is nil or passed twice.
func Run(ctx context.Context, servers ...*Server) error {
	if len(servers) == 0 {
		callsite.Panicf("Run: there is no server to run")
	}
	for i, s := range servers {
		if s == nil {
			callsite.Panicf("Run: server %d of %d is nil", i+1, len(servers))
		}
		if first := slices.Index(servers, s); first < i {
			callsite.Panicf("Run: server %d is the same as server %d", i+1, first+1)
		}
		s.mustBeMade()
	}
	return runServers(ctx, servers)
}

// A ServerOption changes a setting of the [Server] that [NewServer] returns. If
// two options change the same setting, the last one wins.
type ServerOption func(*Server)

// WithAddr sets the TCP address to listen on, in the form that [net.Listen]
// accepts. For example, "127.0.0.1:8080" is reachable only from this machine,
// and ":8080" is port 8080 on all interfaces. If the port is 0, a free port is
// chosen; see [Server.Addr]. The default is ":8080".
//
// WithAddr panics if addr is empty.
func WithAddr(addr string) ServerOption {
	if addr == "" {
		callsite.Panicf("WithAddr: the address is empty")
	}
	return func(s *Server) { s.hs.Addr = addr }
}

// WithListener makes the server accept connections from listener, for example on
// a Unix socket, or on a socket inherited from a supervisor. [WithAddr] then has
// no effect. [Server.Stop] closes the listener.
//
// With [WithTLS], the server uses TLS on these connections. If listener was
// created by [crypto/tls.NewListener] or uses TLS in another way, do not add
// WithTLS.
//
// WithListener panics if listener is nil.
func WithListener(listener net.Listener) ServerOption {
	if listener == nil {
		callsite.Panicf("WithListener: the listener is nil")
	}
	return func(s *Server) { s.listener = listener }
}

// WithTLS makes the server use TLS. HTTP/2 or HTTP/1.1 is negotiated with each
// client. [Server.Start] reads the certificate chain from certFile and the private
// key from keyFile; both files must be in PEM format. Both names can be empty if
// [WithHTTPServer] sets a TLSConfig that has certificates.
//
// WithTLS panics if only one of the names is empty.
func WithTLS(certFile, keyFile string) ServerOption {
	if (certFile == "") != (keyFile == "") {
		callsite.Panicf("WithTLS: certificate %q and key %q: one name is empty; set both or neither", certFile, keyFile)
	}
	return func(s *Server) { s.secure, s.certFile, s.keyFile = true, certFile, keyFile }
}

// WithReadTimeout sets the maximum time for reading a request, including its
// body. When it has passed, reading the body fails with an error that wraps
// [os.ErrDeadlineExceeded]; [BindJSON] then responds with status 408. To replace the
// timeout for a route, use [Timeout].
//
// The default is 15 seconds; 0 means no limit. WithReadTimeout panics if d is negative.
func WithReadTimeout(d time.Duration) ServerOption {
	checkTimeout("WithReadTimeout", d)
	return func(s *Server) { s.hs.ReadTimeout = d }
}

// WithReadHeaderTimeout sets the maximum time for reading a request's header.
// The default is 5 seconds; 0 means no limit. WithReadHeaderTimeout panics if d
// is negative.
func WithReadHeaderTimeout(d time.Duration) ServerOption {
	checkTimeout("WithReadHeaderTimeout", d)
	return func(s *Server) { s.hs.ReadHeaderTimeout = orUnlimited(d) }
}

// WithWriteTimeout sets the maximum time for writing a response, measured from the
// end of the request's header. It does not apply to event streams and WebSockets. If the
// request has a body, the write timeout is at least 5 seconds longer than the read timeout,
// so that a client that sends too slowly still gets a response. To replace the timeout for
// a route, use [Timeout] or [Streaming].
//
// The default is 15 seconds; 0 means no limit. WithWriteTimeout panics if d is negative.
func WithWriteTimeout(d time.Duration) ServerOption {
	checkTimeout("WithWriteTimeout", d)
	return func(s *Server) { s.hs.WriteTimeout = d }
}

// WithIdleTimeout sets how long a connection may wait for its next request. The
// default is 60 seconds; 0 means no limit. WithIdleTimeout panics if d is
// negative.
func WithIdleTimeout(d time.Duration) ServerOption {
	checkTimeout("WithIdleTimeout", d)
	return func(s *Server) { s.hs.IdleTimeout = orUnlimited(d) }
}

// WithMaxHeaderBytes sets the maximum size of a request's header, including the
// request line. If a header is larger, the server responds with 431. The
// default is [DefaultMaxHeaderBytes], 1 MiB; net/http allows a few KiB more than
// the limit. WithMaxHeaderBytes panics if n is not positive.
func WithMaxHeaderBytes(n int) ServerOption {
	if n <= 0 {
		callsite.Panicf("WithMaxHeaderBytes: %d is not positive", n)
	}
	return func(s *Server) { s.hs.MaxHeaderBytes = n }
}

// WithDrainDelay makes [Server.Stop], and therefore also [Server.Run] and [Run], continue
// to serve requests for d before the server closes its listener and drains. During this
// time, a load balancer can notice that the server is stopping. Without a delay, it keeps
// sending requests that fail. The default is 0, which means no delay.
//
// During the delay,
//
//   - [ReadyHandler] responds with 503;
//   - requests are accepted and served. Over HTTP/1, each response has Connection:
//     close, so that clients and proxies open their next connections elsewhere. Idle
//     connections stay open, because a request may be on its way on any of them;
//   - event streams and WebSockets are asked to end, one at a time, during the second
//     half of the delay, so that their clients do not all reconnect at once. Those that
//     begin during that half end when the drain begins.
//
// After the delay, the server stops listening. A client that has just connected gets up to
// a second to send its request. A request can still fail if its connection arrives at the
// moment when the listener is closed, or if it is sent on a connection that was idle during
// the whole delay and that the server is closing. HTTP/2 clients get a GOAWAY frame after
// the delay, and must retry the requests that it reports as unprocessed (RFC 9113, section
// 6.8).
//
// Choose d a little longer than the load balancer takes to remove a server from rotation,
// for example the period of its readiness probe times its failure threshold. The
// supervisor's kill timeout should exceed the sum of d and the drain timeout by at least
// two seconds.
//
// The delay ends immediately if the context of Stop is done or if serving fails. There
// is no delay if the server was not started. In [Server.Run] and [Run], the timeout of
// [WithDrainTimeout] begins after the delay.
//
// WithDrainDelay panics if d is negative.
func WithDrainDelay(d time.Duration) ServerOption {
	checkTimeout("WithDrainDelay", d)
	return func(s *Server) { s.drainDelay = d }
}

// WithDrainTimeout sets how long [Server.Run] and [Run] wait for requests and
// connections to end before they close those that remain. The default is 25 seconds.
// The timeout begins after the delay of [WithDrainDelay]. The sum of both should be
// shorter than the supervisor's kill timeout, which is 30 seconds by default in
// Kubernetes. WithDrainTimeout has no effect on direct calls to [Server.Stop], whose
// context limits the wait.
//
// WithDrainTimeout panics if d is not positive.
func WithDrainTimeout(d time.Duration) ServerOption {
	if d <= 0 {
		callsite.Panicf("WithDrainTimeout: %v is not positive", d)
	}
	return func(s *Server) { s.drainTimeout = d }
}

// WithTrustedProxies makes [ClientIP] trust the forwarding headers of the given proxies
// for every request of the server, like the [TrustedProxies] middleware, but before all
// middleware. Proxies whose addresses are not routed on the internet are also trusted.
//
// Without prefixes, the server trusts no proxy at all, not even on private addresses or
// Unix sockets: [ClientIP] returns the address of the peer. Use this if clients connect
// to the server directly, possibly from a private network. If a handler is
// inside [TrustedProxies], the prefixes passed there are still trusted, but private
// addresses that are not in them remain untrusted.
//
// WithTrustedProxies panics if a prefix is invalid.
func WithTrustedProxies(prefixes ...netip.Prefix) ServerOption {
	proxies, err := clientip.NewSet(prefixes)
	if err != nil {
		callsite.Panicf("WithTrustedProxies: %v", err)
	}
	if len(prefixes) == 0 {
		proxies = clientip.None()
	}
	return func(s *Server) { s.trusted = proxies }
}

// WithHTTPServer makes [NewServer] call f with the [net/http.Server] that serves
// the requests, so that f can set any of its fields, for example TLSConfig,
// ErrorLog or Protocols. NewServer calls f once, after it has applied all other
// options, so the fields that f sets take precedence. There is one exception: the
// key pair of [WithTLS] replaces TLSConfig.Certificates.
//
// After f has returned, NewServer wraps Handler, ConnContext and ConnState; those
// that f sets are still called. f must not start or stop the [net/http.Server].
//
// WithHTTPServer panics if f is nil.
func WithHTTPServer(f func(*http.Server)) ServerOption {
	if f == nil {
		callsite.Panicf("WithHTTPServer: the function is nil")
	}
	return func(s *Server) { s.adjust = append(s.adjust, f) }
}

// checkTimeout panics if d is negative.
func checkTimeout(option string, d time.Duration) {
	if d < 0 {
		callsite.Panicf("%s: %v is negative", option, d)
	}
}

// orUnlimited returns -1 for 0. It is used for the timeouts that default to
// ReadTimeout in net/http.
func orUnlimited(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// mustBeMade panics if s was not returned by NewServer.
func (s *Server) mustBeMade() {
	if s == nil || s.hs == nil {
		callsite.Panicf("Server used without NewServer; create it with NewServer(handler, options...)")
	}
}

// loadKeyPair loads the files of WithTLS into the TLS configuration.
func (s *Server) loadKeyPair() error {
	if s.certFile == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
	if err != nil {
		return fmt.Errorf("TLS key pair: %w", err)
	}
	config := &tls.Config{}
	if s.hs.TLSConfig != nil {
		config = s.hs.TLSConfig.Clone() // the original may belong to other servers too
	}
	config.Certificates = []tls.Certificate{pair}
	s.hs.TLSConfig = config
	return nil
}

// listen returns the listener of WithListener, or a new one.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if s.listener != nil {
		return s.listener, nil
	}
	addr := s.hs.Addr
	switch {
	case addr != "":
	case s.secure: // WithHTTPServer has set Addr to "", for which net/http uses these defaults
		addr = ":https"
	default:
		addr = ":http"
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr)
}

// serve accepts connections until Stop is called or the listener fails.
func (s *Server) serve(listener net.Listener) {
	defer close(s.served)
	var err error
	if s.secure {
		err = s.hs.ServeTLS(listener, "", "")
	} else {
		err = s.hs.Serve(listener)
	}
	if errors.Is(err, ErrServerClosed) {
		return
	}
	_ = listener.Close() // fails if net/http has closed it, which it does unless the TLS settings are wrong
	s.serveErr = fmt.Errorf("http: serve: %w", err)
	s.failures <- s.serveErr // does not block: the buffer holds this one error
}

// waitForDelay begins to stop the server. It returns when the drain has to begin.
func (s *Server) waitForDelay(ctx context.Context) {
	if s.enterStopped() == created {
		s.abandon()
	}
	select {
	case <-s.served: // not started, or failed, or stopped already
		return
	default:
	}
	if s.drainDelay > 0 && s.accepting != nil { // nil if another call of Stop is abandoning the server
		s.drain.Delay(ctx, s.drainDelay, s.accepting, s.served)
	}
}

// drainNow drains the server and waits until it no longer serves.
func (s *Server) drainNow(ctx context.Context) error {
	err := s.drain.Drain(ctx)
	<-s.served
	s.closeFailures.Do(func() { close(s.failures) })
	if err := errors.Join(err, s.abandonErr); err != nil {
		return fmt.Errorf("http: stop: %w", err)
	}
	return nil
}

// logPanic logs a panic of a function of OnDrain.
func (s *Server) logPanic(err error, stack []byte) {
	if s.hs.ErrorLog != nil {
		s.hs.ErrorLog.Printf("http: %v\n%s", err, stack)
		return
	}
	slog.Error("panic while the server stops", slog.Any("error", err), slog.String("stack", string(stack)))
}

// runServers is [Run] for valid servers.
func runServers(ctx context.Context, servers []*Server) error {
	// A signal during Start does not interrupt it; the servers stop gracefully right
	// afterwards.
	unlimited := context.WithoutCancel(ctx)
	signaled, release := signal.NotifyContext(unlimited, os.Interrupt, syscall.SIGTERM)
	defer release()
	context.AfterFunc(signaled, release) // a second signal then has its default effect
	name := func(s *Server, err error) error {
		if err == nil || len(servers) == 1 {
			return err
		}
		return fmt.Errorf("%w (server %s)", err, s.Addr())
	}
	for i, s := range servers {
		if err := s.Start(ctx); err != nil {
			return errors.Join(name(s, err), stopServers(unlimited, servers[:i], false, name))
		}
	}
	waitForAny(ctx, signaled, servers)
	if signaled.Err() != nil {
		release() // before the stop can be seen; AfterFunc is for a signal during the stop
	}
	return stopServers(unlimited, servers, true, name)
}

// waitForAny returns when one of the contexts is done, or one of the servers is told to
// stop or no longer serves.
func waitForAny(ctx, signaled context.Context, servers []*Server) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(signaled, cancel)()
	for _, s := range servers {
		go func() {
			select {
			case <-s.stopping:
				cancel()
			case <-s.served:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	<-ctx.Done()
}

// stopServers stops the servers at the same time and returns their errors, each with
// the name of its server, in the order of servers.
func stopServers(ctx context.Context, servers []*Server, delay bool, name func(*Server, error) error) error {
	errs := make([]error, len(servers))
	var stopping sync.WaitGroup
	for i, s := range servers {
		stopping.Go(func() {
			if delay {
				s.waitForDelay(ctx)
			} else {
				s.enterStopped()
			}
			ctx, cancel := context.WithTimeout(ctx, s.drainTimeout)
			defer cancel()
			err := s.drainNow(ctx)
			errs[i] = errors.Join(name(s, s.serveErr), name(s, err))
		})
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// enterStopped changes the phase to stopped, and returns the previous phase.
func (s *Server) enterStopped() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.phase
	if before != stopped {
		close(s.stopping)
	}
	s.phase = stopped
	return before
}

// abandon closes the listener of a server that was never started.
func (s *Server) abandon() {
	defer close(s.served)
	if s.listener != nil {
		s.abandonErr = s.listener.Close()
	}
}
