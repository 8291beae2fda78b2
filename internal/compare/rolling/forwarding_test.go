package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Both documented configurations pass on everything that the package offers.
func TestForwarding(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{proxy: "nginx"}, {proxy: "nginx", keepAlive: true}, {proxy: "caddy"}} {
		t.Run(s.proxyName(), func(t *testing.T) {
			t.Parallel()
			tools.Require(t, s.proxy)
			addr := startForwarding(t)
			p, err := startProxy("../../..", t.TempDir(), s, [2]string{addr, startForwarding(t)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.stop)
			checkForwarding(t, s.proxy, p.addr)
		})
	}
}

// startForwarding starts an instance with the documented chain, and returns its address.
func startForwarding(t *testing.T) string {
	t.Helper()
	feed := http.NewFeed(http.FeedConfig{Heartbeat: 300 * time.Millisecond})
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware(), http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}), http.SecureHeaders(http.SecureHeadersConfig{}), http.MaxBody(1<<20), http.Recovery(nil))
	router.Handle("GET /ready", http.ReadyHandler())
	router.HandleFunc("GET /ip", func(w http.ResponseWriter, r *http.Request) { http.WriteJSON(w, 200, http.ClientIP(r)) })
	router.HandleFunc("GET /large", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, 200, strings.Repeat("large ", 50_000))
	})
	router.Handle("GET /feed", feed)
	router.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		file, ok := http.BindUpload(w, r, http.UploadConfig{Writer: io.Discard})
		if ok {
			http.WriteJSON(w, 201, file.Size)
		}
	})
	upgrader := http.Upgrader{EnableCompression: true}
	router.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			messageType, payload, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(messageType, payload) != nil {
				return
			}
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := http.NewServer(router, http.WithListener(listener))
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return listener.Addr().String()
}

// checkForwarding sends all kinds of requests to a proxy.
func checkForwarding(t *testing.T, program, addr string) {
	t.Helper()
	// The connections to the proxy come from another address than those of the proxy.
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	client := &nethttp.Client{Transport: &nethttp.Transport{DialContext: dialer.DialContext}}
	t.Cleanup(client.CloseIdleConnections)
	url := "http://" + addr
	testkit.Get(t, client, url+"/ip").Want(t, 200, `"127.0.0.9"`)
	// Caddy drops the client's header. nginx appends the client's address, which is that of
	// a trusted proxy here, so the address before it counts, but not the one before that.
	want := map[string]string{"nginx": `"8.8.8.8"`, "caddy": `"127.0.0.9"`}[program]
	testkit.Get(t, client, url+"/ip", "X-Forwarded-For: 6.6.6.6, 8.8.8.8").Want(t, 200, want)

	large := testkit.Get(t, client, url+"/large", "Accept-Encoding: gzip")
	large.WantHeader(t, "Content-Encoding", "gzip")
	if body := large.Plain(t); len(body) != 300_002 {
		t.Errorf("%d bytes", len(body))
	}
	tag := large.Header.Get("ETag")
	if res := testkit.Get(t, client, url+"/large", "Accept-Encoding: gzip", "If-None-Match: "+tag); tag == "" || res.StatusCode != 304 {
		t.Errorf("ETag %q: %d", tag, res.StatusCode)
	}
	upload(t, client, url)
	follow(t, client, url)
	for _, compression := range []bool{false, true} {
		echo(t, addr, compression)
	}
}

// upload sends a file of 20 MiB.
func upload(t *testing.T, client *nethttp.Client, url string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(make([]byte, 20<<20)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := testkit.NewRequest("POST", url+"/upload", body.String(), "Content-Type: "+form.FormDataContentType())
	testkit.Do(t, client, r).Want(t, 201, "20971520")
}

// follow opens a feed, and waits for its first bytes and two heartbeats. A proxy that
// buffered the stream would pass on nothing.
func follow(t *testing.T, client *nethttp.Client, url string) {
	t.Helper()
	r, err := nethttp.NewRequestWithContext(t.Context(), "GET", url+"/feed", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Encoding") != "" || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("the header is %v", res.Header)
	}
	lines, beats := bufio.NewScanner(res.Body), 0
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "retry:") {
		t.Fatalf("the stream begins with %q: %v", lines.Text(), lines.Err())
	}
	for beats < 2 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), ":") {
			beats++
		}
	}
	if beats < 2 {
		t.Errorf("%d heartbeats: %v", beats, lines.Err())
	}
}

// echo exchanges messages over a WebSocket.
func echo(t *testing.T, addr string, compression bool) {
	t.Helper()
	conn, res, err := http.Dial(t.Context(), "ws://"+addr+"/socket", &http.DialOptions{EnableCompression: compression})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if negotiated := strings.Contains(res.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate"); negotiated != compression {
		t.Errorf("compression %t, want %t", negotiated, compression)
	}
	for _, text := range []string{"short", strings.Repeat("long ", 50_000)} {
		if err := conn.WriteMessage(http.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, payload, err := conn.ReadMessage(); err != nil || string(payload) != text {
			t.Errorf("got %.20q, %v", payload, err)
		}
	}
}
