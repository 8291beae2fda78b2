package http_test

import (
	"context"
	"crypto/tls"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Behind the documented chain, events arrive one by one, uncompressed and without a
// tag, and the request is logged once, at its end.
func TestFeedBehindTheDocumentedChain(t *testing.T) {
	t.Parallel()
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			w := &watch{metrics: http.NewMetrics()}
			feed := http.NewFeed(http.FeedConfig{Snapshot: func(context.Context, string) (http.Event, error) {
				return http.Event{Name: "state", Data: strings.Repeat("state ", 10_000)}, nil
			}})
			ended := make(chan struct{})
			chain := wrapped(everything(w))(feed)
			url, client := serveOwn(t, protocol, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(ended)
				chain.ServeHTTP(w, r)
			}))
			req, err := nethttp.NewRequest("GET", url+"/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{"Accept-Encoding": "gzip", "Origin": matrixOrigin, "If-None-Match": "*"} {
				req.Header.Set(name, value)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if h := res.Header; res.StatusCode != 200 || h.Get("Content-Encoding") != "" || h.Get("ETag") != "" ||
				h.Get("Content-Type") != "text/event-stream" || h.Get("Access-Control-Allow-Origin") != matrixOrigin {
				t.Errorf("%d %v", res.StatusCode, h)
			}
			p := &feedPage{t: t, res: res, scanner: newScanner(res.Body)}
			if _, name, data := pageEvent(t, p); name != "state" || len(data) != 60_000 {
				t.Errorf("%q, %d bytes", name, len(data))
			}
			for _, n := range numbers(0, 5) {
				publish(t, feed, n)
				p.want(n)
			}
			if log := w.log.String(); log != "" {
				t.Errorf("logged before the end: %s", log)
			}
			feed.Close()
			p.wantEnd()
			testkit.Receive(t, ended, "the end of the handler")
			if log := w.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, " status=200 ") {
				t.Errorf("logged: %s", log)
			}
		})
	}
}

// A stream whose client does not read, over HTTP/2, is reset alone.
func TestFeedResetsAStalledHTTP2StreamAlone(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{WriteTimeout: 2 * time.Second, KeepBytes: 64 << 20})
	ended := make(chan string, 2)
	cert, key, pool := testkit.KeyPair(t)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		feed.ServeHTTP(w, r)
		ended <- r.URL.Path
	}, http.WithTLS(cert, key))
	var conns atomic.Int64
	transport := &nethttp.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conns.Add(1)
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	client := &nethttp.Client{Transport: transport, Timeout: testkit.Patience}
	open := func(path string) *feedPage {
		res, err := client.Get("https://" + srv.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return &feedPage{t: t, res: res, scanner: newScanner(res.Body)}
	}
	reader := open("/reader")
	stalled := open("/stalled")
	data := strings.Repeat("x", 512<<10)
	for range 20 { // more than the window of the stalled stream
		publish(t, feed, data)
		reader.want(data)
	}
	if path := testkit.Receive(t, ended, "the end of a stream"); path != "/stalled" {
		t.Fatalf("%s ended", path)
	}
	publish(t, feed, "x")
	reader.want("x")
	for stalled.scanner.Scan() { // what had arrived
	}
	if err := stalled.scanner.Err(); err == nil || !strings.Contains(err.Error(), "stream error") {
		t.Errorf("the stalled stream ended with %v", err)
	}
	open("/stalled")
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
