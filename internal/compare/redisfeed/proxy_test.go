package redisfeed_test

import (
	"net"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// A proxy forwards TCP connections to a server's socket, and disturbs them.
type proxy struct {
	listener net.Listener

	mu     sync.Mutex
	target string
	silent bool // forward nothing
	drop   bool // lose replies, and the connection with them
	links  []*link
	trips  int  // number of times that the direction changed towards the server
	asking bool // the last bytes went to the server
}

// A link is a connection to a proxy, with the one to the server. The proxy's mu
// guards frozen.
type link struct {
	client, server net.Conn
	frozen         bool // forward nothing, for ever
}

func startProxy(tb testing.TB, target string) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{listener: listener, target: target}
	tb.Cleanup(func() { listener.Close(); p.cut() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.connect(client)
		}
	}()
	return p
}

func (p *proxy) client(tb testing.TB) *redis.Client {
	return newClient(tb, "tcp", p.listener.Addr().String())
}

func (p *proxy) connect(client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	server, err := net.Dial("unix", p.target)
	if err != nil {
		client.Close()
		return
	}
	l := &link{client: client, server: server}
	p.links = append(p.links, l)
	go p.forward(l, server, client)
	go p.forward(l, client, server)
}

func (p *proxy) forward(l *link, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		silent, drop := p.pass(l, to == l.server)
		if drop {
			return
		}
		if silent {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// pass reports what to do with bytes.
func (p *proxy) pass(l *link, asking bool) (silent, drop bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if asking && !p.asking {
		p.trips++
	}
	p.asking = asking
	return p.silent || l.frozen, p.drop && !asking
}

// set changes the behavior for what comes from now on.
func (p *proxy) set(silent, drop bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.drop = silent, drop
}

// freeze makes all connections that there are half-open. New ones work.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.frozen = true
	}
}

// move closes all connections and sends new ones to another server.
func (p *proxy) move(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.cut()
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.client.Close()
		l.server.Close()
	}
	p.links = nil
}

// roundTrips returns the number of round trips that a call makes. There must be no
// other calls meanwhile.
func (p *proxy) roundTrips(call func()) int {
	count := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.trips
	}
	before := count()
	call()
	return count() - before
}
