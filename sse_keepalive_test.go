package http_test

import (
	"bufio"
	"io"
	"log/slog"
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A timedLine is a line of a stream that is not empty.
type timedLine struct {
	text string
	at   time.Duration // since the header
}

// timedLines gets a stream over HTTP/1 or HTTP/2, and returns its lines.
func timedLines(t *testing.T, http2 bool, handler http.HandlerFunc) (lines []timedLine) {
	t.Helper()
	srv := startPipeServer(t, http2, handler)
	defer srv.stop(t)
	var res *http.Response
	if http2 {
		var err error
		if res, err = srv.http2Client(t).Get("https://localhost/"); err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
	} else {
		conn := srv.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.SetDeadline(time.Time{})
		res = conn.ReadResponse("GET")
	}
	start := time.Now()
	scanner := bufio.NewScanner(res.Body)
	for scanner.Scan() {
		if text := scanner.Text(); text != "" {
			lines = append(lines, timedLine{text, time.Since(start)})
		}
	}
	if err := scanner.Err(); err != nil {
		t.Error(err)
	}
	return lines
}

func TestStreamKeepAlive(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				lines := timedLines(t, http2, func(w http.ResponseWriter, r *http.Request) {
					events := http.NewSSEWriter(w)
					events.KeepAlive(20 * time.Second)
					time.Sleep(10 * time.Minute)
					events.Data("busy")
					for range 100 { // faster than any comment
						time.Sleep(14 * time.Second)
						events.Data("busy")
					}
					events.KeepAlive(0)
					time.Sleep(time.Hour)
					events.Data("stopped")
					events.KeepAlive(time.Minute)
					time.Sleep(time.Hour) // the end of the body is sent long after the last event
				})
				var comments, last time.Duration
				stage := "quiet"
				for _, line := range lines {
					silence := line.at - last
					switch {
					case line.text != ":":
						if stage = strings.TrimPrefix(line.text, "data: "); stage == "busy" && silence > 20*time.Second {
							t.Errorf("silent for %v before an event", silence)
						}
					case stage == "quiet" && (silence > 20*time.Second || silence < 15*time.Second):
						t.Errorf("a comment after %v", silence)
					case stage == "busy":
						t.Errorf("a comment %v after an event", silence)
					case stage == "stopped" && (silence > time.Minute || silence < 45*time.Second):
						t.Errorf("a comment after %v with a longer interval", silence)
					default:
						comments++
					}
					last = line.at
				}
				if comments < 30+60 || comments > 40+80 {
					t.Errorf("%d comments", comments)
				}
			})
		})
	}
}

// No comment is written after the handler has returned, whether the connection
// serves another request or not.
func TestStreamKeepAliveEndsWithItsHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, false, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stream" {
				http.NewSSEWriter(w).KeepAlive(time.Second)
				return
			}
			time.Sleep(10 * time.Second)
			io.WriteString(w, "plain")
		})
		defer srv.stop(t)
		conn := srv.send(t, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.SetDeadline(time.Time{})
		res := conn.ReadResponse("GET")
		body, err := io.ReadAll(res.Body)
		if len(body) > 0 || err != nil {
			t.Errorf("the stream was %q, %v", body, err)
		}
		conn.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res, err := io.ReadAll(conn.ReadResponse("GET").Body); string(res) != "plain" || err != nil {
			t.Errorf("another request was answered %q, %v", res, err)
		}
	})
}

// A client that reads nothing is given up although the handler sends nothing:
// the request's context ends.
func TestStreamKeepAliveNoticesAStalledClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		srv := startPipeServer(t, false, func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			events := http.NewSSEWriter(w)
			events.KeepAlive(20 * time.Second)
			<-r.Context().Done()
			ended <- time.Since(start)
		})
		defer srv.stop(t)
		conn := srv.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.ReadResponse("GET") // then it stalls
		if took := <-ended; took > 65*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Without a Server or middleware, a comment could be written into another
// response after the handler has returned. This test sets the default logger.
func TestStreamKeepAliveNeedsToKnowWhenTheHandlerReturns(t *testing.T) {
	var log testkit.Log
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(log.Text())
	synctest.Test(t, func(t *testing.T) {
		ln := testkit.NewPipeListener()
		srv := &nethttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			events := http.NewSSEWriter(w)
			events.KeepAlive(time.Second)
			time.Sleep(time.Minute)
		})}
		go srv.Serve(ln)
		defer srv.Close()
		conn, err := ln.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		all, err := io.ReadAll(conn)
		if err != nil || strings.Contains(string(all), "\n:\n") {
			t.Errorf("read %q, %v", all, err)
		}
	})
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") ||
		!strings.Contains(got, "KeepAlive has no effect") || !strings.Contains(got, "type=*http.response") {
		t.Errorf("the log is %q", got)
	}
}
