package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
	"time"
)

// An audience is a group of clients, each of which follows the demo's board
// over an event stream.
type audience struct {
	followers []*follower
	cancel    context.CancelFunc
	following sync.WaitGroup
}

// followBoard opens the given number of streams. If a client does not receive
// the board first, followBoard closes all streams and returns an error.
func followBoard(url string, clients int, faults *faults) (*audience, error) {
	ctx, cancel := context.WithCancel(context.Background())
	a := &audience{cancel: cancel}
	defer time.AfterFunc(patience, cancel).Stop()
	client := &nethttp.Client{Transport: &nethttp.Transport{}}
	for i := range clients {
		f, err := follow(ctx, client, url+"/api/tasks/events")
		if err != nil {
			a.leave()
			return nil, err
		}
		a.followers = append(a.followers, f)
		a.following.Go(func() {
			err := f.read()
			if ctx.Err() != nil {
				err = nil // leave has canceled the context
			}
			faults.add(fmt.Sprintf("stream %d", i), err)
		})
	}
	return a, nil
}

// leave closes all streams.
func (a *audience) leave() {
	a.cancel()
	a.following.Wait()
}

// lacks describes which of the given number of events have not arrived yet. It
// returns "" if all have.
func (a *audience) lacks(events int64) string {
	for i, f := range a.followers {
		if seen := f.seen.count.Load(); seen != events {
			return fmt.Sprintf("stream %d has received %d of %d events; ", i, seen, events)
		}
	}
	return ""
}

// A follower reads one event stream.
type follower struct {
	body  io.ReadCloser
	lines *bufio.Reader
	seen  sequence
}

// An event is one event of a stream.
type event struct{ id, name, data string }

// follow opens a stream and reads its first event, which contains the whole
// board.
func follow(ctx context.Context, client *nethttp.Client, url string) (*follower, error) {
	request, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	f := &follower{body: response.Body, lines: bufio.NewReader(response.Body)}
	if response.StatusCode != nethttp.StatusOK {
		return nil, errors.Join(fmt.Errorf("event stream: status %s", response.Status), f.body.Close())
	}
	first, err := f.next()
	if err == nil && first.name != "board" {
		err = fmt.Errorf("first event is %+v, want the board", first)
	}
	if err == nil {
		err = f.seen.begin(first.id)
	}
	if err != nil {
		return nil, errors.Join(err, f.body.Close())
	}
	return f, nil
}

// read reads events until the stream ends or an event is invalid, and returns
// the reason. The server sends the whole board again only if it no longer has
// some events.
func (f *follower) read() error {
	defer f.body.Close()
	for {
		e, err := f.next()
		if err != nil {
			return err
		}
		if e.name != "saved" && e.name != "deleted" || e.data == "" {
			return fmt.Errorf("unexpected event %+v", e)
		}
		if err := f.seen.next(e.id); err != nil {
			return err
		}
	}
}

// next reads an event. It parses only what the demo sends: every field has a
// value, data is a single line, and comments and reconnection times are not
// part of an event.
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
			if e != (event{}) {
				return e, nil
			}
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data += value
		}
	}
}
