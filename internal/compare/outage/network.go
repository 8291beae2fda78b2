package main

import (
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A load sends requests at a constant rate.
type load struct {
	rate   int
	client *nethttp.Client
}

func newLoad(rate int) *load {
	// Connections beyond these are closed after their first response. The number of the
	// server's goroutines therefore follows the number of requests in progress.
	transport := &nethttp.Transport{MaxIdleConnsPerHost: 50}
	return &load{rate, &nethttp.Client{Transport: transport}}
}

// send sends requests until stop is called, and waits for their responses.
func (l *load) send(url string) (stop func()) {
	stopped := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		start := time.Now()
		for i := 0; ; i++ {
			select {
			case <-stopped:
				return
			case <-time.After(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(l.rate)))):
			}
			all.Go(func() { l.get(fmt.Sprint(url, "/?client=", i%100)) })
		}
	})
	return func() {
		close(stopped)
		all.Wait()
		l.client.CloseIdleConnections()
	}
}

// get sends a request and ignores errors, because the server counts the responses.
func (l *load) get(url string) {
	res, err := l.client.Get(url)
	if err != nil {
		return
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // errors are ignored here too
}

// A proxy forwards connections to a Unix socket. It can drop everything, like a network
// that has failed: connections stay open, and nothing arrives.
type proxy struct {
	listener net.Listener
	socket   string
	dropping atomic.Bool
}

func newProxy(socket string) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, socket: socket}
	go p.run()
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) drop(on bool) { p.dropping.Store(on) }

func (p *proxy) close() { _ = p.listener.Close() } // which ends run

// run accepts connections.
func (p *proxy) run() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.forward(conn)
	}
}

// forward forwards conn in both directions. If Redis does not run, forward closes conn.
func (p *proxy) forward(conn net.Conn) {
	defer conn.Close()
	redis, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer redis.Close()
	go func() {
		defer conn.Close()
		p.copy(conn, redis)
	}()
	p.copy(redis, conn)
}

// copy copies until one side is closed, but discards what arrives while p drops everything.
func (p *proxy) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if p.dropping.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
