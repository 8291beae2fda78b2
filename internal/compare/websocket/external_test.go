package websocket_test

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
)

//go:embed testdata/page.html
var pageHTML []byte

//go:embed testdata/node/scenarios.mjs
var scenariosJS []byte

// An outcome is the report of a scenario from an end in another process.
type outcome struct {
	Name   string
	Result string // "" for success
}

// unsupportedResult is the result of a scenario that the peer does not support.
const unsupportedResult = "unsupported"

// playNodeClient plays the scenarios with Node's ws as the client.
func playNodeClient(t *testing.T, r *row, srv *server) {
	node := requireNode(t)
	args := append([]string{"testdata/node/client.mjs", "ws://" + srv.addr + "/"}, names()...)
	playProgram(t, r, srv, exec.Command(node, args...))
}

// playPythonClient plays the scenarios with Debian's package of Python's
// websockets as the client.
func playPythonClient(t *testing.T, r *row, srv *server) {
	python := tools.Require(t, "/usr/bin/python3")
	if output, err := exec.Command(python, "-c", "import websockets").CombinedOutput(); err != nil {
		missing(t, "Python's websockets: %v\n%s", err, output)
	}
	args := append([]string{"testdata/client.py", "ws://" + srv.addr + "/"}, names()...)
	playProgram(t, r, srv, exec.Command(python, args...))
}

// playProgram plays the scenarios with a client program that prints each
// outcome.
func playProgram(t *testing.T, r *row, srv *server, cmd *exec.Cmd) {
	t.Helper()
	heard := hear(start(t, cmd))
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			r.hear(t, sc, heard, srv)
		})
	}
}

// hear waits for the outcomes of the client's and the server's half of each
// scenario.
func (r *row) hear(t *testing.T, sc scenario, heard outcomes, srv *server) {
	t.Helper()
	err := heard.await(sc)
	if err != nil && err.Error() == unsupportedResult {
		r.set(sc, unsupported)
		t.Skip("the client cannot do that")
	}
	if err != nil {
		t.Errorf("client: %v", err)
	}
	r.report(t, sc, srv.outcomes)
}

// playNodeServer plays the scenarios with Node's ws as the server.
func playNodeServer(t *testing.T, r *row) {
	cmd := exec.Command(requireNode(t), "testdata/node/server.mjs")
	if _, err := cmd.StdinPipe(); err != nil { // the program ends when it is closed
		t.Fatal(err)
	}
	output := start(t, cmd)
	port, err := output.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	srv := &server{"127.0.0.1:" + strings.TrimSpace(port), hear(output)}
	playGo(t, r, stanzaImplementation, implementation{takeover: true}, srv)
}

// requireNode returns the path of Node. It requires the package ws.
func requireNode(t *testing.T) string {
	t.Helper()
	node := tools.Require(t, "node")
	if _, err := os.Stat(filepath.Join("testdata", "node", "node_modules", "ws")); err != nil {
		missing(t, "%v; run npm ci in testdata/node", err)
	}
	return node
}

// missing skips a test if a tool is missing, or fails it if tools are required,
// as tools.Require does.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("REQUIRE_TOOLS") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func names() (all []string) {
	for _, sc := range scenarios() {
		all = append(all, sc.name)
	}
	return all
}

// start runs a program until the test ends, and returns its output.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	r, w := io.Pipe()
	errors := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = w, errors
	cmd.WaitDelay = 5 * time.Second                       // children may keep its output open
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to kill its children too
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := cmd.Wait()
		_ = w.CloseWithError(io.EOF) // never returns an error
		_ = err                      // most programs are killed, and others print why they fail
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // fails if it has ended
		<-ended
		if t.Failed() && errors.Len() > 0 {
			t.Logf("%s printed:\n%s", filepath.Base(cmd.Path), errors)
		}
	})
	return bufio.NewReader(r)
}

// hear collects outcomes, one per line.
func hear(lines io.Reader) outcomes {
	o := newOutcomes()
	go func() {
		for s := bufio.NewScanner(lines); s.Scan(); {
			o.add(s.Bytes())
		}
	}()
	return o
}

// add records an outcome in JSON. It ignores other lines; the test then misses
// the outcome.
func (o outcomes) add(line []byte) {
	var got outcome
	if json.Unmarshal(line, &got) != nil || o[got.Name] == nil {
		return
	}
	var err error
	if got.Result != "" {
		err = fmt.Errorf("%s", got.Result)
	}
	o[got.Name] <- err
}

// A page plays the scenarios in Chromium.
type page struct {
	*http.Router
	t        *testing.T
	chromium string
	heard    outcomes
}

func newPage(t *testing.T) *page {
	t.Helper()
	p := &page{Router: http.NewRouter(), t: t, chromium: tools.Require(t, "chromium"), heard: newOutcomes()}
	p.HandleFunc("GET /{$}", send("text/html; charset=utf-8", pageHTML))
	p.HandleFunc("GET /scenarios.mjs", send("text/javascript; charset=utf-8", scenariosJS))
	p.HandleFunc("GET /names", func(w http.ResponseWriter, _ *http.Request) {
		http.WriteJSON(w, http.StatusOK, names())
	})
	p.HandleFunc("POST /outcome", func(_ http.ResponseWriter, r *http.Request) {
		line, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p.heard.add(line)
	})
	return p
}

func send(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content) // if it fails, the test misses the outcomes
	}
}

// play opens the page. The last scenario kills the browser.
func (p *page) play(r *row, srv *server) {
	cmd := exec.Command(p.chromium,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--no-proxy-server", "--disable-extensions", "--disable-sync", "--disable-background-networking",
		"--disable-component-update", "--disable-default-apps", "--metrics-recording-only",
		"--user-data-dir="+tools.Profile(p.t), "http://"+srv.addr+"/")
	start(p.t, cmd)
	var dying scenario
	for _, sc := range scenarios() {
		if sc.name == "client-dies" {
			dying = sc
			continue
		}
		p.t.Run(sc.name, func(t *testing.T) { r.hear(t, sc, p.heard, srv) })
	}
	p.t.Run(dying.name, func(t *testing.T) {
		if err := p.heard.await(dying); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.report(t, dying, srv.outcomes)
	})
}
