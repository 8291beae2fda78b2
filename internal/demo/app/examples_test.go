package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
)

func TestExamplesAreListed(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	var listing struct {
		Examples []example `json:"examples"`
	}
	answer := a.send(t, "GET", "/api/examples", "")
	if err := json.Unmarshal([]byte(answer.Body), &listing); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	want := examples(a.URL)
	if len(listing.Examples) != len(want) {
		t.Fatalf("%d examples, want %d", len(listing.Examples), len(want))
	}
	for i := range want {
		if listing.Examples[i] != want[i] {
			t.Errorf("example %d: %v, want %v", i, listing.Examples[i], want[i])
		}
	}
}

// Each example does what its text says. The commands run in order, on a board with
// the first tasks.
func TestExamplesRunInAShell(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	a := serve(t, capacity, Stores{})
	if err := seed(t.Context(), a.board); err != nil {
		t.Fatal(err)
	}
	statuses := map[string]string{
		"create a task":      "201",
		"cause a conflict":   "409",
		"delete a task":      "204",
		"send a bad request": "400",
		"revalidate a file":  "304",
	}
	dir := t.TempDir()
	for _, example := range examples(a.URL) {
		if example.Does == "watch the board live" {
			continue // it does not end; see TestStream
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", example.Command+` -s -w '\n%{http_code}'`)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", example.Command, err)
		}
		want := statuses[example.Does]
		if want == "" {
			want = "200"
		}
		if !strings.HasSuffix(string(out), "\n"+want) {
			t.Errorf("%s: want status %s of %s\n%s", example.Does, want, example.Command, out)
		}
	}
}

func TestRoutesAreListed(t *testing.T) {
	t.Parallel()
	application := newApplication(1, Stores{})
	t.Cleanup(application.close)
	router := application.router(slog.New(slog.DiscardHandler))
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	a := app{server, application.tasks, application.metrics}

	var listing struct {
		Routes []http.Route `json:"routes"`
	}
	answer := a.send(t, "GET", "/api/routes", "")
	if err := json.Unmarshal([]byte(answer.Body), &listing); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	routes := router.Routes()
	if len(listing.Routes) != len(routes) {
		t.Fatalf("%d routes in JSON, want %d: %s", len(listing.Routes), len(routes), answer.Body)
	}
	for i, route := range routes {
		if listing.Routes[i] != route {
			t.Errorf("route %d in JSON: %v, want %v", i, listing.Routes[i], route)
		}
	}
}

func TestSeedTellsWhenTheBoardIsTooSmall(t *testing.T) {
	t.Parallel()
	if err := seed(t.Context(), board.New(board.Config{Capacity: 1})); !errors.Is(err, board.ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
}

func TestBaseURLOpensInABrowser(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080",
		"0.0.0.0:80":     "http://localhost:80",
		"[::]:8080":      "http://localhost:8080",
		"[::1]:8080":     "http://[::1]:8080",
		"192.0.2.7:9":    "http://192.0.2.7:9",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := baseURL(tcp); got != want {
			t.Errorf("baseURL(%s) = %s, want %s", addr, got, want)
		}
	}
}
