package docs

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestNotes builds the program at the beginning of the README, adds a note, and follows the
// feed as the page does. Only the port is different.
func TestNotes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("processes cannot be sent signals")
	}
	dir := makeModule(t)
	page := block(t, "README.md", "<!doctype html>")
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	for {
		address := testkit.FreeAddress(t)
		build(t, dir, strings.ReplaceAll(block(t, "README.md", "// Command notes"), "127.0.0.1:8080", address))
		if p := startProgram(t, dir, address); p != nil {
			useNotes(t, "http://"+address, page)
			p.stopAfterLogging(t)
			return
		}
	}
}

// useNotes does what the page of the notes does.
func useNotes(t *testing.T, url, page string) {
	t.Helper()
	client := &http.Client{Timeout: testkit.Patience}
	defer client.CloseIdleConnections()
	testkit.Get(t, client, url+"/").Want(t, 200, page)
	post := func(body string) *testkit.Response {
		return testkit.Do(t, client, testkit.NewRequest("POST", url+"/api/notes", body))
	}
	post(`{"text":1}`).Want(t, 400, `{"error":"field \"text\" has a number where a string is expected (before offset 9)"}`)
	post(`{"text":"milk"}`).Want(t, 204, "")
	res, err := client.Get(url + "/api/notes")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if lines.Text() == `data: {"text":"milk"}` {
			return
		}
	}
	t.Error("the stream ended without the note")
}

// stopAfterLogging sends SIGTERM to the program, which must exit with status 0 and must have
// printed only the lines of requests.
func (p *program) stopAfterLogging(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err != nil {
		t.Errorf("the program ended with %v", err)
	}
	for line := range strings.Lines(p.output.String()) {
		if !strings.Contains(line, "http request") {
			t.Errorf("the program printed %s", line)
		}
	}
}
