//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// clients are the clients of a server. They read only during await.
type clients struct {
	epoll   int
	streams []*client // by file descriptor
	reading int       // number of clients that read

	first, last int       // the events that are awaited
	at          [][]int64 // when each of them came
	now         int64

	lost, twice, ended int
}

// A client is one connection.
type client struct {
	stream
	fd     int
	number int // of the last event
}

func newClients() (*clients, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &clients{epoll: epoll}, err
}

// connect connects all clients and sends their requests.
func (c *clients) connect(r request) error {
	address, err := netip.ParseAddrPort(r.Address)
	if err != nil {
		return err
	}
	for i := range r.Clients {
		if err := c.open(address, r.Protocol, i < r.Stalled); err != nil {
			return fmt.Errorf("client %d: %w", i, err)
		}
	}
	return nil
}

func (c *clients) open(address netip.AddrPort, protocol fanout.Protocol, stalled bool) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}); err != nil {
		return err
	}
	if err := writeAll(fd, []byte(opening(address, protocol))); err != nil {
		return err
	}
	if stalled {
		return nil
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	one := &client{fd: fd}
	one.stream = stream{
		protocol: protocol,
		got:      func(number int) { c.got(one, number) },
		ping:     one.pong,
	}
	for len(c.streams) <= fd {
		c.streams = append(c.streams, nil)
	}
	c.streams[fd] = one
	c.reading++
	return syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
}

// opening returns the request of a client.
func opening(address netip.AddrPort, protocol fanout.Protocol) string {
	head := "GET " + fanout.Path + " HTTP/1.1\r\nHost: " + address.String() + "\r\n"
	if protocol == fanout.WebSocket {
		return head + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	}
	return head + "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n\r\n"
}

func writeAll(fd int, b []byte) error {
	n, err := syscall.Write(fd, b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// pong answers a ping. The mask is 0.
func (c *client) pong(payload []byte) {
	b := append([]byte{0x8a, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	_ = writeAll(c.fd, b) // the connection then ends
}

// got notes that a client has an event.
func (c *clients) got(one *client, number int) {
	switch {
	case number <= one.number:
		c.twice++
	case one.number > 0:
		c.lost += number - one.number - 1
	}
	one.number = number
	if c.first <= number && number <= c.last {
		c.at[number-c.first] = append(c.at[number-c.first], c.now)
	}
}

// await reads until all clients have the last event, or until the timeout has passed.
func (c *clients) await(r request) (arrival, error) {
	c.first, c.last = r.First, r.Last
	c.at = make([][]int64, r.Last-r.First+1)
	for i := range c.at {
		c.at[i] = make([]int64, 0, c.reading)
	}
	buf := make([]byte, 256<<10)
	events := make([]syscall.EpollEvent, 128)
	for deadline := time.Now().Add(r.Timeout); len(c.at[len(c.at)-1]) < c.reading-c.ended; {
		n, err := syscall.EpollWait(c.epoll, events, int(max(time.Until(deadline).Milliseconds(), 0)))
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return arrival{}, err
		}
		if n == 0 || time.Now().After(deadline) {
			break
		}
		for _, e := range events[:n] {
			if err := c.read(c.streams[e.Fd], buf); err != nil {
				return arrival{}, err
			}
		}
	}
	return c.arrival(), nil
}

// read reads once.
func (c *clients) read(one *client, buf []byte) error {
	n, err := syscall.Read(one.fd, buf)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return nil
	}
	if n <= 0 {
		c.ended++
		return syscall.Close(one.fd)
	}
	c.now = time.Now().UnixNano()
	return one.feed(buf[:n])
}

// arrival returns what await has seen.
func (c *clients) arrival() arrival {
	a := arrival{
		Lacking: c.reading - len(c.at[len(c.at)-1]), Lost: c.lost, Twice: c.twice, Ended: c.ended,
	}
	for _, at := range c.at {
		if len(at) == 0 {
			at = []int64{0}
		}
		a.Half = append(a.Half, at[(len(at)-1)/2])
		a.Last = append(a.Last, at[len(at)-1])
	}
	return a
}
