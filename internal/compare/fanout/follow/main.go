//go:build linux

// Command follow is any number of clients of a server of package fanout. It reads
// requests from its standard input, one JSON object a line, and prints an answer to
// each:
//
//	{"do":"connect","address":"127.0.0.1:4711","protocol":"sse","clients":5000,"stalled":0}
//	{"do":"await","first":1,"last":200,"timeout":10000000000}
//
// All clients are in one goroutine, which reads with epoll, so that they take little
// of the processors that the server needs. It is only for Linux.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("follow: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// A request asks the clients to do something.
type request struct {
	Do string

	// For connect.
	Address  string
	Protocol fanout.Protocol
	Clients  int
	Stalled  int // number of clients that never read

	// For await: the numbers of the events.
	First, Last int
	Timeout     time.Duration
}

func run() error {
	c, err := newClients()
	if err != nil {
		return err
	}
	lines, err := c.input(os.Stdin)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	encoder := json.NewEncoder(os.Stdout)
	for {
		if err := c.idle(); err != nil {
			return err
		}
		line, more := <-lines
		if !more {
			return nil
		}
		var r request
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return err
		}
		var reply any
		switch r.Do {
		case "connect":
			reply, err = struct{}{}, c.connect(r)
		case "await":
			reply, err = c.await(r)
		default:
			err = fmt.Errorf("unknown request %q", r.Do)
		}
		if err != nil {
			return err
		}
		if err := encoder.Encode(reply); err != nil {
			return err
		}
	}
}

// An arrival is when clients had the events that were awaited.
type arrival struct {
	Half     []int64 // when half of the clients had each event, in nanoseconds since 1970
	Last     []int64 // when the last of them had it
	Lacking, // number of clients that do not have the last event
	Lost, // number of events that clients did not get although they got later ones
	Twice, // number of events that clients got again
	Ended int // number of clients whose connection has ended
}
