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

// An audience is clients that follow the demo's board, each by an event stream
// of its own.
type audience struct {
	followers []*follower
	cancel    context.CancelFunc
	following sync.WaitGroup
}

// followBoard opens so many streams. The clients leave in the end, or if one of
// them does not get what it should at first.
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
				err = nil // it was told to leave
			}
			faults.add(fmt.Sprintf("stream %d", i), err)
		})
	}
	return a, nil
}

// leave ends all streams.
func (a *audience) leave() {
	a.cancel()
	a.following.Wait()
}

// lacks says what has not arrived yet of so many events.
func (a *audience) lacks(events int64) string {
	for i, f := range a.followers {
		if seen := f.seen.count.Load(); seen != events {
			return fmt.Sprintf("stream %d has had %d events of %d; ", i, seen, events)
		}
	}
	return ""
}

// A follower reads one stream.
type follower struct {
	body  io.ReadCloser
	lines *bufio.Reader
	seen  sequence
}

// An event is what a stream consists of.
type event struct{ id, name, data string }

// follow opens a stream and reads its first event, which is the whole board.
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
		err = fmt.Errorf("event stream begins with %+v", first)
	}
	if err == nil {
		err = f.seen.begin(first.id)
	}
	if err != nil {
		return nil, errors.Join(err, f.body.Close())
	}
	return f, nil
}

// read reads the events until the stream ends, and returns why it did, or what
// is wrong with an event. The board does not come again unless the server has
// forgotten some.
func (f *follower) read() error {
	defer f.body.Close()
	for {
		e, err := f.next()
		if err != nil {
			return err
		}
		if e.name != "saved" && e.name != "deleted" || e.data == "" {
			return fmt.Errorf("event %+v", e)
		}
		if err := f.seen.next(e.id); err != nil {
			return err
		}
	}
}

// next reads an event. It knows what the demo sends: no field without a value,
// data of one line, and comments and the time to reconnect on their own.
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
