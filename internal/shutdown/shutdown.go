// Package shutdown ends an [http.Server] gracefully, including WebSockets and
// event streams.
//
// [http.Server.Shutdown] is not enough for a program with long-lived
// connections. It ignores hijacked connections, it waits for event streams
// without asking them to end, it waits up to five seconds for connections
// that have never sent a byte, and it polls to find out that it is done.
//
// A [Registry] keeps track of every connection, every running handler, and
// every exchange that ends only if it is asked to. [Registry.Drain] takes
// these steps:
//
//  1. Have net/http close the listeners and the idle connections, and send
//     GOAWAY to HTTP/2 clients. It starts no new request on HTTP/1.x after
//     that.
//  2. Close the connections that have not sent a complete request yet.
//  3. Ask each long-lived exchange to end. Ordinary requests are not
//     interrupted. Meanwhile, run the hooks of [Registry.OnDrain].
//  4. Drop the peers that do not respond, as described below.
//  5. Wait until no connection, handler, exchange or hook is left.
//  6. If the context ends first, cut everything that is left, and return an
//     error that lists it.
//
// [Registry.Delay], which is optional, runs before a drain: the server still serves
// requests, but reports that it is stopping, so that load balancers can notice.
//
// Code that starts a long-lived exchange calls [AddWebSocket] or [OpenStream] with
// the request's context. Both do nothing if the server has no Registry.
//
// # Unresponsive peers
//
// A peer that has crashed or has stopped reading could delay the drain until
// its context ends. Each such peer is dropped after [Grace], all of them at
// the same time, and without an error:
//
//   - If a WebSocket has not been closed, its connection is closed.
//   - If a connection was hijacked without a call of AddWebSocket, it is
//     closed: nothing is known about its protocol.
//   - If a write to an event stream has not returned, the stream is reset or
//     its connection is closed. Each write that returns shows that the peer is
//     alive, and the next write gets a new Grace. For example, a client that
//     takes a piece of the stream every three seconds is not dropped.
//   - If a client does not read the end of an event stream, which net/http
//     sends after the handler has returned, its connection is closed.
//
// The drain still waits for the handlers. If a handler does not return although
// its peer was dropped and its request's context was canceled, the error of
// step 6 counts it.
//
// # Terms
//
// This package uses these terms:
//
//   - A server is drained: all of the above.
//   - An exchange is stopped: it is asked to end.
//   - A peer is dropped: its stream or connection is closed without an error.
//   - Everything that is left is cut: it is closed, and the error counts it.
//   - The drain finishes: all calls of Drain return.
package shutdown

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Grace is how long a drain waits for a peer that does not respond or does not
// read.
const Grace = 5 * time.Second

// idleGrace is how long a connection may stay idle during a drain before it
// is closed by force. net/http closes an HTTP/2 connection one second after it
// has sent GOAWAY. But it does not send GOAWAY if the connection's handshake
// ends at the moment the drain begins, and closing the connection may block if
// its peer does not read.
const idleGrace = 2 * time.Second

// A phase is the progress of a server's shutdown. It never goes back.
//
//	serving ─┬────────────────► closing ──► draining ────────► done
//	         └──► delaying ───────▲│            │               ▲
//	                               └────────────┴──► cutting ───┘
//
//	from      to        when
//	serving   delaying  Delay is called for the first time
//	serving   closing   Drain is called for the first time, without a delay
//	delaying  closing   Drain is called for the first time
//	closing   draining  net/http starts no more requests on HTTP/1.x
//	closing   cutting   the context of a Drain call has ended
//	draining  cutting   the context of a Drain call has ended
//	draining  done      nothing is left
//	cutting   done      everything that was left has been cut
type phase int32

const (
	serving  phase = iota // neither Delay nor Drain has been called
	delaying              // exchanges are being asked to end, and requests are still served
	closing               // net/http is closing its listeners; see step 1
	draining              // exchanges have been asked to end; see steps 2 to 5
	cutting               // everything left is being cut; see step 6
	done                  // all calls of Drain return
)

// A Registry keeps track of the connections, handlers and exchanges of one
// server. It is safe for concurrent use by multiple goroutines.
type Registry struct {
	server          *http.Server
	nextConnContext func(context.Context, net.Conn) context.Context // set before Attach, or nil
	nextConnState   func(net.Conn, http.ConnState)                  // set before Attach, or nil

	scopes      sync.Map     // net.Conn to the *scope of that connection
	connections atomic.Int64 // served by net/http, excluding hijacked ones
	handlers    atomic.Int64 // running
	longLived   atomic.Int64 // scopes with an event stream or a hijacked connection
	tasks       atomic.Int64 // running goroutines of the drain

	delayed         chan struct{} // closed when the delay before the drain is over
	endDelay        func()        // closes delayed; may be called more than once
	arrivals        chan struct{} // has an element if a connection has changed during the delay
	requestsRefused chan struct{} // closed when net/http starts no more requests on HTTP/1.x
	finished        chan struct{} // closed when the phase is done

	taskContext context.Context // for the stop functions of exchanges; canceled when the drain ends
	cancelTasks context.CancelFunc

	phase        atomic.Int32 // a phase; written with mu held
	mu           sync.Mutex
	exchanges    map[*exchange]struct{} // that have not ended
	hooks        []*hook                // that have not returned
	hooksStarted bool
	timers       map[*time.Timer]struct{}
	result       error
}

// Attach returns a Registry for server. It replaces the server's ConnContext and
// ConnState with functions that call the previous ones, if any. It must be called
// once for each server, before the server starts.
//
// The server's handler must call [Registry.Begin] for each request. The server
// must be stopped with [Registry.Drain], not with its Shutdown or Close method.
func Attach(server *http.Server) *Registry {
	r := &Registry{
		server:          server,
		nextConnContext: server.ConnContext,
		nextConnState:   server.ConnState,
		delayed:         make(chan struct{}),
		arrivals:        make(chan struct{}, 1),
		requestsRefused: make(chan struct{}),
		finished:        make(chan struct{}),
		exchanges:       make(map[*exchange]struct{}),
		timers:          make(map[*time.Timer]struct{}),
	}
	r.endDelay = sync.OnceFunc(func() { close(r.delayed) })
	r.taskContext, r.cancelTasks = context.WithCancel(context.Background())
	server.ConnContext = r.connContext
	server.ConnState = r.connState
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(r.requestsRefused) }))
	return r
}

// Drain ends the server. It returns nil when every connection is closed, every
// handler has returned, and every exchange has ended.
//
// If ctx ends before that, Drain cuts everything that is left: it cancels the
// contexts of the requests, closes the connections without waiting for the
// handlers to return, and returns an error that counts what was cut and wraps
// ctx's error. It closes idle connections without an error.
//
// Drain may be called several times and by multiple goroutines. All calls wait
// for the same drain and return the same result. The first context that ends
// cuts the drain for all of them.
func (r *Registry) Drain(ctx context.Context) error {
	if r.advance(closing) {
		r.endDelay()
		r.startDrain()
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

// advance changes the phase, and reports whether it did: a phase is entered
// only once, and not if a later one has been reached.
func (r *Registry) advance(to phase) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.advanceLocked(to)
}

func (r *Registry) advanceLocked(to phase) bool {
	if r.reached(to) {
		return false
	}
	r.phase.Store(int32(to))
	return true
}

// reached reports whether the phase is p or a later one.
func (r *Registry) reached(p phase) bool { return phase(r.phase.Load()) >= p }

// startDrain takes steps 1 to 3 of the package comment.
func (r *Registry) startDrain() {
	// Step 1 runs concurrently with the others: when net/http closes an idle
	// TLS connection, it waits for a peer that may not read.
	r.start(r.shutdownServer)
	r.startHooks()

	// Until net/http has begun to shut down, it may still start the handler of a
	// request that it has just read. Do not close its connection before that.
	<-r.requestsRefused
	exchanges := r.enterDraining()
	r.scopes.Range(func(_, v any) bool {
		r.drainConnection(v.(*scope))
		return true
	})
	for _, e := range exchanges {
		r.stop(e)
	}
	r.finishIfIdle()
}

// enterDraining changes the phase to draining, unless the drain is being cut
// already, and returns the exchanges to stop. Because it does both with the
// lock held, each exchange is stopped once: either by the caller, or by the
// function that registers it.
func (r *Registry) enterDraining() []*exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advanceLocked(draining)
	return slices.Collect(maps.Keys(r.exchanges))
}

// start runs task in a goroutine that the drain waits for.
func (r *Registry) start(task func()) {
	r.tasks.Add(1)
	go r.run(task)
}

func (r *Registry) run(task func()) {
	defer r.finishIfIdle()
	defer r.tasks.Add(-1)
	task()
}

// after calls f in a new goroutine when d has passed, unless cancel is called
// or the drain ends before that. If the drain is being cut, after does nothing.
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

// shutdownServer takes step 1 of the package comment.
func (r *Registry) shutdownServer() {
	// If its context has ended, Shutdown does everything except wait.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.server.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		r.fail(err) // closing a listener failed
	}
}

// fail adds err to the drain's result.
func (r *Registry) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = errors.Join(r.result, err)
}

// finishIfIdle finishes the drain if nothing is left. It must be called after
// every change that may have left nothing to wait for.
//
// The order of the checks matters. Requests come from connections, and
// exchanges come from requests, so a number that was found to be zero remains
// zero while the next one is checked.
func (r *Registry) finishIfIdle() {
	if phase(r.phase.Load()) != draining || r.connections.Load() > 0 || r.handlers.Load() > 0 {
		return
	}
	r.mu.Lock()
	exchanges := len(r.exchanges)
	r.mu.Unlock()
	if exchanges == 0 && r.tasks.Load() == 0 {
		r.finish()
	}
}

// finish makes all calls of Drain return.
func (r *Registry) finish() {
	if !r.advance(done) {
		return
	}
	r.cancelTasks()
	r.mu.Lock()
	for t := range r.timers {
		t.Stop()
	}
	clear(r.timers)
	r.mu.Unlock()
	close(r.finished)
}
