//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// clients are the clients of a server.
type clients struct {
	epoll   int
	wake    *os.File // has a byte for each line of the input
	buf     []byte
	events  []syscall.EpollEvent
	streams []*client // by file descriptor
	reading int       // number of clients that read

	done int             // number of the last event that has been awaited
	at   map[int][]int64 // when later events came, by number
	now  int64

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
	return &clients{epoll: epoll, at: map[int][]int64{}, buf: make([]byte, 256<<10), events: make([]syscall.EpollEvent, 128)}, err
}

// input returns the lines of an input. For each line, and at the end, idle returns
// once.
func (c *clients) input(in io.Reader) (<-chan string, error) {
	wake, ring, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.wake = wake
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer ring.Write([]byte{0})
		scanner := bufio.NewScanner(in) // an error ends the input too
		for scanner.Scan() {
			_, _ = ring.Write([]byte{0}) // there is always room
			lines <- scanner.Text()
		}
	}()
	return lines, c.add(int(wake.Fd()))
}

// add waits for input on a file descriptor, too.
func (c *clients) add(fd int) error {
	return syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
}

// idle reads what the clients get until there is a line of the input.
func (c *clients) idle() error {
	for {
		woken, _, err := c.poll(-1)
		if err != nil {
			return err
		}
		if woken {
			_, err := c.wake.Read(make([]byte, 1))
			return err
		}
	}
}

// poll waits for input for at most the given number of milliseconds, and reads it. It
// reports whether there is a line of the input, and whether there was anything.
func (c *clients) poll(milliseconds int) (woken, anything bool, err error) {
	n, err := syscall.EpollWait(c.epoll, c.events, milliseconds)
	if errors.Is(err, syscall.EINTR) {
		return false, true, nil
	}
	if err != nil {
		return false, false, err
	}
	for _, e := range c.events[:n] {
		if int(e.Fd) == int(c.wake.Fd()) {
			woken = true
			continue
		}
		if err := c.read(c.streams[e.Fd]); err != nil {
			return false, false, err
		}
	}
	return woken, n > 0, nil
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
	return c.add(fd)
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
	if number > c.done {
		at, known := c.at[number]
		if !known {
			at = make([]int64, 0, c.reading)
		}
		c.at[number] = append(at, c.now)
	}
}

// await reads until all clients have the last event, or until the timeout has passed.
func (c *clients) await(r request) (arrival, error) {
	for deadline := time.Now().Add(r.Timeout); len(c.at[r.Last]) < c.reading-c.ended; {
		_, anything, err := c.poll(int(max(time.Until(deadline).Milliseconds(), 0)))
		if err != nil {
			return arrival{}, err
		}
		if !anything || time.Now().After(deadline) {
			break
		}
	}
	return c.arrival(r.First, r.Last), nil
}

// read reads once.
func (c *clients) read(one *client) error {
	n, err := syscall.Read(one.fd, c.buf)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return nil
	}
	if n <= 0 {
		c.ended++
		return syscall.Close(one.fd)
	}
	c.now = time.Now().UnixNano()
	return one.feed(c.buf[:n])
}

// arrival returns when the clients had the given events, which are then forgotten.
func (c *clients) arrival(first, last int) arrival {
	a := arrival{Lacking: c.reading - len(c.at[last]), Lost: c.lost, Twice: c.twice, Ended: c.ended}
	for number := first; number <= last; number++ {
		at := c.at[number]
		if len(at) == 0 {
			at = []int64{0}
		}
		a.Half = append(a.Half, at[(len(at)-1)/2])
		a.Last = append(a.Last, at[len(at)-1])
		delete(c.at, number)
	}
	c.done = last
	return a
}
