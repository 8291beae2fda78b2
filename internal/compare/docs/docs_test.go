// Package docs runs the examples of other packages in the documents, so that
// nobody is shown code of theirs that does not work.
package docs

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Their code is labelled with the name of the package.
func TestEveryExampleOfAnotherPackageIsRun(t *testing.T) {
	t.Parallel()
	blocks, err := snippet.ReadDocuments("../../..")
	if err != nil {
		t.Fatal(err)
	}
	regions, err := snippet.ReadRegions(".")
	if err != nil {
		t.Fatal(err)
	}
	labelled := slices.DeleteFunc(blocks, func(b snippet.Block) bool { return b.Label == "" })
	if len(labelled) == 0 {
		t.Fatal("no examples were found")
	}
	for _, problem := range snippet.Compare(labelled, regions) {
		t.Error(problem)
	}
}

// freeAddress returns an address that was free a moment ago. The examples
// choose a port themselves and have no way to stop, so each runs until the
// tests end.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// A request and what a program must answer.
type request struct {
	line   string // method and path
	body   string
	header string // "Name: value", or ""
	status int
	want   string // the body, without white space around it; "..." is any
}

// converse waits until a program serves at the address, and sends requests.
func converse(t *testing.T, address string, requests ...request) {
	t.Helper()
	for start := time.Now(); ; {
		conn, err := net.DialTimeout("tcp", address, testkit.Patience)
		if err == nil {
			conn.Close()
			break
		}
		if time.Since(start) > testkit.Patience {
			t.Fatal(err)
		}
	}
	client := &http.Client{Timeout: testkit.Patience}
	for _, r := range requests {
		method, path, _ := strings.Cut(r.line, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if name, value, ok := strings.Cut(r.header, ": "); ok {
			req.Header.Set(name, value)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		got := strings.TrimSpace(string(body))
		if err != nil || res.StatusCode != r.status || got != r.want && r.want != "..." {
			t.Errorf("%s: got %d %s, %v, want %d %s", r.line, res.StatusCode, got, err, r.status, r.want)
		}
	}
}

// requireAdmin stands for an application's own middleware.
func requireAdmin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAdmin(r) {
			http.Error(w, "admin required", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAdmin reports whether a request may see the statistics.
func isAdmin(r *http.Request) bool { return r.Header.Get("Authorization") == "admin" }

// stats stands for an application's own handler.
func stats(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "stats") }

// guarded are the requests that programs with a guarded route must answer.
var guarded = []request{
	{line: "GET /admin/stats", status: 401, want: "..."},
	{line: "GET /admin/stats", header: "Authorization: admin", status: 200, want: "stats"},
}
