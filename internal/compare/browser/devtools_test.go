package browser_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A browser is a Chromium that a test controls through its DevTools protocol.
type browser struct {
	t    *testing.T
	conn *http.Conn

	mu    sync.Mutex
	last  int64                  // id of the last call
	calls map[int64]chan message // replies that calls wait for
	tabs  map[string]*tab        // by session
}

// A message is a message of the DevTools protocol from the browser: the reply to a
// call, or an event.
type message struct {
	ID      int64           `json:"id"`
	Session string          `json:"sessionId"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

type object = map[string]any

// devtools is what Chromium prints when it can be controlled.
var devtools = regexp.MustCompile(`DevTools listening on (ws://\S+)`)

// newBrowser starts a browser, which runs until the test ends.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	printed := startBrowser(t, tools.Require(t, "chromium"), "about:blank")
	address := printed.find(t, devtools)
	conn, _, err := http.Dial(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetMaxMessageSize(1 << 30)
	b := &browser{t: t, conn: conn, calls: make(map[int64]chan message), tabs: make(map[string]*tab)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.read()
	}()
	t.Cleanup(func() {
		_ = conn.CloseNow() // the browser is killed next
		<-done
	})
	return b
}

// read passes the browser's messages on until the connection ends.
func (b *browser) read() {
	for {
		var m message
		if err := b.conn.ReadJSON(&m); err != nil {
			return
		}
		b.mu.Lock()
		reply, called := b.calls[m.ID]
		delete(b.calls, m.ID)
		tab := b.tabs[m.Session]
		b.mu.Unlock()
		switch {
		case called:
			reply <- m
		case tab != nil:
			tab.event(m)
		}
	}
}

// begin sends a call and returns the channel for the reply.
func (b *browser) begin(session, method string, params any) <-chan message {
	b.t.Helper()
	reply := make(chan message, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.calls[id] = reply
	b.mu.Unlock()
	call := object{"id": id, "method": method}
	if session != "" {
		call["sessionId"] = session
	}
	if params != nil {
		call["params"] = params
	}
	if err := b.conn.WriteJSON(call); err != nil {
		b.t.Fatal(err)
	}
	return reply
}

// call sends a call, waits for the reply, and decodes the result.
func (b *browser) call(session, method string, params, result any) {
	b.t.Helper()
	reply := testkit.Receive(b.t, b.begin(session, method, params), "reply to "+method)
	if reply.Error != nil {
		b.t.Fatalf("%s: %s", method, reply.Error)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(reply.Result, result); err != nil {
		b.t.Fatal(err)
	}
}

// A tab is a tab of a browser. Its pages report what happens to them.
type tab struct {
	b               *browser
	target, session string
	requests        chan string   // URLs of the requests that the browser has begun
	loaded          chan struct{} // the load event of a page
	reports         chan string   // events that pages have got
	states          chan string   // states of pages and their connections, and statuses of responses
}

// open opens an empty tab in the foreground, so that all others are hidden.
func (b *browser) open() *tab {
	b.t.Helper()
	return b.newTab(false)
}

// newTab opens an empty tab, in the foreground or hidden.
func (b *browser) newTab(hidden bool) *tab {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("", "Target.createTarget", object{"url": "about:blank", "background": hidden}, &target)
	var session struct{ SessionID string }
	b.call("", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &session)
	t := &tab{
		b: b, target: target.TargetID, session: session.SessionID,
		requests: make(chan string, 1000), loaded: make(chan struct{}, 100), reports: make(chan string, 10_000), states: make(chan string, 10_000),
	}
	b.mu.Lock()
	b.tabs[t.session] = t
	b.mu.Unlock()
	for _, method := range []string{"Page.enable", "Runtime.enable", "Network.enable"} {
		t.call(method, nil, nil)
	}
	t.call("Runtime.addBinding", object{"name": "report"}, nil)
	return t
}

func (t *tab) call(method string, params, result any) {
	t.b.t.Helper()
	t.b.call(t.session, method, params, result)
}

// event notes an event of the protocol.
func (t *tab) event(m message) {
	var params struct {
		Payload  string
		Request  struct{ URL string }
		Response struct {
			URL    string
			Status int
		}
	}
	if err := json.Unmarshal(m.Params, &params); err != nil {
		return // it is none of these
	}
	switch m.Method {
	case "Runtime.bindingCalled":
		if state, ok := strings.CutPrefix(params.Payload, "#"); ok {
			t.states <- state
		} else {
			t.reports <- params.Payload
		}
	case "Network.requestWillBeSent":
		t.requests <- params.Request.URL
	case "Network.responseReceived":
		t.states <- strconv.Itoa(params.Response.Status)
	case "Page.loadEventFired":
		t.loaded <- struct{}{}
	}
}

// visit loads a page and waits until it is complete.
func (t *tab) visit(url string) {
	t.b.t.Helper()
	t.call("Page.navigate", object{"url": url}, nil)
	testkit.Receive(t.b.t, t.loaded, "load event of "+url)
}

// acceptCertificates makes the tab accept the certificates of tests.
func (t *tab) acceptCertificates() {
	t.b.t.Helper()
	t.call("Security.setIgnoreCertificateErrors", object{"ignore": true}, nil)
}

// eval returns the value of an expression in the page. It waits for a promise.
func (t *tab) eval(expression string) any {
	t.b.t.Helper()
	var result struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	t.call("Runtime.evaluate", object{"expression": expression, "awaitPromise": true, "returnByValue": true}, &result)
	if result.ExceptionDetails != nil {
		t.b.t.Fatalf("%s: %s", expression, result.ExceptionDetails)
	}
	return result.Result.Value
}

// show makes the tab visible and hides the one that was.
func (t *tab) show() {
	t.b.t.Helper()
	t.call("Page.bringToFront", nil, nil)
}

// close closes the tab.
func (t *tab) close() {
	t.b.t.Helper()
	t.b.call("", "Target.closeTarget", object{"targetId": t.target}, nil)
}

// want waits for the reports of the page, which must be these.
func (t *tab) want(reports ...string) {
	t.b.t.Helper()
	for _, want := range reports {
		if got := testkit.Receive(t.b.t, t.reports, want); got != want {
			t.b.t.Fatalf("the page reports %q, want %q", got, want)
		}
	}
}

// wantWithID waits for a report, which must be this one and an id. It returns the id.
func (t *tab) wantWithID(report string) string {
	t.b.t.Helper()
	got := testkit.Receive(t.b.t, t.reports, report)
	event, id, ok := strings.Cut(got, report+" ")
	if !ok || event != "" || id == "" || strings.Contains(id, " ") {
		t.b.t.Fatalf("the page reports %q, want %q and an id", got, report)
	}
	return id
}

// await waits until the page's connection is in a state.
func (t *tab) await(state string) {
	t.b.t.Helper()
	late := time.After(testkit.Patience) // the states may change all the time
	for {
		select {
		case got := <-t.states:
			if got == state {
				return
			}
		case <-late:
			t.b.t.Fatalf("timed out waiting for the state %q", state)
		}
	}
}

// startBrowser opens url in a new browser, which runs until the test ends. It
// returns what the browser prints.
func startBrowser(t *testing.T, chromium, url string) *printed {
	t.Helper()
	cmd := exec.Command(chromium,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--no-proxy-server", "--disable-extensions", "--disable-sync", "--disable-background-networking",
		"--disable-component-update", "--disable-default-apps", "--metrics-recording-only",
		"--remote-debugging-port=0", "--user-data-dir="+tools.Profile(t), url)
	output := &printed{more: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = 5 * time.Second                       // its child processes may keep its output open
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its child processes can be killed too
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Errorf("the browser has ended early: %v\n%s", err, output)
		}
		_ = cmd.Wait() // reports only that it was killed
	})
	return output
}

// A printed keeps the last part of a browser's output.
type printed struct {
	testkit.Log
	more chan struct{} // there is more output
}

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
	defer func() {
		select {
		case p.more <- struct{}{}:
		default:
		}
	}()
	return p.Log.Write(b)
}

// find waits until the pattern matches the output, and returns its group.
func (p *printed) find(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	for {
		if found := pattern.FindStringSubmatch(p.String()); found != nil {
			return found[1]
		}
		testkit.Receive(t, p.more, fmt.Sprintf("%v in the browser's output", pattern))
	}
}
