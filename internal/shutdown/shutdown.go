// Package shutdown ends an [http.Server] gracefully, long-lived exchanges
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
//  4. Drop the peers that are gone: see below.
//  5. Wait until no connection, handler or exchange is left.
//  6. If the context ends first, cut whatever is left and say what it was.
//
// Code that carries such an exchange calls [Add] or [OpenStream] with the
// request's context. Both do nothing under a server without a Registry.
//
// # Peers that are gone
//
// A peer that has crashed, or that has stopped reading, would hold up the
// drain until its context ends. Each gets [Grace], all of them at the same
// time, and is then dropped, which is not an error:
//
//   - An exchange of [Add] that has not ended: its connection is closed.
//   - A connection that was hijacked and belongs to no such exchange, so that
//     nothing is known of its protocol: it is closed too.
//   - An event stream of which one write has not returned: the stream is
//     reset, or its connection closed. Each write that returns is a sign of
//     life and earns the next one a new Grace.
//   - The end of an event stream, which net/http sends when the handler has
//     returned: its connection is closed.
//
// The handlers are still waited for. A handler that does not return when its
// peer is gone and its context has ended is in the error of step 6.
package shutdown

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Grace is how long a drain waits for a peer that does not answer or does not
// read.
const Grace = 5 * time.Second

// idleGrace is how long a connection may stay idle during a drain before it
// is closed by force. net/http closes an HTTP/2 connection a second after it
// has sent GOAWAY, but sends none on one whose handshake ends at the very
// moment the drain begins; and it may be stuck closing one whose peer does
// not read.
const idleGrace = 2 * time.Second

// A phase is how far the end of a server has come. It only grows:
//
//	serving   no call of Drain yet
//	closing   from the first call of Drain on: net/http closes its listeners
//	draining  net/http starts no new request on HTTP/1.x; exchanges are told to end
//	cutting   the context of a call of Drain has ended: what is left is being cut
//	done      nothing is left, or everything was cut
//
// Cutting may follow on closing, if the context of another call ends first;
// draining is followed by cutting or, if all goes well, by done.
type phase int32

const (
	serving phase = iota
	closing
	draining
	cutting
	done
)

// A Registry knows what one server is doing. Its methods may be called from
// any goroutine.
type Registry struct {
	server *http.Server

	scopes  sync.Map     // net.Conn to the *scope of that connection
	open    atomic.Int64 // connections that net/http serves, hijacked ones not among them
	active  atomic.Int64 // handlers running
	marked  atomic.Int64 // scopes that need attention when their handler returns
	helpers atomic.Int64 // goroutines of the drain that are running

	shutdown chan struct{} // closed when net/http starts no new request on HTTP/1.x
	finished chan struct{} // closed when phase is done

	ctx    context.Context // of stop functions; ends with the drain
	cancel context.CancelFunc

	phase     atomic.Int32 // a phase; changed by advance only
	mu        sync.Mutex
	exchanges map[*exchange]struct{} // to be waited for
	timers    map[*time.Timer]struct{}
	result    error
}

// Attach returns a Registry for server, wrapping the server's Handler,
// ConnContext and ConnState. It must be called after these are set and before
// the server starts, and once for a server. From then on the server is ended
// by Drain, and not by its own methods.
func Attach(server *http.Server) *Registry {
	r := &Registry{
		server:    server,
		shutdown:  make(chan struct{}),
		finished:  make(chan struct{}),
		exchanges: make(map[*exchange]struct{}),
		timers:    make(map[*time.Timer]struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	server.Handler = r.handler(server.Handler)
	server.ConnContext = r.connContext(server.ConnContext)
	server.ConnState = r.connState(server.ConnState)
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(r.shutdown) }))
	return r
}

// Drain ends the server: it returns nil once every connection is closed,
// every handler has returned and every exchange has ended. If ctx ends
// before that, Drain cuts what is left: it cancels the contexts of its
// requests, closes the connections without waiting for the handlers to
// return, and returns an error that counts what was cut and wraps ctx's
// error. Idle connections may be cut without an error.
//
// Drain may be called several times, also concurrently. All calls wait for
// the same drain, the first context to end cuts it short for all of them, and
// all return the same result.
func (r *Registry) Drain(ctx context.Context) error {
	if r.advance(closing) {
		r.start()
	}
	select {
	case <-r.finished:
	case <-ctx.Done():
		if r.advance(cutting) {
			r.cut(ctx.Err())
		}
		<-r.finished
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result
}

// advance changes the phase, and reports whether it has: a phase that has
// been reached is not reached again.
func (r *Registry) advance(to phase) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reached(to) {
		return false
	}
	r.phase.Store(int32(to))
	return true
}

// reached reports whether the drain has come to phase p or further.
func (r *Registry) reached(p phase) bool { return phase(r.phase.Load()) >= p }

// start takes steps 1 to 3 of the package comment.
func (r *Registry) start() {
	// Step 1 goes on beside the others: to close an idle TLS connection
	// properly, net/http waits for a peer that may not read.
	r.help(r.shutdownServer)

	// Until net/http has begun, a request that it has just read may still
	// reach its handler, and must find its connection open.
	<-r.shutdown
	r.mu.Lock()
	exchanges := slices.Collect(maps.Keys(r.exchanges))
	if !r.reached(draining) {
		r.phase.Store(int32(draining)) // with the lock held, so that each exchange is told once
	}
	r.mu.Unlock()
	r.scopes.Range(func(_, v any) bool {
		r.endConnection(v.(*scope))
		return true
	})
	for _, e := range exchanges {
		r.tell(e)
	}
	r.settle()
}

// help runs f in a goroutine that the drain waits for.
func (r *Registry) help(f func()) {
	r.helpers.Add(1)
	go func() {
		defer r.settle()
		defer r.helpers.Add(-1)
		f()
	}()
}

// after calls f in its own goroutine when d has passed, unless cancel is
// called or the drain is over by then.
func (r *Registry) after(d time.Duration, f func()) (cancel func()) {
	var t *time.Timer
	cancel = func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		t.Stop()
		delete(r.timers, t)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reached(cutting) {
		return func() {}
	}
	t = time.AfterFunc(d, func() {
		cancel()
		f()
	})
	r.timers[t] = struct{}{}
	return cancel
}

// shutdownServer has net/http close listeners and idle connections and
// announce the end to HTTP/2 peers.
func (r *Registry) shutdownServer() {
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
	if phase(r.phase.Load()) != draining || r.open.Load() > 0 || r.active.Load() > 0 {
		return
	}
	r.mu.Lock()
	left := len(r.exchanges)
	r.mu.Unlock()
	if left == 0 && r.helpers.Load() == 0 {
		r.end()
	}
}

// end lets all calls of Drain return.
func (r *Registry) end() {
	if !r.advance(done) {
		return
	}
	r.cancel()
	r.mu.Lock()
	for t := range r.timers {
		t.Stop()
	}
	clear(r.timers)
	r.mu.Unlock()
	close(r.finished)
}

// cut ends by force what the drain could not end by asking, and the drain.
func (r *Registry) cut(reason error) {
	defer r.end()
	if left := r.left(); left != "" {
		r.fail(fmt.Errorf("cut %s: %w", left, reason))
	}
	r.cancel()
	r.scopes.Range(func(_, v any) bool {
		v.(*scope).drop()
		return true
	})
	_ = r.server.Close() // all that it could close is closed; this is for its own records
}

// left counts everything that is not done yet, for people to read. It is
// empty if there is nothing but connections that serve no request.
func (r *Registry) left() string {
	var connections, webSockets, streams int
	requests := int(r.active.Load())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scopes.Range(func(_, v any) bool {
		s := v.(*scope)
		switch http.ConnState(s.state.Load()) {
		case http.StateActive:
			connections++
		case http.StateHijacked:
			connections++
			requests-- // not a request any more, whatever its handler does
		}
		if _, counted := r.exchanges[s.socket]; s.socket != nil && !counted {
			webSockets++ // it has ended, and its handler has not returned
		}
		return true
	})
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

// CloseNow closes a connection without a TLS close notification, which would
// wait up to five seconds for a peer that does not read. If conn has a NetConn
// method, as a [crypto/tls.Conn] does, the connection that it returns is closed first.
// Closing conn then fails or returns at once, but lets it do its bookkeeping.
//
// The error is the innermost connection's.
func CloseNow(conn net.Conn) error {
	outer, ok := conn.(interface{ NetConn() net.Conn })
	if !ok {
		return conn.Close()
	}
	err := CloseNow(outer.NetConn())
	_ = conn.Close() // expected to fail: it can no longer write
	return err
}
