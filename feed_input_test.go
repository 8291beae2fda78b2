package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// pageEvent reads a stream up to the next event, as WHATWG HTML §9.2.6 says: line
// breaks in the data are kept.
func pageEvent(t *testing.T, p *feedPage) (id, name, data string) {
	t.Helper()
	var lines []string
	for p.scanner.Scan() {
		line := p.scanner.Text()
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			lines = append(lines, value)
		}
		if line == "" {
			if len(lines) > 0 {
				return id, name, strings.Join(lines, "\n")
			}
			name = ""
		}
	}
	t.Fatalf("the stream ended: %v", p.scanner.Err())
	return
}

// Whatever Publish accepts arrives unchanged, except that event streams have one kind of
// line break.
func TestFeedSendsAnyText(t *testing.T) {
	t.Parallel()
	texts := []string{
		"", "\n", "\r", "\r\n", "\n\n", "\n\r", "\r\n\r\n", "a\n", "\na", "a\rb\r\nc\nd",
		" a", "  ", ":", "data: x", "id: 5\n\nevent: x", "\x00", "a\x00b", "\u2028", "a\u2029b", "\u0085", "\v\f",
		"\uFEFF", "\uFEFFa", "\uFFFD", "\U0010FFFF", `"`, `\`, `{"a":1}`, ` [1] `, "{", "1e999", "null", `"\ud800"`, "</script>",
		strings.Repeat("x", 1<<20), strings.Repeat("\n", 1<<20), strings.Repeat("\r\n", 300_000), strings.Repeat("\u2028", 100_000),
	}
	names := []string{"", "gap_", "error", "open", "message", "id", " x", "x ", "a:b", "\u2028", "\uFEFF", "名", "\x01"}
	feed := http.NewFeed(http.FeedConfig{History: true, KeepBytes: 100 << 20})
	var want []http.Event
	for i, data := range texts {
		want = append(want, http.Event{Name: names[i%len(names)], Data: data})
	}
	for _, name := range names {
		want = append(want, http.Event{Name: name, Data: "x"})
	}
	for i := range want {
		id, err := feed.Publish(t.Context(), want[i])
		if err != nil {
			t.Fatalf("%.40q: %v", want[i].Data, err)
		}
		want[i].ID = id
	}
	testkit.EachProtocol(t, feed, func(t *testing.T, srv *testkit.Server) {
		p := openPage(t, srv, "")
		for _, e := range want {
			id, name, data := pageEvent(t, p)
			lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(e.Data)
			if id != e.ID || name != e.Name || data != lines {
				t.Fatalf("got %q %q %.40q (%d bytes), want %q %.40q (%d)", id, name, data, len(data), e.Name, lines, len(lines))
			}
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		s := openSocket(t, serveSocket(t, feed, http.Upgrader{EnableCompression: true}), "", &http.DialOptions{EnableCompression: true})
		s.conn.SetMaxMessageSize(20 << 20)
		s.next()
		for _, e := range want {
			text := s.next()
			var got struct {
				ID, Event string
				Data      json.RawMessage
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatalf("%.60q: %v", text, err)
			}
			var data string
			if !json.Valid([]byte(e.Data)) {
				if err := json.Unmarshal(got.Data, &data); err != nil {
					t.Fatal(err)
				}
			} else if data = string(got.Data); !strings.Contains(text, `"data":`+e.Data+`}`) {
				t.Errorf("%.60q is not inserted unchanged", e.Data)
			} else {
				data = e.Data // RawMessage has no outer space
			}
			if got.ID != e.ID || got.Event != e.Name || data != e.Data {
				t.Fatalf("got %q %.40q, want %q %.40q", got.Event, data, e.Name, e.Data)
			}
		}
	})
}

// A request that names several positions may have missed events after any of them.
func TestFeedFindsTheIDOfARequest(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	ids := publish(t, &feed, numbers(0, 5)...)
	srv := testkit.StartServer(t, testkit.HTTP1, &feed)
	long := strings.Repeat("x", 900_000)
	for name, tt := range map[string]struct {
		query  string
		fields []string
		want   string // the first data, or "gap"
	}{
		"field":                   {"", []string{ids[3]}, "4"},
		"query":                   {"lastEventID=" + ids[2], nil, "3"},
		"field wins":              {"lastEventID=" + ids[1], []string{ids[3]}, "4"},
		"unknown field wins":      {"lastEventID=" + ids[1], []string{"x"}, "gap"},
		"empty field":             {"lastEventID=" + ids[2], []string{""}, "3"},
		"empty fields":            {"lastEventID=" + ids[2], []string{"", ""}, "3"},
		"field twice":             {"", []string{ids[3], ids[3]}, "4"},
		"empty and field":         {"", []string{"", ids[3]}, "4"},
		"two fields":              {"", []string{ids[3], ids[1]}, "gap"},
		"joined fields":           {"", []string{ids[3] + ", " + ids[1]}, "gap"},
		"query twice":             {"lastEventID=" + ids[2] + "&lastEventID=" + ids[2], nil, "3"},
		"empty and query":         {"lastEventID=&lastEventID=" + ids[2], nil, "3"},
		"two in the query":        {"lastEventID=" + ids[1] + "&lastEventID=" + ids[2], nil, "gap"},
		"other case in the query": {"lasteventid=x&lastEventID=" + ids[2], nil, "3"},
		"encoded query":           {"last%45ventID=" + strings.Replace(ids[2], ".", "%2E", 1), nil, "3"},
		"NUL":                     {"lastEventID=%00", nil, "gap"},
		"line break":              {"lastEventID=" + ids[2] + "%0A", nil, "gap"},
		"invalid UTF-8":           {"lastEventID=%FF", nil, "gap"},
		"space":                   {"lastEventID=+" + ids[2], nil, "gap"},
		"long query":              {"lastEventID=" + long, nil, "gap"},
		"long other parameter":    {long + "&lastEventID=" + ids[2], nil, "3"},
		"long field":              {"", []string{long}, "gap"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := testkit.Dial(t, srv.Addr())
			request := "GET /?" + tt.query + " HTTP/1.1\r\nHost: x\r\n"
			for _, f := range tt.fields {
				request += "Last-Event-ID: " + f + "\r\n"
			}
			conn.Send(request + "\r\n")
			res := conn.ReadResponse("GET")
			p := &feedPage{t: t, res: res, scanner: newScanner(res.Body)}
			if _, event, data := pageEvent(t, p); data != tt.want && (event != "gap" || event != tt.want) {
				t.Errorf("got %q %q, want %q", event, data, tt.want)
			}
		})
	}
}

func TestFeedRejectsRequestsThatAreTooLong(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, new(http.Feed))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET /?lastEventID=" + strings.Repeat("x", 2<<20))
	if res := conn.ReadResponse("GET"); res.StatusCode != 431 {
		t.Error(res.Status)
	}
}

// HTTP/1.0 has no chunks: the body ends with the connection.
func TestFeedOverHTTP10(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	srv := testkit.StartServer(t, testkit.HTTP1, &feed)
	for _, field := range []string{"", "Connection: keep-alive\r\n"} {
		conn := testkit.Dial(t, srv.Addr())
		conn.Send("GET / HTTP/1.0\r\n" + field + "\r\n")
		res := conn.ReadResponse("GET")
		if res.StatusCode != 200 || len(res.TransferEncoding) > 0 || res.Header.Get("Connection") == "keep-alive" {
			t.Errorf("%v", res.Header)
		}
		p := &feedPage{t: t, res: res, scanner: newScanner(res.Body)}
		p.next()
		publish(t, &feed, "x")
		p.want("x")
	}
}

// newScanner returns a scanner of lines for a stream with large events.
func newScanner(r io.Reader) *bufio.Scanner {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 8<<20)
	return scanner
}

// snapshotStream serves a feed for one client, and returns its page, and a channel that
// is closed when the handler has returned.
func snapshotStream(t *testing.T, config http.FeedConfig) (*http.Feed, *feedPage, *testkit.Log, <-chan struct{}) {
	t.Helper()
	feed := http.NewFeed(config)
	ended := make(chan struct{})
	var log testkit.Log
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		feed.ServeHTTP(w, r.WithContext(http.ContextWithLogger(r.Context(), log.Text())))
	}))
	return feed, openPage(t, srv, ""), &log, ended
}

func TestFeedSnapshotThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]http.Event{
		"gap":           {Gap: true},
		"line break":    {Name: "a\r"},
		"invalid UTF-8": {Data: "\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, p, log, ended := snapshotStream(t, http.FeedConfig{
				Snapshot: func(context.Context, string) (http.Event, error) { return e, nil },
			})
			p.wantEnd()
			testkit.Receive(t, ended, "the end of the handler")
			if got := log.String(); !strings.Contains(got, "feed snapshot failed") || !strings.Contains(got, "invalid event") {
				t.Error(got)
			}
		})
	}
}

// While Snapshot runs, the client gets heartbeats. If the client leaves, the context of
// Snapshot ends, and nothing waits for it.
func TestFeedSnapshotThatBlocks(t *testing.T) {
	t.Parallel()
	canceled, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	_, p, _, ended := snapshotStream(t, http.FeedConfig{
		Heartbeat: 50 * time.Millisecond,
		Snapshot: func(ctx context.Context, _ string) (http.Event, error) {
			<-ctx.Done()
			close(canceled)
			<-release // it ignores its context
			return http.Event{}, nil
		},
	})
	p.next()
	for range 3 {
		if b, _ := p.next(); b.comment == "" {
			t.Errorf("got %+v, want a heartbeat", b)
		}
	}
	p.res.Body.Close()
	testkit.Receive(t, canceled, "the end of the context")
	testkit.Receive(t, ended, "the end of the handler")
}

func TestFeedSnapshotThatIsSlowerThanTheLog(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	called := make(chan struct{}, 10)
	feed, p, log, ended := snapshotStream(t, http.FeedConfig{
		Keep: 5, Heartbeat: 50 * time.Millisecond,
		Snapshot: func(context.Context, string) (http.Event, error) {
			called <- struct{}{}
			<-release
			return http.Event{}, nil
		},
	})
	testkit.Receive(t, called, "the call of Snapshot")
	publish(t, feed, numbers(0, 20)...)
	for last := (block{}); ; {
		b, ok := p.next()
		if !ok {
			if last.retry == "" {
				t.Errorf("the stream ended with %+v", last)
			}
			break
		}
		if last = b; b.data != "" {
			t.Fatalf("got %+v", b)
		}
	}
	testkit.Receive(t, ended, "the end of the handler")
	if got := log.String(); !strings.Contains(got, "longer than the feed keeps events") {
		t.Error(got)
	}
}

// A client that reads slowly is not disconnected while it reads, whatever the size of
// the first events.
func TestFeedSendsMuchToASlowClient(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]http.FeedConfig{
		"snapshot": {Snapshot: func(context.Context, string) (http.Event, error) {
			return http.Event{Data: strings.Repeat("s", 1<<20)}, nil
		}},
		"history": {History: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				feed := http.NewFeed(config)
				publish(t, feed, strings.Repeat("a", 1<<20))
				srv := startPipeServer(t, false, http.HandlerFunc(feed.ServeHTTP))
				defer srv.stop(t)
				conn := srv.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				conn.SetDeadline(time.Time{})
				res := conn.ReadResponse("GET")
				for read := 0; read < 1<<20; {
					n, err := res.Body.Read(make([]byte, 4<<10))
					if err != nil {
						t.Fatalf("after %d bytes: %v", read, err)
					}
					read += n
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// A blockedWriter is the ResponseWriter of a client that stops reading.
type blockedWriter struct {
	quietWriter
	began   chan int // size of a Write
	blocked atomic.Bool
	release chan struct{}
}

func (w *blockedWriter) Write(p []byte) (int, error) {
	if w.blocked.Load() {
		w.began <- len(p)
		<-w.release
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// Clients that do not read share the memory of a large event.
func TestFeedDoesNotCopyLargeEvents(t *testing.T) {
	const clients = 300
	for name, data := range map[string]string{
		"text":        strings.Repeat("x", 1<<20),
		"line breaks": strings.Repeat("\n", 1<<18), // each is a line of 7 bytes
	} {
		t.Run(name, func(t *testing.T) {
			var feed http.Feed
			began, release := make(chan int, clients), make(chan struct{})
			ended := make(chan struct{}, clients)
			var writers []*blockedWriter
			for range clients {
				w := &blockedWriter{quietWriter: quietWriter{http.Header{}, make(chan struct{}, 10)}, began: began, release: release}
				go func() {
					feed.ServeHTTP(w, testkit.NewRequest("GET", "/", ""))
					ended <- struct{}{}
				}()
				testkit.Receive(t, w.wrote, "the head")
				w.blocked.Store(true)
				writers = append(writers, w)
			}
			before := heap()
			publish(t, &feed, data)
			for range writers {
				testkit.Receive(t, began, "a write")
			}
			if grown := heap() - before; grown > clients*(64<<10)+16<<20 {
				t.Errorf("%d clients that do not read hold %d MB", clients, grown>>20)
			}
			close(release)
			for range writers {
				testkit.Receive(t, ended, "the end of a stream")
			}
		})
	}
}

// A user can test a handler without a network, and with a fake clock.
func TestFeedWithARecorder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		feed := http.NewFeed(http.FeedConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		recorded := make(chan *testkit.Response)
		go func() {
			recorded <- testkit.Record(feed, testkit.NewRequest("GET", "/", "").WithContext(ctx))
		}()
		synctest.Wait()
		publish(t, feed, "hello")
		synctest.Wait()
		time.Sleep(20 * time.Second)
		cancel()
		res := <-recorded
		if res.StatusCode != 200 || !strings.HasPrefix(res.Body, "retry: ") || !strings.Contains(res.Body, "\ndata: hello\n\n:\n\n") {
			t.Errorf("%d %q", res.StatusCode, res.Body)
		}
	})
}
