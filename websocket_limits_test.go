package http_test

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testkit"
)

// allocated returns how many bytes the process allocates while f runs. Tests
// that call it must not run in parallel with others.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// longLists returns values of the given size for a field that is a list and
// has a meaning if it is element.
func longLists(size int, element string) map[string]string {
	return map[string]string{
		"elements":       strings.Repeat(element+",", size/(len(element)+1)),
		"short elements": strings.Repeat("a,", size/2),
		"empty elements": strings.Repeat(",", size),
		"spaces":         strings.Repeat(" ,", size/2),
		"one element":    strings.Repeat("a", size),
		"parameters":     element + strings.Repeat(";a", size/2),
		"empty values":   element + strings.Repeat(";", size),
		"quoted":         element + `;a="` + strings.Repeat("b", size) + `"`,
		"escaped":        element + `;a="` + strings.Repeat(`\b`, size/2) + `"`,
		"never closed":   element + `;a="` + strings.Repeat("b", size),
		"white space":    strings.Repeat(" ", size) + element,
	}
}

// quiet keeps what a handler logs out of the test's output.
func quiet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(http.ContextWithLogger(r.Context(), slog.New(slog.DiscardHandler))))
	})
}

// A long list costs what net/http takes to read it, which is the same in any
// other field, and next to nothing more.
func TestUpgradeDoesNotGrowWithALongList(t *testing.T) {
	srv := testkit.StartServer(t, testkit.HTTP1, quiet(echo(&http.Upgrader{EnableCompression: true, Subprotocols: []string{"chat", "chat.v2"}})))
	cost := func(field, list string) (int, string) {
		conn := testkit.Dial(t, srv.Addr())
		defer conn.Close()
		request := strings.Replace(handshake, "\r\n\r\n", "\r\n"+field+": "+list+"\r\n\r\n", 1)
		status := ""
		return allocated(func() {
			conn.Send(request)
			status = conn.ReadResponse("GET").Status
		}), status
	}
	usual, _ := cost("X-Other", strings.Repeat("a", 900_000))
	for field, element := range map[string]string{
		"Sec-WebSocket-Extensions": "permessage-deflate",
		"Sec-WebSocket-Protocol":   "chat.v3",
		"Connection":               "close",
	} {
		for name, list := range longLists(900_000, element) {
			if bytes, status := cost(field, list); bytes > usual+1<<20 {
				t.Errorf("%s, %s: %d KB allocated, %d KB for another field; answered %s", field, name, bytes>>10, usual>>10, status)
			}
		}
	}
}

func TestDialDoesNotGrowWithALongList(t *testing.T) {
	cost := func(field, list string) (int, error) {
		server := answering(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"+
			field+": "+list+"\r\n\r\n")
		var err error
		return allocated(func() {
			var conn *http.Conn
			if conn, _, err = http.Dial(t.Context(), server, &http.DialOptions{EnableCompression: true, Subprotocols: []string{"chat"}}); err == nil {
				conn.Close()
			}
		}), err
	}
	const size = 200_000
	usual, _ := cost("X-Other", strings.Repeat("a", size))
	for field, element := range map[string]string{
		"Sec-WebSocket-Extensions": "permessage-deflate",
		"Sec-WebSocket-Protocol":   "chat",
		"Connection":               "close",
	} {
		for name, list := range longLists(size, element) {
			if bytes, err := cost(field, list); bytes > usual+1<<20 {
				t.Errorf("%s, %s: %d KB allocated, %d KB for another field; %.200v", field, name, bytes>>10, usual>>10, err)
			}
		}
	}
}
