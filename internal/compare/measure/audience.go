package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// An audience is a group of clients, each of which follows the board of an instance of the
// demo over an event stream.
type audience struct {
	followers []*follower
	cancel    context.CancelFunc
	following sync.WaitGroup
}

// followBoard opens the given number of streams, spread over the instances. If a client
// does not receive the board first, followBoard closes all streams and returns an error.
func (s *soak) followBoard(clients int) (*audience, error) {
	ctx, cancel := context.WithCancel(context.Background())
	a := &audience{cancel: cancel}
	client := &nethttp.Client{Transport: &nethttp.Transport{}}
	for i := range clients {
		f := &follower{client: client, url: s.instances[i%len(s.instances)].url + "/api/tasks/events"}
		if i == 0 {
			f.seen.times = make(map[string]int)
		}
		err := f.open(ctx)
		if err != nil {
			a.leave()
			return nil, err
		}
		a.followers = append(a.followers, f)
		a.following.Go(func() {
			s.faults.add(fmt.Sprintf("stream %d", i), f.follow(ctx, &s.outage))
		})
	}
	return a, nil
}

// leave closes all streams.
func (a *audience) leave() {
	a.cancel()
	a.following.Wait()
}

// lacks describes what is missing until all followers have received the same events,
// among them the given changes. It returns "" if nothing is.
func (a *audience) lacks(changes []string) string {
	first := &a.followers[0].seen
	for _, change := range changes {
		if first.timesOf(change) == 0 {
			return fmt.Sprintf("stream 0 has not received %q; ", change)
		}
	}
	for i, f := range a.followers {
		if got, want := f.seen.now(), first.now(); got != want {
			return fmt.Sprintf("stream %d has received %+v, and stream 0 %+v; ", i, got, want)
		}
	}
	return ""
}

// reopened returns how often streams were opened again.
func (a *audience) reopened() (n int64) {
	for _, f := range a.followers {
		n += f.reopened.Load()
	}
	return n
}

// A follower reads one event stream, and opens it again if it ends during an outage.
type follower struct {
	client   *nethttp.Client
	url      string
	body     io.ReadCloser
	lines    *bufio.Reader
	lastID   string
	seen     history // of changes
	reopened atomic.Int64
}

// An event is one event of a stream.
type event struct{ id, name, data string }

// open opens the stream, after the last event if there is one. The first event of a new
// stream is the whole board.
func (f *follower) open(ctx context.Context) error {
	request, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, f.url, nil)
	if err != nil {
		return err
	}
	if f.lastID != "" {
		request.Header.Set("Last-Event-ID", f.lastID)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return err
	}
	f.body, f.lines = response.Body, bufio.NewReader(response.Body)
	if response.StatusCode == nethttp.StatusOK && f.lastID != "" {
		return nil
	}
	if response.StatusCode != nethttp.StatusOK {
		err = fmt.Errorf("event stream: status %s", response.Status)
	} else if first, failure := f.next(); failure != nil || first.name != "board" {
		err = fmt.Errorf("first event is %+v, want the board: %w", first, failure)
	}
	if err != nil {
		_ = f.body.Close() // there is an error already
	}
	return err
}

// follow reads events until ctx is done. If the stream ends or is not accepted, follow
// returns the reason, except during an outage.
func (f *follower) follow(ctx context.Context, outage *outage) error {
	err := outage.persist(ctx, f.open, f.read, &f.reopened)
	if ctx.Err() != nil {
		return nil // leave has canceled the context
	}
	return err
}

// read reads events until the stream ends or an event is invalid, and returns the reason.
// The server sends the whole board again only if it no longer has some events.
func (f *follower) read() error {
	defer f.body.Close()
	for {
		e, err := f.next()
		if err != nil {
			return err
		}
		what, err := e.change()
		if err != nil {
			return err
		}
		if !f.seen.add(what) {
			return fmt.Errorf("received %q again", what)
		}
	}
}

// next reads an event. It parses only what the demo sends: every field has a value, data
// is a single line, and comments and reconnection times are not part of an event.
func (f *follower) next() (event, error) {
	var e event
	for {
		line, err := f.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "":
			if e.name != "" {
				return e, nil
			}
		case "id":
			e.id = value
			f.lastID = cmp.Or(value, f.lastID)
		case "event":
			e.name = value
		case "data":
			e.data += value
		}
	}
}

// change returns what an event of the board says, in the words of savedChange and
// deletedChange.
func (e event) change() (string, error) {
	switch e.name {
	case "saved":
		var task struct{ ID, Version int64 }
		err := json.Unmarshal([]byte(e.data), &task)
		return savedChange(task.ID, task.Version), err
	case "deleted":
		var ids []int64
		if err := json.Unmarshal([]byte(e.data), &ids); err != nil {
			return "", err
		}
		if len(ids) != 1 {
			break
		}
		return deletedChange(ids[0]), nil
	}
	return "", fmt.Errorf("unexpected event %+v", e)
}

func savedChange(id, version int64) string {
	return fmt.Sprintf("task %d saved as version %d", id, version)
}

func deletedChange(id int64) string { return fmt.Sprintf("task %d deleted", id) }
