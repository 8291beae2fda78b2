package http_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestExtendedConnectIsRejectedOverHTTP2 sends a WebSocket handshake over a real
// HTTP/2 connection (RFC 8441). net/http reads GODEBUG when the process starts, so
// the test runs itself in another process.
func TestExtendedConnectIsRejectedOverHTTP2(t *testing.T) {
	const setting = "http2xconnect=1"
	if !strings.Contains(os.Getenv("GODEBUG"), setting) {
		env := []string{"GODEBUG=" + strings.TrimPrefix(os.Getenv("GODEBUG")+","+setting, ",")}
		out, err := testkit.TryRun(".", env, os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		if err != nil || !strings.Contains(out, "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	var log testkit.Log
	slog.SetDefault(log.Text())
	router := http.NewRouter()
	router.HandleFunc("GET /socket", upgrade)
	router.HandleFunc("/any", upgrade)
	custom := http.NewRouter()
	custom.MethodNotAllowed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.WriteError(w, 418, "mine") }))
	custom.HandleFunc("GET /custom", upgrade)
	router.Handle("/custom", custom)
	cert, key, pool := testkit.KeyPair(t)
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"), http.WithTLS(cert, key))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer srv.Stop(t.Context())
	for _, tt := range []struct {
		path, status, body string
		logged             int
	}{
		{"/socket", "405", `{"error":"a WebSocket needs HTTP/1.1, not HTTP/2.0"}`, 1},
		{"/any", "505", `{"error":"a WebSocket needs HTTP/1.1, not HTTP/2.0"}`, 1},
		{"/custom", "418", `{"error":"mine"}`, 1},
		{"/nowhere", "\x8d", `{"error":"not found"}`, 0}, // the status 404 has an index
	} {
		log.Reset()
		conn, err := tls.Dial("tcp", srv.Addr(), &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		header, body := extendedConnect(t, conn, tt.path)
		if !strings.Contains(header, tt.status) || !strings.Contains(body, tt.body) {
			t.Errorf("%s: header %q, body %q, want %s and %s", tt.path, header, body, tt.status, tt.body)
		}
		if n := strings.Count(log.String(), "GODEBUG=http2xconnect=1"); n != tt.logged {
			t.Errorf("%s: the log names the setting %d times, want %d: %q", tt.path, n, tt.logged, log.String())
		}
	}
}

func upgrade(w http.ResponseWriter, r *http.Request) {
	if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
		conn.Close()
	}
}

// extendedConnect sends a request to open a WebSocket, and returns the encoded header
// and the body of the response.
func extendedConnect(t *testing.T, conn io.ReadWriter, path string) (header, body string) {
	t.Helper()
	block := "\x42\x07CONNECT\x87\x41\x09localhost\x44" + string(rune(len(path))) + path + "\x40\x09:protocol\x09websocket"
	io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00"+ // SETTINGS
		"\x00\x00"+string(rune(len(block)))+"\x01\x04\x00\x00\x00\x01"+block) // HEADERS
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		const data, headers, reset, endStream = 0, 1, 3, 1
		switch {
		case head[3] == data:
			body += string(payload)
		case head[3] == headers:
			header = string(payload)
		case head[3] == reset:
			t.Fatalf("the stream was reset: %v", payload)
		}
		if head[3] <= headers && head[4]&endStream != 0 {
			return header, body
		}
	}
}
