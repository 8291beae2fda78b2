package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// ErrServerStarted is returned by [Server.Start] if the server runs already.
var ErrServerStarted = errors.New("http: server already started")

// A Server serves HTTP/1.1, and HTTP/2 where there is TLS, from Start to Stop.
// It is made by [NewServer], can be started successfully once, and all its
// methods may be called from any goroutine.
//
// Start and Stop have the shape of lifecycle hooks; a main function that has
// no lifecycle of its own calls [Server.Run].
type Server struct {
	hs           *http.Server
	listener     net.Listener // from WithListener, or nil
	secure       bool         // serve TLS
	certFile     string
	keyFile      string
	drainTimeout time.Duration
	adjust       []func(*http.Server) // from WithHTTPServer
	router       *Router              // the handler, if it is one
	drain        *shutdown.Registry

	failed    chan error // what Err returns
	endFailed sync.Once  // closes failed

	served     chan struct{} // closed when no connection is accepted any more
	serveErr   error         // why, if not for Stop; to be read after served
	abandonErr error         // from closing a listener never served; likewise

	mu    sync.Mutex
	phase phase
	addr  string // once bound
}

// A phase is a part of a server's life.
type phase int

const (
	created phase = iota
	started
	stopped
)

// NewServer returns a server for handler, which is usually a [Router]. With
// no options it serves plain HTTP on port 8080 of all interfaces, with
// timeouts that keep slow or silent clients from holding connections for
// ever; each option's comment tells its default.
//
// A nil handler or option and an invalid option panic.
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
		failed:       make(chan error, 1),
		served:       make(chan struct{}),
	}
	for i, opt := range opts {
		if opt == nil {
			callsite.Panicf("NewServer: option %d is nil", i+1)
		}
		opt(s)
	}
	for _, adjust := range s.adjust {
		adjust(s.hs)
	}
	s.check()
	s.router, _ = s.hs.Handler.(*Router)
	s.drain = shutdown.Attach(s.hs)
	s.hs.Handler = &response.Handler{Next: s.hs.Handler, Registry: s.drain}
	return s
}

// Start binds the server's address and serves it in the background. It
// returns at once, with an error if the address cannot be bound or the TLS
// key pair cannot be loaded; then nothing runs, and Start may be tried again.
//
// The end of ctx interrupts the binding only: a server that has started runs
// until Stop, so that a start-up context with a timeout does no harm.
// Starting a running server returns [ErrServerStarted], starting one that was
// stopped an error that wraps [ErrServerClosed].
//
// Of a [Router] it builds the chains of middleware, so that a mistake in them
// panics here and not in the first request.
func (s *Server) Start(ctx context.Context) error {
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
	go s.serve(listener)
	return nil
}

// Addr returns the address the server is bound to, such as "127.0.0.1:49152"
// or "[::]:8080": after Start this is where clients find it, even if it was
// asked for port 0. Before Start it is the address as it was configured.
func (s *Server) Addr() string {
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

// Err returns a channel that tells if the server fails while it runs and
// accepts no more connections: it delivers one error then. Stop is still to
// be called. The channel is closed at the end of Stop, without an error if
// there was none. It holds the error until somebody receives it, once.
func (s *Server) Err() <-chan error { return s.failed }

// Stop ends the server gracefully: it accepts no more connections, lets
// running requests finish, and tells long-lived exchanges to end. WebSocket
// peers are sent close code 1001, and the request context of a handler that
// has called [NewSSEWriter] is cancelled; the contexts of ordinary requests
// are not. Stop returns nil when all of this is done and every handler has
// returned, those of hijacked connections too.
//
// If ctx ends first, what is left is cut: request contexts are cancelled and
// connections closed. The error then says what was cut and wraps ctx's error.
// Without a deadline Stop waits for as long as a handler runs.
//
// # Peers that are gone
//
// Stop does not wait for peers that have crashed or stopped reading. It drops
// them after 5 seconds, all at the same time, and that is not an error:
//
//   - A WebSocket whose peer does not answer the close frame is closed.
//   - If a client takes nothing of an event for 5 seconds, the write fails. A
//     client that is slow but reads on is waited for.
//   - A connection that was hijacked by other means than an [Upgrader] is
//     closed, since Stop cannot know whether its peer is alive.
//
// The request context of a WebSocket, or of another hijacked connection, is
// cancelled after these 5 seconds too, for handlers that wait for it. A
// handler that goes on without its peer is waited for until ctx ends.
//
// # Several calls
//
// Stop may be called more than once and by multiple goroutines. Every call
// waits for the same end and returns the same result; the first of their
// contexts to end cuts it short. Stopping a server that has not started, or
// has failed to, only keeps it from being started and closes the listener it
// was given.
func (s *Server) Stop(ctx context.Context) error {
	if s.enterStopped() == created {
		s.abandon()
	}
	err := s.drain.Drain(ctx)
	<-s.served
	s.endFailed.Do(func() { close(s.failed) })
	if err := errors.Join(err, s.abandonErr); err != nil {
		return fmt.Errorf("http: stop: %w", err)
	}
	return nil
}

// Run starts the server, waits until ctx ends, the process gets SIGINT or
// SIGTERM, or the server fails, and then stops it. It returns nil if nothing
// went wrong, so that a main function can be
//
//	if err := srv.Run(context.Background()); err != nil {
//		log.Fatal(err)
//	}
//
// Stopping may take as long as [WithDrainTimeout] says. A second signal in
// that time ends the process, as if Run did not handle signals.
func (s *Server) Run(ctx context.Context) error {
	// Signals are caught before the start and do not interrupt it: whoever
	// stops a server while it starts up should see it end well.
	signalled, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer release()
	if err := s.Start(ctx); err != nil {
		return err
	}
	var failure error
	select {
	case <-signalled.Done():
	case <-s.served:
		failure = s.serveErr
	}
	release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drainTimeout)
	defer cancel()
	return errors.Join(failure, s.Stop(ctx))
}

// A ServerOption changes a setting of a [Server] when [NewServer] makes it.
// Of two that change the same setting the later one wins.
type ServerOption func(*Server)

// WithAddr sets the TCP address to listen on, as [net.Listen] takes it:
// "127.0.0.1:8080", or ":8080" for all interfaces. Port 0 picks a free one,
// which [Server.Addr] tells. The default is ":8080".
func WithAddr(addr string) ServerOption {
	if addr == "" {
		callsite.Panicf("WithAddr: the address is empty")
	}
	return func(s *Server) { s.hs.Addr = addr }
}

// WithListener serves connections from listener instead of binding an address,
// for example a Unix socket, or a socket inherited from a supervisor. [WithAddr]
// then has no effect. The server owns the listener and closes it when it stops.
//
// With [WithTLS], the server speaks TLS on the connections that listener accepts.
// If listener speaks TLS itself, as one of [crypto/tls.NewListener] does, leave
// WithTLS out.
func WithListener(listener net.Listener) ServerOption {
	if listener == nil {
		callsite.Panicf("WithListener: the listener is nil")
	}
	return func(s *Server) { s.listener = listener }
}

// WithTLS serves HTTPS, in HTTP/2 or HTTP/1.1 as each client prefers, with
// the certificate chain and private key in two PEM files, read by
// [Server.Start]. Both names may be empty if [WithHTTPServer] sets a
// TLSConfig that has certificates.
func WithTLS(certFile, keyFile string) ServerOption {
	if (certFile == "") != (keyFile == "") {
		callsite.Panicf("WithTLS: certificate %q and key %q: one name is empty", certFile, keyFile)
	}
	return func(s *Server) { s.secure, s.certFile, s.keyFile = true, certFile, keyFile }
}

// WithReadTimeout limits how long a client may take to send a whole request,
// its body included. The default is 15 seconds; 0 means no limit.
func WithReadTimeout(d time.Duration) ServerOption {
	checkTimeout("WithReadTimeout", d)
	return func(s *Server) { s.hs.ReadTimeout = d }
}

// WithReadHeaderTimeout limits how long a client may take to send a request's
// header. The default is 5 seconds; 0 means no limit.
func WithReadHeaderTimeout(d time.Duration) ServerOption {
	checkTimeout("WithReadHeaderTimeout", d)
	return func(s *Server) { s.hs.ReadHeaderTimeout = orNone(d) }
}

// WithWriteTimeout limits how long a response may take, counted from the end
// of the request's header. The default is 15 seconds; 0 means no limit. Event
// streams and WebSockets are exempt.
func WithWriteTimeout(d time.Duration) ServerOption {
	checkTimeout("WithWriteTimeout", d)
	return func(s *Server) { s.hs.WriteTimeout = d }
}

// WithIdleTimeout limits how long a connection is kept open for a next
// request. The default is 60 seconds; 0 means no limit.
func WithIdleTimeout(d time.Duration) ServerOption {
	checkTimeout("WithIdleTimeout", d)
	return func(s *Server) { s.hs.IdleTimeout = orNone(d) }
}

// WithMaxHeaderBytes limits the size of a request's line and header. Larger
// ones are answered with 431. The default is [DefaultMaxHeaderBytes], 1 MiB;
// net/http adds some slack to either.
func WithMaxHeaderBytes(n int) ServerOption {
	if n <= 0 {
		callsite.Panicf("WithMaxHeaderBytes: %d is not positive", n)
	}
	return func(s *Server) { s.hs.MaxHeaderBytes = n }
}

// WithDrainTimeout sets how long [Server.Run] lets a stopping server finish
// before it cuts what is left. The default is 25 seconds, a little less than
// the 30 that supervisors commonly allow before they kill. Stop does not use
// it: its context decides.
func WithDrainTimeout(d time.Duration) ServerOption {
	if d <= 0 {
		callsite.Panicf("WithDrainTimeout: %v is not positive", d)
	}
	return func(s *Server) { s.drainTimeout = d }
}

// WithHTTPServer lets f change any field of the [net/http.Server] underneath:
// TLSConfig, ErrorLog, Protocols and so on. It runs once, in NewServer, after
// all other options, and what it sets wins over them. Handler, ConnContext and
// ConnState are wrapped afterwards for the server's own use, so what f puts
// there is called too. f must not start or stop the [net/http.Server].
func WithHTTPServer(f func(*http.Server)) ServerOption {
	if f == nil {
		callsite.Panicf("WithHTTPServer: the function is nil")
	}
	return func(s *Server) { s.adjust = append(s.adjust, f) }
}

// checkTimeout panics if the option was given a negative duration.
func checkTimeout(option string, d time.Duration) {
	if d < 0 {
		callsite.Panicf("%s: %v is negative", option, d)
	}
}

// orNone makes 0 mean no limit for a timeout that net/http would otherwise
// take from ReadTimeout.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// check panics if the settings, all options applied, do not make a server.
func (s *Server) check() {
	if isNil(s.hs.Handler) {
		callsite.Panicf("NewServer: the handler is nil")
	}
	certified := false
	if c := s.hs.TLSConfig; c != nil {
		certified = len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil
	}
	switch {
	case s.secure && s.certFile == "" && !certified:
		callsite.Panicf("WithTLS: neither files nor a TLSConfig with certificates")
	case certified && !s.secure && s.listener == nil:
		callsite.Panicf("NewServer: TLSConfig has certificates, but without WithTLS they would not be used")
	}
}

// loadKeyPair reads the files of WithTLS into the TLS configuration.
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
		config = s.hs.TLSConfig.Clone() // the user may share it with other servers
	}
	config.Certificates = []tls.Certificate{pair}
	s.hs.TLSConfig = config
	return nil
}

// listen returns the listener to serve.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if s.listener != nil {
		return s.listener, nil
	}
	addr := s.hs.Addr
	switch {
	case addr != "":
	case s.secure: // only WithHTTPServer can have emptied it; these are net/http's defaults
		addr = ":https"
	default:
		addr = ":http"
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr)
}

// serve accepts connections until the server stops or the listener fails.
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
	_ = listener.Close() // net/http has closed it, except where TLS settings are at fault
	s.serveErr = fmt.Errorf("http: serve: %w", err)
	s.failed <- s.serveErr // its buffer is for this one error
}

// enterStopped makes it impossible to start the server from now on, and
// returns the phase it was in.
func (s *Server) enterStopped() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.phase
	s.phase = stopped
	return before
}

// abandon takes the place of serve in a server that never started.
func (s *Server) abandon() {
	defer close(s.served)
	if s.listener != nil {
		s.abandonErr = s.listener.Close()
	}
}
