package http_test

import (
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// streamingChains are chains that end with Streaming.
func streamingChains() map[string]func(nethttp.Handler) nethttp.Handler {
	return map[string]func(nethttp.Handler) nethttp.Handler{
		"alone":             http.Streaming(),
		"inside Timeout":    stack(oneSecond(), http.Streaming()),
		"inside two":        stack(oneSecond(), observing, oneSecond(), http.Streaming()),
		"the chain":         stack(documentedChain(), http.Streaming()),
		"outside the chain": stack(http.Streaming(), documentedChain()),
		"twice":             stack(http.Streaming(), http.Streaming()),
	}
}

// eachStreaming runs test with each chain and protocol around a handler, with a fake clock.
func eachStreaming(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, srv *pipeServer, client *nethttp.Client, url string)) {
	for name, wrap := range streamingChains() {
		for protocol, secure := range map[testkit.Protocol]bool{testkit.HTTP1: false, testkit.HTTP2: true} {
			t.Run(fmt.Sprintf("%s, %s", name, protocol), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := startPipeServer(t, secure, wrap(handler).ServeHTTP)
					transport, url := &nethttp.Transport{DialContext: srv.listener.Dial}, "http://localhost"
					if secure {
						transport.TLSClientConfig, transport.ForceAttemptHTTP2, url = srv.tls, true, "https://localhost"
					}
					defer srv.stop(t)
					defer transport.CloseIdleConnections()
					test(t, srv, &nethttp.Client{Transport: transport}, url)
				})
			})
		}
	}
}

func TestStreamingOutlivesTheTimeouts(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		in := make([]byte, 1)
		for range 4 {
			if _, err := r.Body.Read(in); err != nil {
				t.Error(err)
			}
			w.Write(in)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			if r.Context().Err() != nil {
				t.Error("the context has ended")
			}
		}
	}
	eachStreaming(t, handler, func(t *testing.T, _ *pipeServer, client *nethttp.Client, url string) {
		req, err := nethttp.NewRequest("POST", url, slowly("0123"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := testkit.Send(client, req)
		if err != nil || res.Body != "0123" {
			t.Errorf("the client got %v, %v", res, err)
		}
	})
}

// slowly returns a reader that waits a minute before each byte of text.
func slowly(text string) io.Reader {
	rest := strings.NewReader(text)
	return readFunc(func(p []byte) (int, error) {
		time.Sleep(time.Minute)
		n, err := rest.Read(p[:1])
		if rest.Len() == 0 {
			err = io.EOF
		}
		return n, err
	})
}

func TestStopEndsStreaming(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		for i := 0; ; i++ {
			fmt.Fprintln(w, i)
			http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Second):
			}
		}
	}
	eachStreaming(t, handler, func(t *testing.T, srv *pipeServer, client *nethttp.Client, url string) {
		go func() {
			time.Sleep(50 * time.Second)
			srv.stop(t)
		}()
		if res, err := send(client, url); err != nil || res.Body != "0\n1\n2\n" {
			t.Errorf("the client got %v, %v", res, err)
		}
	})
}

// streamingHandlers are handlers that write without an end, in different ways. They return
// the error of the last write.
var streamingHandlers = map[string]struct {
	wrap  func(nethttp.Handler) nethttp.Handler
	write func(w http.ResponseWriter, text string) error
}{
	"WriteString": {http.Streaming(), func(w http.ResponseWriter, text string) error {
		_, err := io.WriteString(w, text)
		return err
	}},
	"ReadFrom":                     {http.Streaming(), copyEndlessly},
	"ReadFrom, inside an observer": {stack(observing, http.Streaming()), copyEndlessly},
	"ReadFrom, outside Compress":   {stack(http.Streaming(), http.Compress(http.CompressConfig{})), copyEndlessly},
	"ReadFrom, inside ETag":        {stack(http.ETag(http.ETagConfig{}), http.Streaming()), copyEndlessly},
	"Write, inside Compress": {stack(http.Compress(http.CompressConfig{}), http.Streaming()), func(w http.ResponseWriter, text string) error {
		_, err := w.Write([]byte(text))
		return err
	}},
	"Write, inside both": {stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.Streaming()), func(w http.ResponseWriter, text string) error {
		_, err := w.Write([]byte(text))
		return err
	}},
}

// copyEndlessly copies a body that never ends.
func copyEndlessly(w http.ResponseWriter, text string) error {
	_, err := io.Copy(w, readFunc(func(p []byte) (int, error) { return copy(p, text), nil }))
	return err
}

// A client that reads nothing is given up, while the server runs after 30 to 45 seconds, with
// TLS after 5 more, and while it stops after 5.
func TestStreamingGivesUpStalledClients(t *testing.T) {
	t.Parallel()
	text := incompressible(64 << 10)
	for name, h := range streamingHandlers {
		for _, stops := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stopping %t", name, stops), func(t *testing.T) {
				t.Parallel()
				overPlainAndTLS(t, func(t *testing.T, secure bool) {
					failure := make(chan error, 1)
					handler := h.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Type", "text/plain")
						var err error
						for err == nil {
							err = h.write(w, text)
						}
						failure <- err
					}))
					srv := startPipeServer(t, secure, handler.ServeHTTP)
					srv.send(t, "GET / HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: gzip\r\n\r\n")
					synctest.Wait()
					begun := time.Now()
					if stops {
						srv.stop(t)
					}
					err, took := <-failure, time.Since(begun)
					switch {
					case stops && took > 6*time.Second:
						t.Errorf("the write failed after %v", took)
					case !stops && (took < 30*time.Second || took > 50*time.Second || !errors.Is(err, os.ErrDeadlineExceeded)):
						t.Errorf("the write failed after %v: %v", took, err)
					}
					srv.stop(t)
				})
			})
		}
	}
}

// Each write gets a whole timeout, however long ago the last one was.
func TestStreamingMayBeIdle(t *testing.T) {
	t.Parallel()
	text := incompressible(256 << 10)
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for _, part := range []string{"", text[:1], text[1:]} {
			if _, err := io.WriteString(w, part); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * time.Minute)
		}
		io.WriteString(w, text) // not flushed
	}
	eachStreaming(t, handler, func(t *testing.T, _ *pipeServer, client *nethttp.Client, url string) {
		if res, err := send(client, url); err != nil || res.Body != text+text {
			t.Errorf("the client got %d bytes, %v", len(res.Body), err)
		}
	})
}

// An SSEWriter has its own timeouts.
func TestStreamingLeavesDeadlinesToSSEWriters(t *testing.T) {
	t.Parallel()
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		failure := make(chan time.Duration, 1)
		handler := http.Streaming()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun := time.Now()
			s := http.NewSSEWriter(w)
			s.SetWriteTimeout(2 * time.Minute)
			for s.Data("x") == nil {
			}
			failure <- time.Since(begun)
		}))
		srv := startPipeServer(t, secure, handler.ServeHTTP)
		srv.send(t, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").ReadResponse("GET")
		if took := <-failure; took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("the write failed after %v", took)
		}
		srv.stop(t)
	})
}

// The deadlines of a connection that was taken over belong to the handler.
func TestStreamingLeavesHijackedConnectionsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		handler := http.Streaming()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "early")
			http.NewResponseController(w).Flush()
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				defer conn.Close()
				time.Sleep(time.Minute)
				if _, err := io.WriteString(conn, "later"); err != nil {
					t.Error(err)
				}
			}()
		}))
		srv := startPipeServer(t, false, handler.ServeHTTP)
		c := srv.send(t, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
		res := c.ReadResponse("GET")
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != "earlylater" || err != nil {
			t.Errorf("the client got %q, %v", body, err)
		}
		srv.stop(t)
	})
}

// An ordinary response is as without Streaming, and its connection can be used again.
func TestStreamingLeavesOrdinaryResponsesAlone(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(10 * time.Second)
		}
		http.WriteError(w, http.StatusNotFound, "not found")
	}
	eachStreaming(t, handler, func(t *testing.T, _ *pipeServer, client *nethttp.Client, url string) {
		for _, path := range []string{"/", "/slow"} {
			res, err := send(client, url+path)
			if err != nil {
				t.Fatal(err)
			}
			res.Want(t, 404, `{"error":"not found"}`)
		}
	})
}

// A wrapper that hides the server's writer is named in the log, once.
func TestDeadlinesThatCannotBeSetAreLogged(t *testing.T) {
	t.Parallel()
	for name, mw := range map[string]http.Middleware{
		"Streaming": http.Streaming(),
		"Timeout":   http.Timeout(http.TimeoutConfig{Timeout: testkit.Patience}),
	} {
		var log testkit.Log
		wrapped := stack(http.RequestLogger(log.Text(), http.LogSkip(func(*nethttp.Request) bool { return true })), hidingMiddleware["implicit"], mw)
		handler := wrapped(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, "ok") }))
		srv := testkit.StartServer(t, testkit.HTTP1, handler, func(hs *nethttp.Server) { hs.WriteTimeout = time.Second })
		srv.Get(t, "/").Want(t, 200, "ok")
		srv.Get(t, "/").Want(t, 200, "ok")
		if text := log.String(); strings.Count(text, name+" cannot replace the server's timeouts") != 1 {
			t.Errorf("the log is %q", text)
		}
	}
}
