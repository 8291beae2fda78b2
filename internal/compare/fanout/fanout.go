// Package fanout has servers that send each event to all of their clients, made
// with this package and with its peers. They are compared by the programs in its
// folders: serve runs one server, and follow is its clients.
package fanout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"slices"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A Protocol is the protocol in which clients get events.
type Protocol string

// The protocols.
const (
	SSE       Protocol = "sse"
	WebSocket Protocol = "websocket"
)

// EventName is the name of all events.
const EventName = "update"

// An Event is an event with its number, which begins with 1.
type Event struct {
	Number int
	Data   string
}

// NewEvent returns an event whose Data is JSON of about size bytes. The Data ends
// with the number, so that a client that has the number has all of the event.
func NewEvent(number, size int) Event {
	const around = len(`{"text":"",`) + NumberSize
	text := strings.Repeat("x", max(size-around, 0))
	return Event{number, fmt.Sprintf(`{"text":"%s",%s%d}`, text, numberField, number+zero)}
}

// NumberSize is the number of bytes at the end of the Data that have the number.
const NumberSize = len(numberField) + 8 + 1

const (
	numberField = `"n":`
	zero        = 10_000_000 // is added to numbers, so that they have 8 digits
)

// CutNumber returns the number of the first event whose end is in b, and the bytes
// after it.
func CutNumber(b []byte) (number int, rest []byte, found bool) {
	_, after, found := bytes.Cut(b, []byte(numberField))
	const digits = NumberSize - len(numberField)
	if !found || len(after) < digits {
		return 0, nil, false
	}
	for _, c := range after[:digits-1] {
		number = number*10 + int(c-'0')
	}
	return number - zero, after[digits:], true
}

// A Config configures a server.
type Config struct {
	// WriteTimeout is how long a client may read nothing, if the contestant has
	// such a setting. If it is 0, the contestant's default is used.
	WriteTimeout time.Duration
}

// A Contestant is one way to write such a server.
type Contestant struct {
	Name     string
	Protocol Protocol

	new func(Config) broadcaster
	own bool // it runs on this package's server
}

// A broadcaster is what a contestant consists of.
type broadcaster struct {
	handler nethttp.Handler
	publish func(Event) error
	close   func() // may be nil
}

// All returns all contestants. The first ones for each protocol are the floor:
// they call Write once for each client, and nothing else.
func All() []Contestant {
	return []Contestant{
		{"floor", SSE, newFloorSSE, false},
		{"stanza", SSE, newStanzaSSE, true},
		{"stanza-chain", SSE, newStanzaChain, true},
		{"channels", SSE, newChannels, false},
		{"go-sse", SSE, newGoSSE, false},
		{"r3labs", SSE, newR3labs, false},

		{"floor", WebSocket, newFloorWebSocket, false},
		{"stanza", WebSocket, newStanzaWebSocket(true), true},
		{"stanza-handler", WebSocket, newStanzaWebSocket(false), true},
		{"gorilla", WebSocket, newGorilla, false},
		{"melody", WebSocket, newMelody, false},
		{"gws", WebSocket, newGWS, false},
	}
}

// Find returns the contestant with a name.
func Find(protocol Protocol, name string) (Contestant, error) {
	all := All()
	i := slices.IndexFunc(all, func(c Contestant) bool { return c.Protocol == protocol && c.Name == name })
	if i < 0 {
		return Contestant{}, fmt.Errorf("no contestant %q for %q", name, protocol)
	}
	return all[i], nil
}

// Path is the path, with a query, at which all contestants serve.
const Path = "/events?stream=" + streamName

// streamName is the name of the stream, which only r3labs needs.
const streamName = "updates"

// A Server is a running contestant.
type Server struct {
	Addr    string
	Publish func(Event) error

	close func()
}

// Start starts a contestant at a free port of the loopback interface.
func (c Contestant) Start(config Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := c.new(config)
	server := &nethttp.Server{Handler: b.handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	stop := func() { _ = server.Close() } // the listener is gone in any case
	if c.own {
		own := http.NewServer(b.handler, http.WithListener(listener))
		if err := own.Start(context.Background()); err != nil {
			return nil, err
		}
		stop = func() { _ = own.Stop(context.Background()) } // clients that do not read are cut
	} else {
		go func() { _ = server.Serve(listener) }() // returns ErrServerClosed
	}
	return &Server{Addr: listener.Addr().String(), Publish: b.publish, close: func() {
		if b.close != nil {
			b.close()
		}
		stop()
	}}, nil
}

// Close closes the server and all of its connections.
func (s *Server) Close() { s.close() }
