package http_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestPathsInEveryLogLineAreEscaped sends paths over a raw connection. They contain
// control characters of ASCII and Latin-1, bidirectional controls, line separators,
// zero-width characters, and invalid UTF-8.
func TestPathsInEveryLogLineAreEscaped(t *testing.T) {
	t.Parallel()
	eachLogger(t, func(t *testing.T, logger *slog.Logger, out *testkit.Log) {
		srv := testkit.StartServer(t, testkit.HTTP1, loggingRouter(logger))
		conn, lines := testkit.Dial(t, srv.Addr()), 0
		for _, target := range []string{
			"%C2%9B31m", "%E2%80%AEtxt.exe", "%7F", "%0Ahttp%20request", "%0D", "%1B%5B2J", "%00", "%08", "%C2%85", "%E2%81%A6x",
			"%E2%80%8F", "%D8%9C", "%E2%80%A8", "%E2%80%A9", "%EF%BB%BF", "%E2%80%8B", "%C2%A0", "%C2%AD", "%F3%A0%80%81", "%FF", "%EF%BF%BD",
		} {
			for _, path := range []string{"/error/", "/ws/", "/unknown/"} {
				before := out.String()
				conn.Send("GET " + path + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
				if _, err := io.Copy(io.Discard, conn.ReadResponse("GET").Body); err != nil {
					t.Fatal(err)
				}
				lines++
				if path != "/unknown/" {
					lines++
				}
				log := strings.TrimPrefix(out.String(), before)
				if got, want := strings.Count(log, path+target), strings.Count(log, "\n"); got != want {
					t.Errorf("%s: %d of %d lines have the path as it was sent: %q", path+target, got, want, log)
				}
			}
		}
		checkPrintable(t, out.String(), lines)
		before := out.String()
		conn.Send("GET /error/%C3%BCber%20sicht HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.Copy(io.Discard, conn.ReadResponse("GET").Body); err != nil {
			t.Fatal(err)
		}
		if log := strings.TrimPrefix(out.String(), before); strings.Count(log, "/error/über sicht") != 2 {
			t.Errorf("a printable path is not logged as people read it: %s", log)
		}
	})
}

// TestMethodsInEveryLogLineAreEscaped uses HTTP/2, because that server accepts
// methods that HTTP/1.1 does not allow.
func TestMethodsInEveryLogLineAreEscaped(t *testing.T) {
	t.Parallel()
	eachLogger(t, func(t *testing.T, logger *slog.Logger, out *testkit.Log) {
		srv := testkit.StartServer(t, testkit.HTTP2, loggingRouter(logger))
		for _, text := range []string{"GET\u202e", "\u009b31m", "\xff"} {
			sendHTTP2(t, srv, text, "/error/x")
			sendHTTP2(t, srv, "GET", "/error/"+text) // without percent-encoding
		}
		sendHTTP2(t, srv, "A\tB", "/error/x")
		checkPrintable(t, out.String(), 14)
	})
}

// loggingRouter returns a router that logs every request, and that logs errors and
// rejected requests of some paths.
func loggingRouter(logger *slog.Logger) *http.Router {
	router := http.NewRouter()
	router.Use(http.RequestLogger(logger))
	router.HandleFunc("/error/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		http.WriteServerError(w, r, "failed", errors.New("disk full"))
	})
	router.HandleFunc("/ws/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		_, err := http.Upgrader{}.Upgrade(w, r)
		if err == nil {
			panic("upgraded")
		}
	})
	return router
}

// eachLogger runs test with a logger that writes JSON and with one that writes text.
func eachLogger(t *testing.T, test func(t *testing.T, logger *slog.Logger, out *testkit.Log)) {
	t.Helper()
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"JSON": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			out := new(testkit.Log)
			test(t, slog.New(handler(out)), out)
		})
	}
}

// checkPrintable reports an error if the log has characters that could mislead a
// reader, or has another number of lines.
func checkPrintable(t *testing.T, log string, lines int) {
	t.Helper()
	for _, c := range log {
		if c != '\n' && (c == unicode.ReplacementChar || !unicode.IsPrint(c)) {
			t.Errorf("%U in the log: %q", c, log)
			return
		}
	}
	if got := strings.Count(log, "\n"); got != lines {
		t.Errorf("%d lines, want %d: %q", got, lines, log)
	}
}

// sendHTTP2 sends a request without a body, which an HTTP client could not send, and
// waits for the response.
func sendHTTP2(t *testing.T, srv *testkit.Server, method, path string) {
	t.Helper()
	config := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	tlsConn, err := tls.Dial("tcp", srv.Addr(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer tlsConn.Close()
	conn := testkit.Wrap(t, tlsConn)
	var fields []byte
	for _, field := range [][2]string{{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", "example.com"}} {
		fields = append(fields, 0) // a literal field with a literal name, not indexed (RFC 7541 §6.2.2)
		for _, s := range field {
			fields = append(append(fields, byte(len(s))), s...)
		}
	}
	conn.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, nil) + frame(1, 5, 1, fields))
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatalf("method %q: %v", method, err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		if binary.BigEndian.Uint32(head[5:]) != 1 {
			continue // a frame about the connection
		}
		if head[3] != 1 {
			t.Fatalf("method %q, path %q: a frame of type %d in place of a header", method, path, head[3])
		}
		return
	}
}

// frame returns an HTTP/2 frame (RFC 9113 §4.1).
func frame(kind, flags byte, stream uint32, payload []byte) string {
	n := len(payload)
	head := binary.BigEndian.AppendUint32([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}, stream)
	return string(head) + string(payload)
}
