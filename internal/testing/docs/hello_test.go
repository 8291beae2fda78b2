package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestFirstServer follows the README in a new directory: it creates the module,
// builds the program, sends the requests, and compares the responses. Only the
// port is different.
func TestFirstServer(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("processes cannot be sent signals")
	}
	dir := makeModule(t)
	for {
		address := testkit.FreeAddress(t)
		build(t, dir, strings.ReplaceAll(block(t, "README.md", "package main"), "127.0.0.1:8080", address))
		if p := startProgram(t, dir, address); p != nil {
			converse(t, strings.ReplaceAll(block(t, "README.md", "$ go build\n"), "localhost:8080", address))
			p.stop(t)
			return
		}
	}
}

// makeModule creates a module with the documented commands and returns its
// directory. It replaces ../http with the absolute path of the checkout, so
// that packages in the build cache are reused.
func makeModule(t *testing.T) string {
	t.Helper()
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	commands := block(t, "README.md", "go mod init example.com/hello")
	for command := range strings.Lines(strings.Replace(commands, "../http", checkout, 1)) {
		testkit.Run(t, dir, strings.Fields(command)...)
	}
	return dir
}

// build builds a program from source.
func build(t *testing.T, dir, source string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	testkit.Run(t, dir, "go", "build", "-o", "program", ".")
}

// A program is a running process.
type program struct {
	cmd    *exec.Cmd
	output bytes.Buffer // read it only after the program has ended
	ended  chan error
}

// startProgram starts the program and waits until it serves at the address. If
// the address is already in use, startProgram returns nil.
func startProgram(t *testing.T, dir, address string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(filepath.Join(dir, "program")), ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // fails only if it has ended already
	go func() { p.ended <- p.cmd.Wait() }()
	// If another process has taken the port, a connection to it may succeed, and remain
	// without a response, before the program ends.
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if res, err := client.Get("http://" + address); err == nil {
			res.Body.Close()
			return p
		}
		select {
		case err := <-p.ended:
			if strings.Contains(p.output.String(), "address already in use") {
				return nil
			}
			t.Fatalf("the program ended: %v\n%s", err, &p.output)
		default:
			runtime.Gosched()
		}
	}
}

// stop sends SIGTERM to the program, which must exit with status 0 and must not
// have printed anything.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err != nil || p.output.Len() > 0 {
		t.Errorf("the program ended with %v and printed %q", err, &p.output)
	}
}

// converse sends the requests of a transcript, which builds and starts the program
// and then consists of curl commands, each followed by the response's body on the
// next line.
func converse(t *testing.T, transcript string) {
	t.Helper()
	client := &http.Client{Timeout: testkit.Patience}
	defer client.CloseIdleConnections()
	commands := strings.Split(transcript, "$ ")[1:]
	if len(commands) < 3 || commands[0] != "go build\n" || commands[1] != "./hello &\n" {
		t.Fatalf("the transcript is %q", transcript)
	}
	for _, command := range commands[2:] {
		line, want, _ := strings.Cut(command, "\n")
		arguments, ok := strings.CutPrefix(line, "curl ")
		method := http.MethodGet
		if rest, post := strings.CutPrefix(arguments, "-X POST "); post {
			method, arguments = http.MethodPost, rest
		}
		if !ok || strings.Contains(arguments, " ") {
			t.Fatalf("unknown command %q", line)
		}
		got := testkit.Do(t, client, testkit.NewRequest(method, "http://"+arguments, ""))
		if got.Body+"\n" != want {
			t.Errorf("%s: got %q, want %q", line, got.Body, want)
		}
	}
}
