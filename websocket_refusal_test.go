package http_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// An opaqueWriter has no Unwrap method, like the writers of old middleware.
type opaqueWriter struct{ http.ResponseWriter }

// A plainWriter has an Unwrap method.
type plainWriter struct{ http.ResponseWriter }

func (w plainWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var errTaken = errors.New("already taken")

// A refusingWriter has a Hijack method that fails.
type refusingWriter struct{ plainWriter }

func (refusingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errTaken }

// refusal sends a request to a server that upgrades it with a ResponseWriter
// wrapped by the function behind. It returns the response, its body, the log as
// JSON, and the error of Upgrade.
func refusal(t *testing.T, upgrader *http.Upgrader, request string, behind func(http.ResponseWriter) http.ResponseWriter) (*http.Response, string, string, error) {
	t.Helper()
	var log testkit.Log
	upgraded := make(chan error, 1)
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{Generator: func() string { return "id-7" }}),
		http.RequestLogger(log.JSON(), http.LogSkip(func(*http.Request) bool { return true })),
	)
	router.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if behind != nil {
			w = behind(w)
		}
		conn, err := upgrader.Upgrade(w, r)
		if err == nil {
			conn.CloseNow() // Close would wait for the client
		}
		upgraded <- err
	})
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(request)
	resp := conn.ReadResponse("GET")
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	err = testkit.Receive(t, upgraded, "Upgrade")
	return resp, string(body), log.String(), err
}

func TestUpgradeNamesTheWriterThatCannotBeHijacked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		behind   func(http.ResponseWriter) http.ResponseWriter
		contains string
		is       error
	}{
		{"hidden by the handler's wrapper", func(w http.ResponseWriter) http.ResponseWriter { return opaqueWriter{w} },
			"http_test.opaqueWriter has neither a Hijack nor an Unwrap method", http.ErrNotSupported},
		{"hidden by a pointer", func(w http.ResponseWriter) http.ResponseWriter { return &opaqueWriter{w} },
			"*http_test.opaqueWriter has neither", http.ErrNotSupported},
		{"further in", func(w http.ResponseWriter) http.ResponseWriter {
			return plainWriter{plainWriter{opaqueWriter{plainWriter{w}}}}
		},
			"http_test.opaqueWriter has neither", http.ErrNotSupported},
		{"refused by a wrapper", func(w http.ResponseWriter) http.ResponseWriter { return plainWriter{refusingWriter{plainWriter{w}}} },
			"hijacking the ResponseWriter of type http_test.refusingWriter: already taken", errTaken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, body, log, err := refusal(t, &http.Upgrader{}, handshake, tt.behind)
			if !errors.Is(err, tt.is) || !strings.HasPrefix(err.Error(), "websocket: upgrade: ") || !strings.Contains(err.Error(), tt.contains) {
				t.Errorf("Upgrade: %v, want it to contain %q", err, tt.contains)
			}
			if resp.StatusCode != 500 || body != `{"error":"internal server error"}` {
				t.Errorf("the client got %s %s", resp.Status, body)
			}
			if strings.Count(log, "\n") != 1 || !strings.Contains(log, tt.contains) || !strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, `"request_id":"id-7"`) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestUpgradeBehindTimeoutHandler(t *testing.T) {
	t.Parallel()
	upgraded := make(chan error, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, nethttp.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(http.ContextWithLogger(r.Context(), slog.New(slog.DiscardHandler)))
		_, err := new(http.Upgrader).Upgrade(w, r)
		upgraded <- err
	}), testkit.Patience, "too late"))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(handshake)
	if resp := conn.ReadResponse("GET"); resp.StatusCode != 500 {
		t.Errorf("answered %s", resp.Status)
	}
	if err := <-upgraded; !errors.Is(err, http.ErrNotSupported) || !strings.Contains(err.Error(), "*http.timeoutWriter") {
		t.Errorf("Upgrade: %v", err)
	}
}

// The response contains the reason. The error and the log contain the values
// too.
func TestRefusalsNameTheValues(t *testing.T) {
	t.Parallel()
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	add := func(field string) [2]string { return [2]string{"\r\n\r\n", "\r\n" + field + "\r\n\r\n"} }
	refuseAll := func(*http.Request) bool { return false }
	tests := []struct {
		name     string
		change   [2]string
		check    func(*http.Request) bool
		client   string // error in the response
		contains string // text that follows it in the error and the log
	}{
		{"method", [2]string{"GET", "POST"}, nil, "a WebSocket begins with GET", `the method is "POST"`},
		{"HTTP/1.0", [2]string{"HTTP/1.1", "HTTP/1.0"}, nil, "a WebSocket needs HTTP/1.1, not HTTP/1.0", ""},
		{"no Upgrade", [2]string{"Upgrade: websocket\r\n", ""}, nil, "not a WebSocket handshake: Upgrade: websocket and Connection: Upgrade are needed",
			`Upgrade is missing, Connection is "keep-alive, Upgrade"`},
		{"both taken by a proxy", [2]string{"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", "Connection: close\r\n"}, nil,
			"not a WebSocket handshake: Upgrade: websocket and Connection: Upgrade are needed", `Upgrade is missing, Connection is "close"`},
		{"version", [2]string{"Version: 13", "Version: 8"}, nil, "Sec-WebSocket-Version must be 13", `it is "8"`},
		{"no version", [2]string{"Sec-WebSocket-Version: 13\r\n", ""}, nil, "Sec-WebSocket-Version must be 13", "it is missing"},
		{"two versions", add("Sec-WebSocket-Version: 14"), nil, "Sec-WebSocket-Version must be 13", `it is "13" and 1 more`},
		{"key", [2]string{key, "Sec-WebSocket-Key: short\r\n"}, nil, "Sec-WebSocket-Key must be 16 bytes in base64", `it is "short"`},
		{"body", [2]string{"\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx"}, nil, "a WebSocket handshake has no body", "this one has a body of 1 bytes"},
		{"chunked body", [2]string{"\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}, nil, "a WebSocket handshake has no body", "this one has a body of unknown length"},
		{"extensions", add(`Sec-WebSocket-Extensions: a; "`), nil, "malformed Sec-WebSocket-Extensions header", `"a; \""`},
		{"many extensions", add("Sec-WebSocket-Extensions: a" + strings.Repeat(";b", 64)), nil,
			"Sec-WebSocket-Extensions has more than 64 extensions and parameters, or 8192 bytes", `"a;b;b`},
		{"many subprotocols", add("Sec-WebSocket-Protocol: " + strings.Repeat("a,", 64)), nil, "too many elements in Sec-WebSocket-Protocol", "65; the maximum is 64"},
		{"many connection options", add("Connection: " + strings.Repeat(",", 900_000)), nil, "too many elements in Connection", "900003; the maximum is 64"},
		{"origin", add("Origin: https://evil.example"), nil, "origin not allowed", `Origin "https://evil.example" does not match Host "example.com"`},
		{"opaque origin", add("Origin: null"), nil, "origin not allowed", `Origin "null" does not match Host "example.com"`},
		{"two origins", add("Origin: http://example.com\r\nOrigin: https://evil.example"), nil, "origin not allowed", `Origin "http://example.com" and 1 more does`},
		{"origin for CheckOrigin", add("Origin: https://evil.example"), refuseAll, "origin not allowed",
			`CheckOrigin returned false for Origin "https://evil.example" and Host "example.com"`},
		{"no origin for CheckOrigin", [2]string{}, refuseAll, "origin not allowed", `CheckOrigin returned false for Origin missing and Host "example.com"`},
		{"origin for the terminal", add("Origin: https://e\u009b31m\u202evil\xff"), nil, "origin not allowed", `Origin "https://e\u009b31m\u202evil\xff" does`},
		{"long origin", add("Origin: https://" + strings.Repeat("e", 900_000)), nil, "origin not allowed",
			`Origin "https://` + strings.Repeat("e", 192) + `"... does not match Host "example.com"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			upgrader := &http.Upgrader{EnableCompression: true, Subprotocols: []string{"chat"}, CheckOrigin: tt.check}
			resp, body, log, err := refusal(t, upgrader, strings.Replace(handshake, tt.change[0], tt.change[1], 1), nil)
			want := "websocket: upgrade refused: " + tt.client
			if tt.contains != "" {
				want += ": " + tt.contains
			}
			if err == nil || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 500 {
				t.Errorf("Upgrade: %v\nwant it to begin with %s", err, want)
			}
			if resp.StatusCode < 400 || body != `{"error":"`+tt.client+`"}` {
				t.Errorf("the client got %s %s", resp.Status, body)
			}
			logged := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(log)
			if strings.Count(log, "\n") != 1 || !strings.Contains(logged, tt.contains) || !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, `"request_id":"id-7"`) {
				t.Errorf("log: %s", log)
			}
			for _, c := range err.Error() + log {
				if c < ' ' && c != '\n' || c >= 0x7f {
					t.Errorf("the error or the log contains %q", c)
				}
			}
		})
	}
}

func TestRefusedOriginOverTLS(t *testing.T) {
	t.Parallel()
	upgraded := make(chan error, 1)
	srv := startTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(http.ContextWithLogger(r.Context(), slog.New(slog.DiscardHandler)))
		_, err := new(http.Upgrader).Upgrade(w, r)
		upgraded <- err
	}))
	conn := dialTLS(t, srv)
	conn.Send(strings.Replace(handshake, "\r\n\r\n", "\r\nOrigin: http://example.com\r\n\r\n", 1))
	if resp := conn.ReadResponse("GET"); resp.StatusCode != 403 {
		t.Errorf("answered %s", resp.Status)
	}
	if err := <-upgraded; err == nil || !strings.HasSuffix(err.Error(), `Origin "http://example.com" does not match Host "example.com" with scheme https`) {
		t.Errorf("Upgrade: %v", err)
	}
}

func TestUpgradeAfterTheHandlerReturned(t *testing.T) {
	t.Parallel()
	type exchange struct {
		w http.ResponseWriter
		r *http.Request
	}
	kept := make(chan exchange, 1)
	router := http.NewRouter()
	router.Use(http.RequestLogger(slog.New(slog.DiscardHandler)))
	router.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { kept <- exchange{w, r} })
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(handshake)
	conn.ReadResponse("GET")
	late := <-kept
	_, err := http.Upgrader{}.Upgrade(late.w, late.r)
	if err == nil || !strings.Contains(err.Error(), "used after its handler returned") || strings.Contains(err.Error(), "Unwrap") {
		t.Errorf("Upgrade: %v, want an error that the handler has returned", err)
	}
}

// The header field is the one that net/http sets for extended CONNECT.
func TestUpgradeRefusesExtendedConnect(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	r := httptest.NewRequestWithContext(http.ContextWithLogger(t.Context(), log.Text()), "CONNECT", "/", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	r.Header[":protocol"] = []string{"websocket"}
	rec := httptest.NewRecorder()
	_, err := http.Upgrader{}.Upgrade(rec, r)
	const cause = "GODEBUG=http2xconnect=1"
	if rec.Code != 505 || err == nil || !strings.Contains(err.Error(), cause) || !strings.Contains(log.String(), cause) {
		t.Errorf("answered %d; Upgrade: %v; log: %s", rec.Code, err, log.String())
	}
}
