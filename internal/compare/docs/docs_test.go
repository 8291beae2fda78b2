// Package docs tests the examples of other packages in README.md and docs.
package docs

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Code blocks of other packages are labeled with the name of the package.
func TestEveryExampleOfAnotherPackageIsRun(t *testing.T) {
	t.Parallel()
	snippet.Check(t, "../../..", func(b snippet.Block) bool { return b.Label != "" })
}

// A request contains a request and the expected response.
type request struct {
	line   string // method and path
	body   string
	header string // "Name: value", or ""
	status int
	want   string // the trimmed body; "..." matches any
}

// converse waits until a program serves at the address, sends the requests, and
// checks the responses.
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
	for _, r := range requests {
		method, path, _ := strings.Cut(r.line, " ")
		fields := []string{"Content-Type: application/json"}
		if r.header != "" {
			fields = append(fields, r.header)
		}
		res := testkit.Do(t, http.DefaultClient, testkit.NewRequest(method, "http://"+address+path, r.body, fields...))
		got := strings.TrimSpace(res.Body)
		if res.StatusCode != r.status || got != r.want && r.want != "..." {
			t.Errorf("%s: got %d %s, want %d %s", r.line, res.StatusCode, got, r.status, r.want)
		}
	}
}

// requireAdmin represents an application's middleware.
func requireAdmin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAdmin(r) {
			http.Error(w, "admin required", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAdmin reports whether a request is from an admin.
func isAdmin(r *http.Request) bool { return r.Header.Get("Authorization") == "admin" }

// stats represents an application's handler.
func stats(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "stats") }

// guarded are the requests for programs with an admin route.
var guarded = []request{
	{line: "GET /admin/stats", status: 401, want: "..."},
	{line: "GET /admin/stats", header: "Authorization: admin", status: 200, want: "stats"},
}
