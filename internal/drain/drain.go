// Package drain ends an [http.Server] gracefully, long-lived exchanges
// included.
//
// [http.Server.Shutdown] alone is not enough for a program with WebSockets
// and event streams: it forgets a hijacked connection, waits in vain for an
// event stream that nobody tells to end, waits seconds for connections that
// have never sent a byte, and notices only by polling that it is done. A
// [Registry] knows what runs: every connection, every handler, and which of
// them carry an exchange that ends only when told to. Draining then is:
//
//  1. Close the listeners and idle connections, announce the end to HTTP/2
//     peers. From here on net/http starts no new request on HTTP/1.x.
//  2. Close the connections that have not sent a whole request yet.
//  3. Tell each long-lived exchange to end. Ordinary requests are left alone.
//  4. Wait until no connection, handler or exchange is left.
//  5. If the context ends first, cut whatever is left and say what it was.
//
// Code that carries such an exchange calls [Add] or [Stream] with the
// request's context. Both do nothing under a server without a Registry.
package drain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// idleGrace is how long a connection may stay idle during a drain before it
// is closed by force. net/http closes an HTTP/2 connection by itself a second
// after it has sent GOAWAY, but sends none on one whose handshake ends at the
// very moment the drain begins; and it may be stuck closing one whose peer
// does not read.
const idleGrace = 2 * time.Second

// A Registry knows what one server is doing. Its methods may be called from
// any goroutine.
type Registry struct {
	server *http.Server

	scopes sync.Map     // net.Conn to the *scope of that connection
	open   atomic.Int64 // connections that net/http serves, hijacked ones not among them
	active atomic.Int64 // handlers running
	marked atomic.Int64 // scopes that need attention when their handler returns
	stops  atomic.Int64 // functions running that end something

	begin    sync.Once
	shutting chan struct{} // closed when net/http starts no new request on HTTP/1.x
	draining atomic.Bool   // the same, once the drain knows
	ending   sync.Once     // closes ended
	ended    chan struct{} // closed when the drain is over
	forcing  sync.Once     // cuts

	stopCtx context.Context // for stop functions, once the drain has begun
	cancel  context.CancelFunc

	mu        sync.Mutex
	exchanges map[*exchange]struct{}
	stopping  bool // exchanges are told to end
	result    error
}

// Attach returns a Registry for server, wrapping the server's Handler,
// ConnContext and ConnState. It must be called after these are set and before
// the server starts, and once for a server. From then on the server is ended
// by Drain, and not by its own methods.
func Attach(server *http.Server) *Registry {
	r := &Registry{
		server:    server,
		shutting:  make(chan struct{}),
		ended:     make(chan struct{}),
		exchanges: make(map[*exchange]struct{}),
	}
	server.Handler = r.handler(server.Handler)
	server.ConnContext = r.connContext(server.ConnContext)
	server.ConnState = r.connState(server.ConnState)
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(r.shutting) }))
	return r
}

// Drain ends the server: it returns nil once every connection is closed,
// every handler has returned and every exchange has ended. When ctx ends
// before that, Drain cuts what is left: it cancels the contexts of its
// requests, closes the connections without waiting for the handlers to
// return, and returns an error that counts what was cut and wraps ctx's
// error. Idle connections may be cut without an error.
//
// Drain may be called several times, also concurrently. All calls wait for
// the same drain, the first context to end cuts it short for all of them, and
// all return the same result.
func (r *Registry) Drain(ctx context.Context) error {
	r.begin.Do(func() {
		r.stopCtx, r.cancel = context.WithCancel(ctx)
		r.start()
	})
	select {
	case <-r.ended:
	case <-ctx.Done():
		select {
		case <-r.ended:
		default:
			r.forcing.Do(func() { r.cut(ctx.Err()) })
		}
	}
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result
}

// start takes steps 1 to 3 of the package comment.
func (r *Registry) start() {
	// Step 1 goes on beside the others: to close an idle TLS connection
	// properly, net/http waits for a peer that may not read.
	r.stops.Add(1)
	go r.shutdown()

	// Until net/http has begun, a request that it has just read may still
	// reach its handler, and must find its connection open.
	<-r.shutting
	r.draining.Store(true)
	r.scopes.Range(func(_, v any) bool {
		r.closeUnused(v.(*scope))
		return true
	})

	r.mu.Lock()
	r.stopping = true
	for e := range r.exchanges {
		r.stop(e)
	}
	r.mu.Unlock()
	r.settle()
}

// shutdown has net/http close listeners and idle connections and announce
// the end to HTTP/2 peers.
func (r *Registry) shutdown() {
	defer r.settle()
	defer r.stops.Add(-1)
	// With a context that has ended, Shutdown does all that it does but wait.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.server.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		r.fail(err) // a listener did not close
	}
}

// fail adds err to the drain's result.
func (r *Registry) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = errors.Join(r.result, err)
}

// settle ends the drain if nothing is left. It is called after every step
// that may have been the last.
//
// The order of the checks matters: requests come from connections and
// exchanges from requests, so that what has been found to be zero stays zero.
func (r *Registry) settle() {
	if !r.draining.Load() || r.open.Load() > 0 || r.active.Load() > 0 {
		return
	}
	r.mu.Lock()
	left := len(r.exchanges)
	r.mu.Unlock()
	if left == 0 && r.stops.Load() == 0 {
		r.end()
	}
}

// end lets all calls of Drain return.
func (r *Registry) end() {
	r.ending.Do(func() { close(r.ended) })
}

// cut ends by force what the drain could not end by asking, and the drain.
func (r *Registry) cut(reason error) {
	defer r.end()
	if left := r.left(); left != "" {
		r.fail(fmt.Errorf("cut %s: %w", left, reason))
	}
	r.cancel()
	r.scopes.Range(func(_, v any) bool {
		s := v.(*scope)
		s.cancel()
		closeNow(s.conn)
		return true
	})
	_ = r.server.Close() // all that it could close is closed; this is for its own records
}

// left counts everything that is not done yet, for people to read. It is
// empty if there is nothing but connections that serve no request.
func (r *Registry) left() string {
	var connections, webSockets, streams int
	requests := int(r.active.Load())
	r.scopes.Range(func(_, v any) bool {
		switch http.ConnState(v.(*scope).state.Load()) {
		case http.StateActive:
			connections++
		case http.StateHijacked:
			connections++
			requests-- // not a request any more, whatever its handler does
		}
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := range r.exchanges {
		switch e.kind {
		case WebSocket:
			webSockets++
		case EventStream:
			streams++
			requests--
		}
	}
	return list(
		count{connections, "connection"},
		count{requests, "request"},
		count{webSockets, "websocket"},
		count{streams, "event stream"},
	)
}

// A count is a number of things of one name.
type count struct {
	n    int
	name string
}

// list writes counts as a list: "2 connections, 1 request".
func list(counts ...count) string {
	var parts []string
	for _, c := range counts {
		switch {
		case c.n == 1:
			parts = append(parts, "1 "+c.name)
		case c.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", c.n, c.name))
		}
	}
	return strings.Join(parts, ", ")
}

// closeNow closes a connection without a farewell: closing a TLS connection
// properly waits seconds for a peer that does not read.
func closeNow(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	_ = conn.Close() // it fails if the connection is closed already, which is what we want
}
