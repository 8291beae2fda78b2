package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// atMost is how long events may take. Clients that do not have them then have lost
// them.
const atMost = 30 * time.Second

// A fanoutPair is a server and its clients.
type fanoutPair struct {
	server, clients *process
	protocol        fanout.Protocol
	reading         int // number of clients that read
	size            int // of the events' data
	next            int // number of the next event
}

// startFanout starts a contestant, and a process for its clients.
func startFanout(dir string, c fanout.Contestant, args ...string) (*fanoutPair, error) {
	args = append([]string{"-protocol", string(c.Protocol), "-by", c.Name}, args...)
	server, err := start(filepath.Join(dir, "serve"), nil, args...)
	if err != nil {
		return nil, err
	}
	clients, err := start(filepath.Join(dir, "follow"), nil)
	if err != nil {
		server.kill()
		return nil, err
	}
	return &fanoutPair{server: server, clients: clients, protocol: c.Protocol, size: eventSize, next: 1}, nil
}

func (p *fanoutPair) kill() {
	p.server.kill()
	p.clients.kill()
}

// end closes the standard input of the processes, and waits until they have ended.
func (p *fanoutPair) end() error {
	var errs []error
	for _, one := range []*process{p.server, p.clients} {
		errs = append(errs, one.stdin.Close(), one.cmd.Wait())
	}
	return errors.Join(errs...)
}

// These are the requests and answers of the commands serve and follow.
type (
	fanoutRequest struct {
		Do       string          `json:"do"`
		First    int             `json:"first,omitempty"`
		Count    int             `json:"count,omitempty"`
		Size     int             `json:"size,omitempty"`
		Collect  bool            `json:"collect,omitempty"`
		Sockets  bool            `json:"sockets,omitempty"`
		Address  string          `json:"address,omitempty"`
		Protocol fanout.Protocol `json:"protocol,omitempty"`
		Clients  int             `json:"clients,omitempty"`
		Stalled  int             `json:"stalled,omitempty"`
		Last     int             `json:"last,omitempty"`
		Timeout  time.Duration   `json:"timeout,omitempty"`
	}
	fanoutState struct {
		CPU        time.Duration
		Resident   int64
		Mallocs    uint64
		Goroutines int
		Sockets    int
	}
	fanoutPublished struct {
		At   []int64
		Took []time.Duration
	}
	fanoutArrival struct {
		Half, Last                  []int64
		Lacking, Lost, Twice, Ended int
	}
)

// state returns the state of the server, after a garbage collection if collect is set.
func (p *fanoutPair) state(collect bool) (s fanoutState, err error) {
	err = p.server.ask(fanoutRequest{Do: "state", Collect: collect}, &s)
	return s, err
}

// sockets returns the number of open files of the server.
func (p *fanoutPair) sockets() (int, error) {
	var s fanoutState
	err := p.server.ask(fanoutRequest{Do: "state", Sockets: true}, &s)
	return s.Sockets, err
}

// gather connects clients, and publishes until all of them get events. It returns
// how much resident memory each takes.
func (p *fanoutPair) gather(clients, stalled int) (float64, error) {
	before, err := p.state(true)
	if err != nil {
		return 0, err
	}
	p.reading = clients - stalled
	err = p.clients.ask(fanoutRequest{
		Do: "connect", Address: p.server.firstLine, Protocol: p.protocol, Clients: clients, Stalled: stalled,
	}, &struct{}{})
	if err != nil {
		return 0, err
	}
	if err := p.warmUp(); err != nil {
		return 0, err
	}
	after, err := p.state(true)
	return float64(after.Resident-before.Resident) / float64(clients), err
}

// warmUp publishes until all clients get events.
func (p *fanoutPair) warmUp() error {
	const tries = 100 // some clients may not have joined when the first events are published
	for try := range tries {
		_, arrival, err := p.publish(1, time.Second)
		if err != nil {
			return err
		}
		if arrival.Lacking == 0 {
			break
		}
		if try == tries-1 {
			return fmt.Errorf("%d clients get no events", arrival.Lacking)
		}
	}
	for range warmUpEvents {
		if _, err := p.delivered(1); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes events, and waits until the clients have them, or until the
// timeout has passed.
func (p *fanoutPair) publish(events int, timeout time.Duration) (fanoutPublished, fanoutArrival, error) {
	var published fanoutPublished
	var arrival fanoutArrival
	first := p.next
	p.next += events
	arrived := make(chan error, 1)
	go func() {
		arrived <- p.clients.ask(fanoutRequest{Do: "await", First: first, Last: p.next - 1, Timeout: timeout}, &arrival)
	}()
	err := p.server.ask(fanoutRequest{Do: "publish", First: first, Count: events, Size: p.size}, &published)
	return published, arrival, cmp.Or(err, <-arrived)
}

// delivered is like publish, but returns an error unless all clients got all events.
func (p *fanoutPair) delivered(events int) (fanoutLap, error) {
	published, arrival, err := p.publish(events, atMost)
	if err != nil {
		return fanoutLap{}, err
	}
	if arrival.Lacking+arrival.Lost+arrival.Twice+arrival.Ended > 0 {
		return fanoutLap{}, fmt.Errorf("%d clients lack the last event, %d events were lost, %d came twice, %d clients were cut",
			arrival.Lacking, arrival.Lost, arrival.Twice, arrival.Ended)
	}
	last := len(published.At) - 1
	l := fanoutLap{whole: time.Duration(arrival.Last[last] - published.At[0]).Seconds()}
	for i, at := range published.At {
		l.last = append(l.last, time.Duration(arrival.Last[i]-at).Seconds())
		l.half = append(l.half, time.Duration(arrival.Half[i]-at).Seconds())
		l.publish = append(l.publish, published.Took[i].Seconds())
	}
	return l, nil
}

// lap publishes a number of events at once, several times, each time when all clients
// have all that was published before.
func (p *fanoutPair) lap(times, events int) (fanoutLap, error) {
	before, err := p.state(false)
	if err != nil {
		return fanoutLap{}, err
	}
	var all fanoutLap
	for range times {
		l, err := p.delivered(events)
		if err != nil {
			return fanoutLap{}, err
		}
		all.last = append(all.last, l.last...)
		all.half = append(all.half, l.half...)
		all.publish = append(all.publish, l.publish...)
		all.whole = l.whole
	}
	after, err := p.state(false)
	if err != nil {
		return fanoutLap{}, err
	}
	count := float64(times * events)
	all.cpu = (after.CPU - before.CPU).Seconds() / count / float64(p.reading)
	all.mallocs = float64(after.Mallocs-before.Mallocs) / count / float64(p.reading)
	return all, nil
}
