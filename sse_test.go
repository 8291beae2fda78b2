package http_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A message is an event as EventSource passes it to a page.
type message struct{ name, data, lastID string }

// An eventSource interprets a stream as specified by WHATWG HTML §9.2.6: it
// decodes UTF-8, lines end with CRLF, LF or CR, and an empty line dispatches an
// event.
type eventSource struct {
	messages []message
	lastID   string // sent by the client when it reconnects
	retry    int    // or -1
}

func readEvents(stream string) *eventSource {
	es := &eventSource{retry: -1}
	stream = strings.ToValidUTF8(stream, "\ufffd")
	stream = strings.TrimPrefix(stream, "\ufeff")
	var data strings.Builder
	var name, id string
	for stream != "" {
		i := strings.IndexAny(stream, "\r\n")
		if i < 0 {
			break // discard an unfinished line
		}
		line := stream[:i]
		if strings.HasPrefix(stream[i:], "\r\n") {
			i++
		}
		stream = stream[i+1:]
		if line == "" {
			es.lastID = id
			if data.Len() > 0 {
				es.messages = append(es.messages, message{name, strings.TrimSuffix(data.String(), "\n"), id})
			}
			data.Reset()
			name = ""
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data.WriteString(value + "\n")
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if n, err := strconv.Atoi(value); err == nil && strings.Trim(value, "0123456789") == "" {
				es.retry = n
			}
		}
	}
	return es
}

// stream calls f with an SSEWriter and returns the stream.
func stream(f func(*http.SSEWriter)) string {
	rec := httptest.NewRecorder()
	f(http.NewSSEWriter(rec))
	return rec.Body.String()
}

func TestEventsOnTheWire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		send func(*http.SSEWriter) error
		want string
	}{
		{"event", func(s *http.SSEWriter) error { return s.Event("stats", `{"n":1}`) }, "event: stats\ndata: {\"n\":1}\n\n"},
		{"event without a name", func(s *http.SSEWriter) error { return s.Event("", "x") }, "data: x\n\n"},
		{"data", func(s *http.SSEWriter) error { return s.Data("x") }, "data: x\n\n"},
		{"empty data", func(s *http.SSEWriter) error { return s.Data("") }, "data: \n\n"},
		{"lines of every kind", func(s *http.SSEWriter) error { return s.Data("a\nb\r\nc\rd\n") },
			"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"line breaks that pair up", func(s *http.SSEWriter) error { return s.Data("\n\r\n\r") },
			"data: \ndata: \ndata: \ndata: \n\n"},
		{"event with id", func(s *http.SSEWriter) error { return s.EventWithID("7", "x", "y") }, "id: 7\nevent: x\ndata: y\n\n"},
		{"event that clears the id", func(s *http.SSEWriter) error { return s.EventWithID("", "", "y") }, "id:\ndata: y\n\n"},
		{"id", func(s *http.SSEWriter) error { return s.ID("7") }, "id: 7\n\n"},
		{"comment", func(s *http.SSEWriter) error { return s.Comment("still here") }, ": still here\n\n"},
		{"comment of two lines", func(s *http.SSEWriter) error { return s.Comment("a\ndata: b") }, ": a\n: data: b\n\n"},
		{"retry", func(s *http.SSEWriter) error { return s.Retry(1500) }, "retry: 1500\n\n"},
		{"leading space", func(s *http.SSEWriter) error { return s.Data(" x") }, "data:  x\n\n"},
		{"NUL in data", func(s *http.SSEWriter) error { return s.Data("a\x00b") }, "data: a\x00b\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := stream(func(s *http.SSEWriter) {
				if err := tt.send(s); err != nil {
					t.Error(err)
				}
			})
			if got != tt.want {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
		})
	}
}

func TestInvalidEventsSendNothing(t *testing.T) {
	t.Parallel()
	bad := []string{"a\nb", "a\rb", "a\r\nb", "a\x00b", "\n", "\xff"}
	for _, v := range bad {
		for name, send := range map[string]func(s *http.SSEWriter) error{
			"Event":             func(s *http.SSEWriter) error { return s.Event(v, "x") },
			"EventWithID, id":   func(s *http.SSEWriter) error { return s.EventWithID(v, "n", "x") },
			"EventWithID, name": func(s *http.SSEWriter) error { return s.EventWithID("1", v, "x") },
			"ID":                func(s *http.SSEWriter) error { return s.ID(v) },
			"not UTF-8":         func(s *http.SSEWriter) error { return s.Data(v + "\xff") },
			"comment":           func(s *http.SSEWriter) error { return s.Comment(v + "\xff") },
			"Retry":             func(s *http.SSEWriter) error { return s.Retry(-1) },
		} {
			got := stream(func(s *http.SSEWriter) {
				if err := send(s); !errors.Is(err, http.ErrInvalidEvent) {
					t.Errorf("%s with %q: %v, want ErrInvalidEvent", name, v, err)
				}
				if err := s.Data("goes on"); err != nil {
					t.Errorf("after the refused event: %v", err)
				}
			})
			if got != "data: goes on\n\n" {
				t.Errorf("%s with %q sent %q", name, v, got)
			}
		}
	}
}

func FuzzEventsReadBack(f *testing.F) {
	f.Add("1", "stats", "a\nb\r\nc\rd", "hello")
	f.Add("", "", "", "")
	f.Add("x\x00", "n\rdata: forged", "\ndata: forged\n\n", "\r\r\n")
	f.Add("\ufeff", " lead", "\ufeffbom", ":")
	f.Add("é", "ü", "\xff", "日本")
	f.Fuzz(func(t *testing.T, id, name, data, comment string) {
		var want []message
		lastID := ""
		got := stream(func(s *http.SSEWriter) {
			if s.Comment(comment) == nil && !utf8.ValidString(comment) {
				t.Errorf("comment %q was accepted", comment)
			}
			lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
			if s.EventWithID(id, name, data) == nil {
				lastID = id
				want = append(want, message{name, lines, id})
			}
			if s.Event(name, data) == nil {
				want = append(want, message{name, lines, lastID})
			}
			if s.ID(id) == nil {
				lastID = id
			}
			if s.Data(data) == nil {
				want = append(want, message{"", lines, lastID})
			}
			s.Retry(len(data))
		})
		es := readEvents(got)
		if !slices.Equal(es.messages, want) {
			t.Errorf("a client reads %q, want %q, from %q", es.messages, want, got)
		}
		if es.lastID != lastID || es.retry != len(data) {
			t.Errorf("a client keeps id %q and retry %d, want %q and %d", es.lastID, es.retry, lastID, len(data))
		}
	})
}

func TestStreamHeader(t *testing.T) {
	t.Parallel()
	sent := make(chan bool)
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.NewSSEWriter(w)
		<-sent // the header arrives before the handler continues
	})
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		sent <- true
		defer resp.Body.Close()
		want := map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Content-Length": "",
		}
		for name, v := range want {
			if got := resp.Header.Get(name); got != v {
				t.Errorf("%s: %q, want %q", name, got, v)
			}
		}
		connection := "keep-alive"
		if resp.ProtoMajor == 2 {
			connection = ""
		}
		if got := resp.Header.Get("Connection"); got != connection {
			t.Errorf("Connection: %q over %s, want %q", got, resp.Proto, connection)
		}
	})
}

func TestStreamKeepsHeaderFieldsThatAreSet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, before, after string
	}{
		{"Cache-Control", "no-cache, no-transform", "no-cache, no-transform"},
		{"Content-Type", "text/event-stream; charset=utf-8", "text/event-stream; charset=utf-8"},
		{"Content-Type", "Text/Event-Stream ;charset=utf-8", "Text/Event-Stream ;charset=utf-8"},
		{"Content-Type", "application/json", "text/event-stream"},
		{"Content-Type", "text/event-streams", "text/event-stream"},
		{"X-Accel-Buffering", "yes", "yes"},
		{"Content-Length", "5", ""},
	}
	handler := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		name, value, _ := strings.Cut(r.URL.Query().Get("field"), ": ")
		w.Header().Set(name, value)
		http.NewSSEWriter(w)
	}
	for chain, h := range map[string]nethttp.Handler{
		"alone": nethttp.HandlerFunc(handler), "in the chain": documentedChain()(nethttp.HandlerFunc(handler)),
	} {
		t.Run(chain, func(t *testing.T) {
			testkit.EachProtocol(t, h, func(t *testing.T, srv *testkit.Server) {
				for _, tt := range tests {
					res := srv.Get(t, "/?field="+url.QueryEscape(tt.name+": "+tt.before))
					if got := res.Header.Values(tt.name); tt.after == "" && len(got) > 0 || tt.after != "" && !slices.Equal(got, []string{tt.after}) {
						t.Errorf("%s: %s became %q, want %q", tt.name, tt.before, got, tt.after)
					}
				}
			})
		})
	}
}

// A hijackableWriter looks like an HTTP/1 writer of net/http.
type hijackableWriter struct{ *httptest.ResponseRecorder }

func (hijackableWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.ErrUnsupported
}

// Servers for other protocols, such as HTTP/3, have different writers.
func TestStreamAsksForKeepAliveByTheRequestsProtocol(t *testing.T) {
	t.Parallel()
	for proto, want := range map[int]string{1: "keep-alive", 2: "", 3: ""} {
		for _, hijackable := range []bool{false, true} {
			rec := httptest.NewRecorder()
			var w nethttp.ResponseWriter = rec
			if hijackable {
				w = hijackableWriter{rec}
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.ProtoMajor = proto
			http.NewMetrics().Middleware()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				http.NewSSEWriter(w)
			})).ServeHTTP(w, r)
			if got := rec.Header().Get("Connection"); got != want {
				t.Errorf("HTTP/%d, hijackable %t: Connection is %q, want %q", proto, hijackable, got, want)
			}
		}
	}

	// If the request is not known, the type of the writer decides. A recorder stands for an
	// HTTP/1 server, as the requests of httptest.NewRequest do.
	rec, other := httptest.NewRecorder(), httptest.NewRecorder()
	http.NewSSEWriter(rec)
	http.NewSSEWriter(struct{ nethttp.ResponseWriter }{other})
	if got := rec.Header().Get("Connection"); got != "keep-alive" {
		t.Errorf("with a recorder, Connection is %q", got)
	}
	if got := other.Header().Get("Connection"); got != "" {
		t.Errorf("with an unknown writer, Connection is %q", got)
	}
}

// Each event arrives before the next one is sent.
func TestStreamThroughTheChain(t *testing.T) {
	t.Parallel()
	next := make(chan bool)
	handler := documentedChain()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		s := http.NewSSEWriter(w)
		for i := 1; <-next; i++ {
			if err := s.EventWithID(fmt.Sprint(i), "tick", strings.Repeat("x", 3000)); err != nil {
				t.Error(err)
			}
		}
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		r := testkit.NewRequest("GET", srv.URL, "", "Accept-Encoding: gzip")
		r.RequestURI = ""
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("ETag") != "" {
			t.Errorf("the stream was rewritten: %v", resp.Header)
		}
		body := bufio.NewReader(resp.Body)
		for i := 1; i <= 3; i++ {
			next <- true
			var event string
			for !strings.HasSuffix(event, "\n\n") {
				line, err := body.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				event += line
			}
			want := []message{{"tick", strings.Repeat("x", 3000), fmt.Sprint(i)}}
			if got := readEvents(event).messages; !slices.Equal(got, want) {
				t.Fatalf("event %d is %q", i, got)
			}
		}
		next <- false
		if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
			t.Errorf("at the end came %q, %v", rest, err)
		}
	})
}

func TestStreamOutlivesTheWriteTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := testkit.NewPipeListener()
		srv := &nethttp.Server{
			ReadTimeout: time.Second, WriteTimeout: time.Second,
			Handler: documentedChain()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				s := http.NewSSEWriter(w)
				for i := range 4 {
					if err := s.Data(fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
					select {
					case <-r.Context().Done():
						t.Error("the request's context ended")
					case <-time.After(40 * time.Second):
					}
				}
			})),
		}
		go srv.Serve(ln)
		defer srv.Close()
		conn, err := ln.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		resp, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		want := []message{{data: "0"}, {data: "1"}, {data: "2"}, {data: "3"}}
		if got := readEvents(string(body)).messages; err != nil || !slices.Equal(got, want) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// On HTTP/1, the write deadline of the last event has passed when the handler
// returns. The end of the body must be sent all the same, and later requests of
// the connection must not inherit the deadline.
func TestStreamEndsLongAfterItsLastEvent(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"with a write timeout": time.Second, "without": 0} {
		for layer, wrap := range map[string]func(nethttp.Handler) nethttp.Handler{
			"bare":            func(h nethttp.Handler) nethttp.Handler { return h },
			"RequestID":       http.RequestID(http.RequestIDConfig{}),
			"whole chain":     documentedChain(),
			"hidden, outside": func(h nethttp.Handler) nethttp.Handler { return documentedChain()(hidingMiddleware["implicit"](h)) },
		} {
			t.Run(name+", "+layer, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testStreamEndsLate(t, timeout, wrap) })
			})
		}
	}
}

func testStreamEndsLate(t *testing.T, timeout time.Duration, wrap func(nethttp.Handler) nethttp.Handler) {
	ln := testkit.NewPipeListener()
	srv := &nethttp.Server{WriteTimeout: timeout, Handler: wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/stream" {
			time.Sleep(timeout / 2)
			w.Write([]byte("later"))
			return
		}
		if err := http.NewSSEWriter(w).Data("only"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
	}))}
	go srv.Serve(ln)
	defer srv.Close()
	conn, err := ln.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	for _, path := range []string{"/stream", "/later"} {
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := nethttp.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil {
			t.Fatalf("%s: read %q, %v", path, body, err)
		}
		time.Sleep(time.Hour)
	}
}

func TestStalledClientIsGivenUp(t *testing.T) {
	t.Parallel()
	gaveUp := make(chan error, 1)
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		s := http.NewSSEWriter(w)
		s.SetWriteTimeout(50 * time.Millisecond)
		var err error
		for err == nil {
			err = s.Data(strings.Repeat("x", 64<<10))
		}
		if again := s.Data("more"); again != err {
			t.Errorf("after %v a call returned %v", err, again)
		}
		gaveUp <- err
	})
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		<-gaveUp // without reading the body
		resp.Body.Close()
	})
}

// A noFlusher hides the optional methods of a writer.
type noFlusher struct{ nethttp.ResponseWriter }

func (noFlusher) Flush(int) {}

func TestStreamNeedsAFlusher(t *testing.T) {
	t.Parallel()
	s := http.NewSSEWriter(struct{ nethttp.ResponseWriter }{noFlusher{httptest.NewRecorder()}})
	if err := s.Data("x"); !errors.Is(err, nethttp.ErrNotSupported) {
		t.Errorf("without a flusher: %v, want ErrNotSupported", err)
	}
}

// A failing writer returns an error after some writes.
type failing struct {
	*httptest.ResponseRecorder
	left int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return f.ResponseRecorder.Write(p)
}

func TestFailedWriteEndsTheStream(t *testing.T) {
	t.Parallel()
	w := &failing{httptest.NewRecorder(), 1}
	s := http.NewSSEWriter(w)
	if err := s.Data("sent"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Data("lost"); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a call on the broken stream returned %v", err)
		}
	}
	if w.left != -1 {
		t.Errorf("the broken stream was written to %d times", -w.left)
	}
}

func TestEventsFromSeveralGoroutinesStayWhole(t *testing.T) {
	t.Parallel()
	handler := documentedChain()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		s := http.NewSSEWriter(w)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 50 {
					if err := s.Event(fmt.Sprint("g", g), fmt.Sprintf("%d\n%d", g, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		resp := srv.Get(t, "/")
		body := resp.Body
		next := map[string]int{}
		for _, m := range readEvents(string(body)).messages {
			if want := fmt.Sprintf("%s\n%d", m.name[1:], next[m.name]); m.data != want {
				t.Fatalf("event %q carries %q, want %q", m.name, m.data, want)
			}
			next[m.name]++
		}
		for g := range 8 {
			if n := next[fmt.Sprint("g", g)]; n != 50 {
				t.Errorf("%d events of goroutine %d arrived, want 50", n, g)
			}
		}
	})
}

// A goroutine continues after the handler has returned, while the server handles
// other requests with the same pools.
func TestStreamEndsWithItsHandler(t *testing.T) {
	t.Parallel()
	streams := make(chan *http.SSEWriter, 1)
	handler := documentedChain()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/stream" {
			streams <- http.NewSSEWriter(w)
			return
		}
		io.WriteString(w, "plain")
	}))
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	get := func(path string) string {
		resp := srv.Get(t, path)
		body := resp.Body
		return string(body)
	}
	get("/stream")
	late := <-streams
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if late.Data("leaked") == nil {
				t.Error("an event was accepted after the handler returned")
				return
			}
		}
	})
	for range 200 {
		if got := get("/"); got != "plain" {
			t.Errorf("another request was answered %q", got)
		}
	}
	stop()
	wg.Wait()
}

func TestStopEndsStreams(t *testing.T) {
	testkit.CheckLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := http.NewServer(documentedChain()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		s := http.NewSSEWriter(w)
		<-r.Context().Done()
		s.Event("bye", "the server stops")
	})), http.WithListener(ln))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := testkit.Dial(t, ln.Addr().String())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp := conn.ReadResponse("GET")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if want := "event: bye\ndata: the server stops\n\n"; err != nil || string(body) != want {
		t.Errorf("the stream ended with %q, %v", body, err)
	}
}

func TestLastEventID(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	if got := http.LastEventID(r); got != "" {
		t.Errorf("on the first visit: %q", got)
	}
	r.Header.Set("Last-Event-ID", "42")
	if got := http.LastEventID(r); got != "42" {
		t.Errorf("LastEventID() = %q, want 42", got)
	}
}

func TestEventAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	s := http.NewSSEWriter(&flushWriter{})
	data := strings.Repeat("x", 100)
	if n := testing.AllocsPerRun(100, func() { s.EventWithID("17", "tick", data) }); n > 0 {
		t.Errorf("an event allocates %v times", n)
	}
}

// A flushWriter discards a stream.
type flushWriter struct{ nullWriter }

func (*flushWriter) Flush()                           {}
func (*flushWriter) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkEvent sends events of 100 bytes to a client that reads them.
func BenchmarkEvent(b *testing.B) {
	data := strings.Repeat("x", 100)
	b.Run("Fprintf and Flush", func(b *testing.B) {
		benchmarkStream(b, func(w nethttp.ResponseWriter) {
			flusher := w.(nethttp.Flusher)
			for b.Loop() {
				fmt.Fprintf(w, "event: %s\ndata: %s\n\n", "tick", data)
				flusher.Flush()
			}
		})
	})
	b.Run("SSEWriter", func(b *testing.B) {
		benchmarkStream(b, func(w nethttp.ResponseWriter) {
			s := http.NewSSEWriter(w)
			for b.Loop() {
				s.Event("tick", data)
			}
		})
	})
}

func benchmarkStream(b *testing.B, send func(nethttp.ResponseWriter)) {
	b.ReportAllocs()
	srv := testkit.StartServer(b, testkit.HTTP1, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { send(w) }))
	conn := testkit.Dial(b, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	io.Copy(io.Discard, conn)
}

func TestAnSSEWriterWithoutNewSSEWriterPanicsInEveryMethod(t *testing.T) {
	t.Parallel()
	calls := map[string]func(*http.SSEWriter){
		"Comment":         func(s *http.SSEWriter) { s.Comment("x") },
		"Data":            func(s *http.SSEWriter) { s.Data("x") },
		"Event":           func(s *http.SSEWriter) { s.Event("x", "x") },
		"EventWithID":     func(s *http.SSEWriter) { s.EventWithID("x", "x", "x") },
		"ID":              func(s *http.SSEWriter) { s.ID("x") },
		"KeepAlive":       func(s *http.SSEWriter) { s.KeepAlive(1) },
		"Retry":           func(s *http.SSEWriter) { s.Retry(1) },
		"SetWriteTimeout": func(s *http.SSEWriter) { s.SetWriteTimeout(1) },
	}
	for method := range reflect.TypeFor[*http.SSEWriter]().Methods() {
		for name, events := range map[string]*http.SSEWriter{"zero": new(http.SSEWriter), "nil": nil} {
			t.Run(method.Name+" "+name, func(t *testing.T) {
				t.Parallel()
				wantPanic(t, "SSEWriter used without NewSSEWriter; create it with NewSSEWriter(w)",
					func() { calls[method.Name](events) })
			})
		}
	}
}
