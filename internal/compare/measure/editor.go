package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"time"
)

// editEvery is the interval between the changes of an editor. That makes 25
// changes in 10 seconds; the demo allows 30 per address.
const editEvery = 400 * time.Millisecond

// An editor repeatedly adds a task to the demo's board, edits it, and deletes
// it.
type editor struct {
	name   string
	client *nethttp.Client
	url    string
	task   string // URL of the task that it has added
	made   atomic.Int64
}

// newEditors returns editors at different loopback addresses, because the demo
// limits the requests of each address.
func newEditors(url string) []*editor {
	var editors []*editor
	for _, address := range []string{"127.0.0.2", "127.0.0.3"} {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		editors = append(editors, &editor{
			name:   "editor at " + address,
			client: &nethttp.Client{Transport: &nethttp.Transport{DialContext: dialer.DialContext}, Timeout: patience},
			url:    url,
		})
	}
	return editors
}

// changes returns the total number of changes that the editors have made.
func changes(editors []*editor) (n int64) {
	for _, e := range editors {
		n += e.made.Load()
	}
	return n
}

// edit makes changes until ctx is done. It completes a change that is in
// progress.
func (e *editor) edit(ctx context.Context) error {
	defer e.client.CloseIdleConnections()
	next := time.NewTicker(editEvery)
	defer next.Stop()
	for {
		for _, change := range []func() error{e.add, e.finish, e.remove} {
			select {
			case <-ctx.Done():
				return nil
			case <-next.C:
			}
			if err := change(); err != nil {
				return err
			}
			e.made.Add(1)
		}
	}
}

// add adds a task to the board.
func (e *editor) add() error {
	body, err := e.do(nethttp.MethodPost, e.url+"/api/tasks", `{"title":"Soak","description":"`+strings.Repeat("wet ", 50)+`"}`, nethttp.StatusCreated)
	if err != nil {
		return err
	}
	var task struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(body, &task); err != nil {
		return err
	}
	e.task = fmt.Sprintf("%s/api/tasks/%d", e.url, task.ID)
	return nil
}

// finish marks the task as done.
func (e *editor) finish() error {
	_, err := e.do(nethttp.MethodPatch, e.task, `{"status":"done","version":1}`, nethttp.StatusOK)
	return err
}

// remove deletes the task.
func (e *editor) remove() error {
	_, err := e.do(nethttp.MethodDelete, e.task, "", nethttp.StatusNoContent)
	return err
}

// do sends a request and returns the response's body. It returns an error if
// the response has another status than given.
func (e *editor) do(method, url, body string, status int) ([]byte, error) {
	request, err := nethttp.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != status {
		return nil, fmt.Errorf("%s %s: status %s: %s", method, url, response.Status, answer)
	}
	return answer, nil
}
