package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// timestamp matches a time in a response of the API.
var timestamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// These tests run the program as a process, as a user does.
func TestProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("processes cannot be sent signals")
	}
	program := filepath.Join(t.TempDir(), "demo")
	testkit.Run(t, "", "go", "build", "-o", program, ".")
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String()+" lets a slow request finish", func(t *testing.T) {
			t.Parallel()
			testGracefulStop(t, program, signal)
		})
	}
	t.Run("a delay lets load balancers notice", func(t *testing.T) {
		t.Parallel()
		testDrainDelay(t, program)
	})
	t.Run("a taken port is a clear error", func(t *testing.T) {
		t.Parallel()
		testTakenPort(t, program)
	})
}

// testGracefulStop sends the signal while a request is being sent.
func testGracefulStop(t *testing.T, program string, signal os.Signal) {
	p := start(t, program, "-addr", "127.0.0.1:0")
	body := `{"title":"Outlive the server","status":"done"}`
	request := openRequest(t, p.addr, "/api/tasks", len(body))
	request.send(body[:10])

	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	waitUntilRefused(t, p.addr)
	for _, b := range []byte(body[10:]) {
		request.send(string(b))
	}

	res, answer := request.response()
	want := `{"id":6,"title":"Outlive the server","description":"","status":"done","version":1,"created_at":"T","updated_at":"T"}`
	if got := strings.TrimSpace(timestamp.ReplaceAllString(answer, "T")); res.StatusCode != 201 || got != want {
		t.Errorf("got %d %s\nwant 201 %s", res.StatusCode, got, want)
	}
	if location := res.Header.Get("Location"); location != "/api/tasks/6" {
		t.Errorf("Location %q", location)
	}
	stdout, stderr, status := p.wait()
	if status != 0 || !strings.HasSuffix(stdout, "\nStopped.\n") || stderr != "" {
		t.Errorf("exit status %d\nstdout: %s\nstderr: %s", status, stdout, stderr)
	}
}

// testDrainDelay sends the signal to a program with a long delay. Both servers are then not
// ready, but still serve. A second signal ends the program.
func testDrainDelay(t *testing.T, program string) {
	p := start(t, program, "-addr", "127.0.0.1:0", "-drain-delay", "1h")
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`^Metrics at http://(\S+)/metrics, readiness at http://\S+/ready\n$`).FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("no address in the second line %q", line)
	}
	get := func(addr, path string) *testkit.Response {
		return testkit.Do(t, http.DefaultClient, testkit.NewRequest("GET", "http://"+addr+path, ""))
	}
	addrs := []string{p.addr, match[1]}
	for _, addr := range addrs {
		get(addr, "/ready").Want(t, 200, `{"status":"ready"}`)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		deadline := time.Now().Add(testkit.Patience)
		for get(addr, "/ready").StatusCode == 200 && time.Now().Before(deadline) {
			runtime.Gosched()
		}
		get(addr, "/ready").Want(t, 503, `{"error":"server is stopping"}`)
	}
	if res := get(p.addr, "/api/tasks/1"); res.StatusCode != 200 || !res.Close {
		t.Errorf("during the delay: %d, connection closed: %t", res.StatusCode, res.Close)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := p.wait(); status != -1 || stderr != "" {
		t.Errorf("exit status %d, want a death by the second signal\nstderr: %s", status, stderr)
	}
}

// testTakenPort starts the program at an address that is in use.
func testTakenPort(t *testing.T, program string) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // the test is over
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "-addr", taken.Addr().String())
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v, want exit status 1", err)
	}
	want := fmt.Sprintf("demo: listen tcp %s: bind: address already in use\n"+
		"Choose another address, for example -addr 127.0.0.1:0 for any free port\n", taken.Addr())
	if stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("stderr: %s\nwant:   %s\nstdout: %s", &stderr, want, &stdout)
	}
}

// A process is a running program.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

// start runs the program and waits until it has printed its address. The program
// is killed when the test ends, or after [testkit.Patience].
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	p := &process{t: t, cmd: exec.CommandContext(ctx, program, args...), stderr: new(bytes.Buffer)}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("no first line: %v\nstderr: %s", err, p.stderr)
	}
	match := regexp.MustCompile(`^Task board at http://(\S+) \(Ctrl-C stops it\)\n$`).FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("no address in the first line %q", line)
	}
	p.addr = match[1]
	return p
}

// wait waits for the process to exit. It returns the output after the first line,
// and the exit status, which is -1 if a signal killed the process.
func (p *process) wait() (stdout, stderr string, status int) {
	p.t.Helper()
	rest, err := io.ReadAll(p.stdout)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Log(err)
	}
	return string(rest), p.stderr.String(), p.cmd.ProcessState.ExitCode()
}

// A slowRequest is a POST request whose body is sent in pieces.
type slowRequest struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

// openRequest sends the header of a request, and returns when the handler waits
// for the body. net/http sends "100 Continue" when the handler starts to read.
func openRequest(t *testing.T, addr, path string, length int) *slowRequest {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the test is over
	if err := conn.SetDeadline(time.Now().Add(testkit.Patience)); err != nil {
		t.Fatal(err)
	}
	s := &slowRequest{t, conn, bufio.NewReader(conn)}
	s.send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", path, addr, length))
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := s.reader.ReadString('\n'); err != nil || line != want {
			t.Fatalf("line %q, error %v, want %q", line, err, want)
		}
	}
	return s
}

// send sends a piece of the request.
func (s *slowRequest) send(piece string) {
	s.t.Helper()
	if _, err := io.WriteString(s.conn, piece); err != nil {
		s.t.Fatal(err)
	}
}

// response returns the response, and checks that the server closes the connection
// after it.
func (s *slowRequest) response() (res *http.Response, body string) {
	s.t.Helper()
	res, err := http.ReadResponse(s.reader, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if more, err := io.ReadAll(s.reader); err != nil || len(more) > 0 {
		s.t.Errorf("after the response: %q, error %v, want the end", more, err)
	}
	return res, string(read)
}

// waitUntilRefused dials addr until connections are refused.
func waitUntilRefused(t *testing.T, addr string) {
	t.Helper()
	deadline := time.After(testkit.Patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			_ = conn.Close() // accepted before the server closed its listener
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("the server still accepts connections")
		}
	}
}
