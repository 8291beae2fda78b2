package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// editEvery is the interval between the changes of an editor. That makes 25
// changes in 10 seconds; the demo allows 30 per address.
const editEvery = 400 * time.Millisecond

// An editor repeatedly adds a task to the board, edits it, and deletes it.
type editor struct {
	name   string
	client *nethttp.Client
	url    string
	id     int64 // of the task that it has added

	mu     sync.Mutex
	made   []string // changes that the demo has acknowledged
	failed int64    // changes during the outage
}

// newEditors returns an editor for each instance. They are at different loopback
// addresses, because the demo limits the requests of each address.
func newEditors(instances []*instance) []*editor {
	var editors []*editor
	for i, instance := range instances {
		address := fmt.Sprintf("127.0.0.%d", i+2)
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		editors = append(editors, &editor{
			name:   "editor at " + address,
			client: &nethttp.Client{Transport: &nethttp.Transport{DialContext: dialer.DialContext}, Timeout: patience},
			url:    instance.url + "/api/tasks",
		})
	}
	return editors
}

// changes returns the changes that the demo has acknowledged to the editors, and the
// number of those that failed during the outage.
func changes(editors []*editor) (made []string, failed int64) {
	for _, e := range editors {
		e.mu.Lock()
		made = append(made, slices.Clone(e.made)...)
		failed += e.failed
		e.mu.Unlock()
	}
	return made, failed
}

// edit makes changes until ctx is done. It completes a change that is in progress. After a
// failure during an outage, it begins with a new task, because it does not know whether
// the change was made.
func (e *editor) edit(ctx context.Context, outage *outage) error {
	defer e.client.CloseIdleConnections()
	next := time.NewTicker(editEvery)
	defer next.Stop()
	steps := []func() (string, error){e.add, e.finish, e.remove}
	for step := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		mayFail := outage.mayFail()
		change, err := steps[step]()
		switch {
		case err == nil:
			e.note(change)
			step = (step + 1) % len(steps)
		case mayFail || outage.mayFail():
			e.note("")
			step = 0
		default:
			return err
		}
	}
}

// note notes a change that the demo has acknowledged, or a failure if the change is "".
func (e *editor) note(change string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if change == "" {
		e.failed++
		return
	}
	e.made = append(e.made, change)
}

// add adds a task to the board.
func (e *editor) add() (string, error) {
	body, err := e.do(nethttp.MethodPost, e.url, `{"title":"Soak","description":"`+strings.Repeat("wet ", 50)+`"}`, nethttp.StatusCreated)
	if err != nil {
		return "", err
	}
	var task struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(body, &task); err != nil {
		return "", err
	}
	e.id = task.ID
	return savedChange(e.id, 1), nil
}

// finish marks the task as done.
func (e *editor) finish() (string, error) {
	_, err := e.do(nethttp.MethodPatch, e.task(), `{"status":"done","version":1}`, nethttp.StatusOK)
	return savedChange(e.id, 2), err
}

// remove deletes the task.
func (e *editor) remove() (string, error) {
	_, err := e.do(nethttp.MethodDelete, e.task(), "", nethttp.StatusNoContent)
	return deletedChange(e.id), err
}

// task returns the URL of the task.
func (e *editor) task() string { return fmt.Sprintf("%s/%d", e.url, e.id) }

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
