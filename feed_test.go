package http_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A block is what a client gets between two empty lines of an event stream.
type block struct{ id, event, data, retry, comment string }

// A feedPage reads an event stream as a browser does.
type feedPage struct {
	t       testing.TB
	res     *http.Response
	scanner *bufio.Scanner
	last    string // the last id
}

// openPage opens the stream of a feed, after an id unless that is empty.
func openPage(t testing.TB, srv *testkit.Server, id string) *feedPage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, header %v", res.StatusCode, res.Header)
	}
	p := &feedPage{t: t, res: res, last: id, scanner: bufio.NewScanner(res.Body)}
	p.scanner.Buffer(nil, 8<<20)
	return p
}

// next returns the next block. ok is false at the end of the stream.
func (p *feedPage) next() (b block, ok bool) {
	for p.scanner.Scan() {
		line := p.scanner.Text()
		if line == "" {
			return b, true
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			b.id, p.last = value, value
		case "event":
			b.event = value
		case "data":
			b.data += value
		case "retry":
			b.retry = value
		case "":
			b.comment = line
		}
	}
	return b, false
}

// want checks the names and data of the next events, each as "name data".
func (p *feedPage) want(events ...string) {
	p.t.Helper()
	for _, want := range events {
		for {
			b, ok := p.next()
			if !ok {
				p.t.Fatalf("the stream ended (%v), want %q", p.scanner.Err(), want)
			}
			if b.event == "" && b.data == "" {
				continue // a position or a heartbeat
			}
			if got := strings.TrimSpace(b.event + " " + b.data); got != want {
				p.t.Fatalf("got %q, want %q", got, want)
			}
			break
		}
	}
}

// wantEnd checks that the stream ends without more events.
func (p *feedPage) wantEnd() {
	p.t.Helper()
	for {
		b, ok := p.next()
		if !ok {
			return
		}
		if b.data != "" {
			p.t.Fatalf("got %+v, want the end", b)
		}
	}
}

// publish publishes events without names and returns their ids.
func publish(t testing.TB, feed *http.Feed, data ...string) []string {
	t.Helper()
	var ids []string
	for _, d := range data {
		id, err := feed.Publish(t.Context(), http.Event{Data: d})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// numbers returns the numbers from first to last-1.
func numbers(first, last int) []string {
	var list []string
	for n := first; n < last; n++ {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

func TestFeedSendsRetryAndPositionAtOnce(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	feed := http.NewFeed(http.FeedConfig{Snapshot: func(ctx context.Context, _ string) (http.Event, error) {
		<-block
		return http.Event{}, nil
	}})
	testkit.EachProtocol(t, feed, func(t *testing.T, srv *testkit.Server) {
		for range 5 {
			p := openPage(t, srv, "")
			b, ok := p.next()
			ms, err := strconv.Atoi(b.retry)
			if !ok || err != nil || ms < 1000 || ms > 3000 || b.id == "" || b.data != "" {
				t.Fatalf("the stream begins with %+v", b)
			}
		}
	})
}

func TestFeedContinuesAfterEveryID(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	testkit.EachProtocol(t, &feed, func(t *testing.T, srv *testkit.Server) {
		first := openPage(t, srv, "")
		first.next() // the position
		ids := append([]string{first.last}, publish(t, &feed, numbers(0, 20)...)...)
		first.want(numbers(0, 20)...)
		for n, id := range ids {
			openPage(t, srv, id).want(numbers(n, 20)...)
		}
	})
}

// A page that loses its connection after any number of bytes of the stream's head has
// all events after it reconnects.
func TestFeedLosesNothingWhenTheHeadIsCut(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var newest string // a list would grow faster than the head that is read
	feed := http.NewFeed(http.FeedConfig{Keep: 10_000, Snapshot: func(context.Context, string) (http.Event, error) {
		mu.Lock()
		defer mu.Unlock()
		return http.Event{Name: "list", Data: newest}, nil
	}})
	add := func(s string) {
		mu.Lock()
		newest = s
		mu.Unlock()
		publish(t, feed, s)
	}
	srv := testkit.StartServer(t, testkit.HTTP1, feed)
	for n := 1; ; n++ {
		conn := testkit.Dial(t, srv.Addr())
		conn.Send("GET / HTTP/1.0\r\nHost: x\r\n\r\n")
		head := make([]byte, n)
		if _, err := io.ReadFull(conn.Conn, head); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		_, body, _ := strings.Cut(string(head), "\r\n\r\n")
		id, ids := "", ""
		for line := range strings.Lines(body) {
			switch value, found := strings.CutPrefix(line, "id: "); {
			case found && strings.HasSuffix(line, "\n"):
				ids = strings.TrimSpace(value)
			case line == "\n":
				id = ids // browsers take the id at the end of a block
			}
		}
		missed := "missed " + strconv.Itoa(n)
		add(missed)
		p := openPage(t, srv, id)
		for {
			b, ok := p.next()
			if !ok {
				t.Fatalf("cut after %d bytes: no %q after id %q", n, missed, id)
			}
			if b.data == missed || b.event == "list" && strings.HasSuffix(b.data, missed) {
				break
			}
		}
		p.res.Body.Close()
		if strings.Contains(body, "event: list") && strings.HasSuffix(body, "\n\n") {
			return // the whole head
		}
	}
}

func TestFeedAnnouncesAGap(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]func(old string) string{
		"dropped":   func(old string) string { return old },
		"foreign":   func(string) string { return publish(t, new(http.Feed), "x")[0] },
		"future":    func(old string) string { return "zzzz" + old[strings.IndexByte(old, '.'):] },
		"long":      func(string) string { return strings.Repeat("1", 500_000) },
		"malformed": func(string) string { return "1,2~x=\"" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			feed := http.NewFeed(http.FeedConfig{Keep: 5, History: true})
			testkit.EachProtocol(t, feed, func(t *testing.T, srv *testkit.Server) {
				ids := publish(t, feed, numbers(0, 20)...)
				p := openPage(t, srv, id(ids[0]))
				b, _ := p.next()
				if b.event != "gap" || b.data != "{}" || b.id == "" || b.retry == "" {
					t.Fatalf("the stream begins with %+v", b)
				}
				p.want(numbers(15, 20)...)
				publish(t, feed, "next")
				p.want("next")
				openPage(t, srv, p.last) // the position after the gap is known
			})
		})
	}
}

func TestFeedTakesTheIDFromTheQuery(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	ids := publish(t, &feed, numbers(0, 5)...)
	withQuery := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "lastEventID=" + ids[1]
		feed.ServeHTTP(w, r)
	})
	srv := testkit.StartServer(t, testkit.HTTP1, withQuery)
	openPage(t, srv, "").want("2", "3", "4")
	openPage(t, srv, ids[3]).want("4") // the field wins
}

func TestFeedStarts(t *testing.T) {
	t.Parallel()
	t.Run("history", func(t *testing.T) {
		t.Parallel()
		feed := http.NewFeed(http.FeedConfig{History: true, Keep: 3})
		publish(t, feed, numbers(0, 10)...)
		testkit.EachProtocol(t, feed, func(t *testing.T, srv *testkit.Server) {
			openPage(t, srv, "").want("7", "8", "9")
		})
	})
	t.Run("latest", func(t *testing.T) {
		t.Parallel()
		feed := http.NewFeed(http.FeedConfig{History: true, Latest: true, Keep: 3})
		ids := publish(t, feed, numbers(0, 10)...)
		testkit.EachProtocol(t, feed, func(t *testing.T, srv *testkit.Server) {
			openPage(t, srv, "").want("9")
			openPage(t, srv, ids[0]).want("9") // no gap
		})
	})
	t.Run("snapshot", func(t *testing.T) {
		t.Parallel()
		var calls atomic.Int64
		feed := http.NewFeed(http.FeedConfig{Snapshot: func(context.Context, string) (http.Event, error) {
			return http.Event{Name: "state", Data: strconv.FormatInt(calls.Add(1), 10)}, nil
		}})
		srv := testkit.StartServer(t, testkit.HTTP1, feed)
		var pages []*feedPage
		for range 20 {
			p := openPage(t, srv, "")
			b, _ := p.next()
			for b.event == "" {
				b, _ = p.next()
			}
			if b.event != "state" || b.id == "" {
				t.Fatalf("%+v", b)
			}
			pages = append(pages, p)
		}
		if n := calls.Load(); n > 19 {
			t.Errorf("%d calls of Snapshot for 20 clients", n)
		}
		publish(t, feed, "next")
		for _, p := range pages {
			p.want("next")
		}
	})
}

func TestFeedWhoseSnapshotFails(t *testing.T) {
	t.Parallel()
	for name, snapshot := range map[string]func(context.Context, string) (http.Event, error){
		"error": func(context.Context, string) (http.Event, error) { return http.Event{}, errors.New("database down") },
		"panic": func(context.Context, string) (http.Event, error) { panic("database down") },
		"json": func(context.Context, string) (http.Event, error) {
			return http.JSONEvent("database down", func() {}), nil
		},
		"name": func(context.Context, string) (http.Event, error) { return http.Event{Name: "database down\n"}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log testkit.Log
			feed := http.NewFeed(http.FeedConfig{Snapshot: snapshot})
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				feed.ServeHTTP(w, r.WithContext(http.ContextWithLogger(r.Context(), log.Text())))
			})
			srv := testkit.StartServer(t, testkit.HTTP1, handler)
			for range 3 {
				p := openPage(t, srv, "")
				p.next()
				b, ok := p.next()
				if !ok || b.retry == "" || b.data != "" {
					t.Errorf("the end is %+v", b)
				}
				p.wantEnd()
			}
			if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "database down") {
				t.Errorf("log: %q", lines)
			}
		})
	}
}

func TestFeedClose(t *testing.T) {
	t.Parallel()
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			var feed http.Feed
			srv := testkit.StartServer(t, protocol, &feed)
			p := openPage(t, srv, "")
			publish(t, &feed, "last")
			feed.Close()
			feed.Close()
			p.want("last")
			p.wantEnd()
			srv.Get(t, "/").Want(t, 204, "")
			srv.Get(t, "/", "Last-Event-ID: "+p.last).Want(t, 204, "")
			if _, err := feed.Publish(t.Context(), http.Event{}); !errors.Is(err, http.ErrFeedClosed) {
				t.Errorf("Publish: %v", err)
			}
			for _, err := range feed.Follow(t.Context(), "") {
				if !errors.Is(err, http.ErrFeedClosed) {
					t.Errorf("Follow: %v", err)
				}
			}
		})
	}
}

func TestFeedRejectsOtherMethods(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	testkit.EachProtocol(t, &feed, func(t *testing.T, srv *testkit.Server) {
		res := srv.Do(t, "POST", "/", "")
		res.Want(t, 405, `{"error":"method not allowed"}`)
		res.WantHeader(t, "Allow", "GET")
		srv.Do(t, "HEAD", "/", "").Want(t, 405, "")
	})
}

func TestFeedPublishRejectsInvalidEvents(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	for _, e := range []http.Event{
		{Name: "a\nb"}, {Name: "a\rb"}, {Name: "a\x00"}, {Name: "\xff"}, {Data: "\xff"}, {Key: "\xff"}, {Gap: true}, {Name: "gap"},
		http.JSONEvent("x", func() {}),
	} {
		if id, err := feed.Publish(t.Context(), e); !errors.Is(err, http.ErrInvalidEvent) || id != "" {
			t.Errorf("Publish(%+v) = %q, %v", e, id, err)
		}
	}
}

func TestFeedKeyFromManyGoroutines(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			ids[i], _ = feed.Publish(t.Context(), http.Event{Data: "x", Key: "k"})
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("ids %q", ids)
		}
	}
}

func TestServerStopEndsFeeds(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	router := http.NewRouter()
	router.Handle("GET /events", &feed)
	router.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
			go feed.Send(context.Background(), conn, "")
			conn.ReadMessage()
			conn.Close()
		}
	})
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get("http://" + server.Addr() + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	conn, _, err := http.Dial(t.Context(), "http://"+server.Addr()+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	closed := make(chan error, 1)
	go func() {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				closed <- err
				return
			}
		}
	}()
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if body, err := io.ReadAll(res.Body); err != nil || !strings.HasPrefix(string(body), "retry: ") {
		t.Errorf("%q, %v", body, err)
	}
	var closeError *http.CloseError
	if err := testkit.Receive(t, closed, "the close frame"); !errors.As(err, &closeError) || closeError.Code != http.CloseGoingAway {
		t.Error(err)
	}
}

// A client that reads nothing is cut, while another gets everything.
func TestFeedCutsClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{WriteTimeout: 300 * time.Millisecond})
	ended := make(chan error, 2)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			feed.ServeHTTP(w, r)
			ended <- nil
			return
		}
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err == nil {
			defer conn.Close()
			err = feed.Send(r.Context(), conn, "")
		}
		ended <- err
	})
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	stalled := testkit.Dial(t, srv.Addr())
	stalled.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	socket, _, err := http.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.CloseNow()
	reader := openPage(t, srv, "")
	reader.next()
	data := strings.Repeat("x", 256<<10)
	for cut := 0; cut < 2; {
		publish(t, feed, data)
		reader.want(data)
		select {
		case <-ended:
			cut++
		default:
		}
	}
}

// A socket reads the messages that Send sends.
type socket struct {
	t    *testing.T
	conn *http.Conn
}

func serveSocket(t *testing.T, feed *http.Feed, upgrader http.Upgrader) *testkit.Server {
	return testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
		if err := feed.Send(r.Context(), conn, http.QueryParam(r, "after")); errors.Is(err, http.ErrFeedClosed) {
			conn.Close()
		}
	}))
}

func openSocket(t *testing.T, srv *testkit.Server, after string, options *http.DialOptions) *socket {
	t.Helper()
	conn, _, err := http.Dial(t.Context(), srv.URL+"?after="+after, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return &socket{t, conn}
}

func (s *socket) next() string {
	s.t.Helper()
	_, message, err := s.conn.ReadMessage()
	if err != nil {
		s.t.Fatal(err)
	}
	return string(message)
}

func TestFeedSendWritesMessages(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{Keep: 4})
	srv := serveSocket(t, feed, http.Upgrader{})
	s := openSocket(t, srv, "", nil)
	var first struct{ ID string }
	if err := s.conn.ReadJSON(&first); err != nil || first.ID == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, tt := range []struct {
		event http.Event
		want  string
	}{
		{http.Event{Data: `{"a": [1]}`}, `"data":{"a": [1]}}`},
		{http.Event{Name: "x\"y", Data: "text"}, `"event":"x\"y","data":"text"}`},
		{http.Event{}, `"data":""}`},
		{http.JSONEvent("n", 1), `"event":"n","data":1}`},
	} {
		id, err := feed.Publish(t.Context(), tt.event)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.next(), `{"id":"`+id+`",`+tt.want; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	ids := publish(t, feed, numbers(0, 4)...)
	s = openSocket(t, srv, ids[1], nil)
	if got, want := s.next(), `{"id":"`+ids[1]+`"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := s.next(); !strings.HasSuffix(got, `"data":2}`) {
		t.Error(got)
	}
	s = openSocket(t, srv, first.ID, nil)
	if got, want := s.next(), `{"id":"`+ids[3]+`","event":"gap","data":{}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	feed.Close()
	var closed *http.CloseError
	if _, _, err := s.conn.ReadMessage(); !errors.As(err, &closed) || closed.Code != http.CloseNormalClosure {
		t.Error(err)
	}
}

// Messages of all sizes arrive in each form in which they are sent.
func TestFeedSendSharesMessages(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{History: true})
	var want []string
	for n := range 300 {
		data := strings.Repeat(fmt.Sprintf("%d<%x>", n, n*n*7919), n*n%401)
		switch n {
		case 100:
			data = strings.Repeat("long ", 60<<10)
		case 200:
			data = strings.Repeat("1 MB", 256<<10)
		}
		want = append(want, data)
	}
	publish(t, feed, want[:150]...)
	type form struct {
		upgrader http.Upgrader
		options  http.DialOptions
	}
	var sockets []*socket
	for _, f := range []form{
		{},
		{http.Upgrader{EnableCompression: true}, http.DialOptions{EnableCompression: true}},
		{http.Upgrader{EnableCompression: true, NoContextTakeover: true}, http.DialOptions{EnableCompression: true}},
		{http.Upgrader{EnableCompression: true, CompressionThreshold: -1}, http.DialOptions{EnableCompression: true, NoContextTakeover: true}},
		{http.Upgrader{EnableCompression: true}, http.DialOptions{}},
	} {
		s := openSocket(t, serveSocket(t, feed, f.upgrader), "", &f.options)
		s.next()
		sockets = append(sockets, s)
	}
	check := func(from, to int) {
		t.Helper()
		for i, s := range sockets {
			for n := from; n < to; n++ {
				var got struct{ Data any }
				if err := s.conn.ReadJSON(&got); err != nil {
					t.Fatal(err)
				}
				if fmt.Sprint(got.Data) != want[n] {
					t.Fatalf("socket %d, message %d differs", i, n)
				}
			}
		}
	}
	check(0, 150)
	publish(t, feed, want[150:]...)
	check(150, 300)
}

func TestWriteEventRejectsInvalidEvents(t *testing.T) {
	t.Parallel()
	srv := serveSocket(t, new(http.Feed), http.Upgrader{})
	s := openSocket(t, srv, "", nil)
	for _, e := range []http.Event{{Name: "a\nb"}, {Data: "\xff"}, {Name: "gap"}, http.JSONEvent("x", func() {})} {
		if err := s.conn.WriteEvent(e); !errors.Is(err, http.ErrInvalidEvent) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestFeedsAreSeparate(t *testing.T) {
	t.Parallel()
	var feeds http.Feeds
	router := http.NewRouter()
	router.HandleFunc("GET /{key}", func(w http.ResponseWriter, r *http.Request) {
		feeds.Feed(r.PathValue("key")).ServeHTTP(w, r)
	})
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	ids := publish(t, feeds.Feed("a"), "1", "2")
	publish(t, feeds.Feed("b"), "other")
	for event, err := range feeds.Feed("a").Follow(t.Context(), ids[0]) {
		if event.Data != "2" || err != nil {
			t.Errorf("%+v, %v", event, err)
		}
		break
	}
	for event, err := range feeds.Feed("b").Follow(t.Context(), ids[0]) {
		if !event.Gap || event.Name != "gap" || err != nil {
			t.Errorf("an id of another feed: %+v, %v", event, err)
		}
		break
	}
	if message := panicText(func() { feeds.Feed("a").Close() }); !strings.Contains(message, "feed_test.go:") || !strings.Contains(message, "Feeds.Close") {
		t.Error(message)
	}
	feeds.Close()
	srv.Get(t, "/a").Want(t, 204, "")
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	publish(t, &feed, numbers(0, 100)...)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("enough")
	var errs []error
	position := publish(t, &feed, "x")[0]
	cancelAt := 0
	publish(t, &feed, numbers(0, 500)...)
	for _, err := range feed.Follow(ctx, position) {
		if err != nil {
			errs = append(errs, err)
		}
		if cancelAt++; cancelAt == 3 {
			cancel(why)
		}
	}
	if len(errs) != 1 || !errors.Is(errs[0], why) {
		t.Errorf("errors %v", errs)
	}
	if cancelAt != 4 {
		t.Errorf("%d pairs after the context was canceled, want only the error", cancelAt-3)
	}
}

func TestFeedHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		feed := http.NewFeed(http.FeedConfig{})
		listener := testkit.NewPipeListener()
		server := http.NewServer(feed, http.WithListener(listener))
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer server.Stop(context.Background())
		conn, err := listener.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		lines := make(chan string, 1000)
		go func() {
			for scanner := bufio.NewScanner(conn); scanner.Scan(); {
				lines <- scanner.Text()
			}
		}()
		began, comments := time.Now(), 0
		last := began
		for time.Since(began) < time.Hour {
			if line := <-lines; line == ":" {
				comments++
				if quiet := time.Since(last); quiet > 20*time.Second {
					t.Errorf("nothing was sent for %v", quiet)
				}
				last = time.Now()
			}
		}
		if comments < 180 || comments > 241 {
			t.Errorf("%d heartbeats in an hour", comments)
		}
	})
}

// What one feed publishes arrives at the clients of another one with the same store.
func TestFeedsShareAStore(t *testing.T) {
	t.Parallel()
	store := &tableStore{changed: make(chan struct{})}
	var feeds [2]*http.Feed
	var pages []*feedPage
	for i := range feeds {
		feeds[i] = http.NewFeed(http.FeedConfig{Store: store, Name: "f", Heartbeat: time.Second})
		t.Cleanup(feeds[i].Close)
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			p := openPage(t, testkit.StartServer(t, protocol, feeds[i]), "")
			for p.last == "" {
				p.next()
			}
			pages = append(pages, p)
		}
	}
	for n := range 50 {
		publish(t, feeds[n%2], strconv.Itoa(n))
	}
	for _, p := range pages {
		p.want(numbers(0, 50)...)
	}
}

// A quietWriter is the ResponseWriter of a client that reads everything at once.
type quietWriter struct {
	header http.Header
	wrote  chan struct{}
}

func (w *quietWriter) Header() http.Header                { return w.header }
func (w *quietWriter) WriteHeader(int)                    {}
func (w *quietWriter) Write(p []byte) (int, error)        { return len(p), nil }
func (w *quietWriter) SetWriteDeadline(_ time.Time) error { return nil }
func (w *quietWriter) Flush()                             { w.wrote <- struct{}{} }

func TestFollowersAddNoAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	perEvent := func(followers int) float64 {
		var feed http.Feed
		ctx, cancel := context.WithCancel(t.Context())
		wrote := make(chan struct{}, followers)
		var wg sync.WaitGroup
		for range followers {
			wg.Go(func() {
				feed.ServeHTTP(&quietWriter{http.Header{}, wrote}, testkit.NewRequest("GET", "/", "").WithContext(ctx))
			})
		}
		round := func() {
			for range followers {
				<-wrote
			}
		}
		round() // the heads
		event := func() {
			if _, err := feed.Publish(ctx, http.Event{Data: "x"}); err != nil {
				t.Error(err)
			}
			round()
		}
		for range 50 {
			event()
		}
		allocations := testing.AllocsPerRun(100, event)
		cancel()
		wg.Wait()
		return allocations
	}
	one, many := perEvent(1), perEvent(1000)
	t.Logf("allocations an event: %v with 1 follower, %v with 1,000", one, many)
	if many > one+20 {
		t.Errorf("%v allocations an event with 1,000 followers, %v with one", many, one)
	}
}

// All events that are ready are sent with one write.
func TestFeedSendsWhatIsReadyWithOneWrite(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{History: true})
	publish(t, feed, numbers(0, 100)...)
	ctx, cancel := context.WithCancel(t.Context())
	w := &bodyWriter{quietWriter: quietWriter{http.Header{}, make(chan struct{}, 10)}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		feed.ServeHTTP(w, testkit.NewRequest("GET", "/", "").WithContext(ctx))
	}()
	testkit.Receive(t, w.wrote, "the events")
	cancel()
	testkit.Receive(t, done, "the end")
	if w.writes != 1 || bytes.Count(w.body, []byte("data: ")) != 100 {
		t.Errorf("%d writes: %q", w.writes, w.body)
	}
}

type bodyWriter struct {
	quietWriter
	writes int
	body   []byte
}

func (w *bodyWriter) Write(p []byte) (int, error) {
	w.writes++
	w.body = append(w.body, p...)
	return len(p), nil
}

// A client that does not read holds what is being written to it. That is at most 64
// KB, however much larger the encoding of an event is than its data.
func TestFeedWritesAtMost64KBAtOnce(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{History: true})
	data := strings.Repeat("\n", 1000) // a data field for each line
	for range 100 {
		publish(t, feed, data)
	}
	large := strings.Repeat("1", 100<<10)
	publish(t, feed, large, "last")
	ctx, cancel := context.WithCancel(t.Context())
	w := &sizedWriter{end: []byte("data: last\n\n"), cancel: cancel}
	w.header = http.Header{}
	feed.ServeHTTP(w, testkit.NewRequest("GET", "/", "").WithContext(ctx))
	if n := len(w.sizes); n > 25 {
		t.Errorf("%d writes for 100 events of 7 KB and one of 100 KB", n)
	}
	for i, size := range w.sizes {
		if size > 64<<10 && size < len(large) || size > len(large)+1000 {
			t.Errorf("write %d has %d bytes", i, size)
		}
	}
	if n := bytes.Count(w.body, []byte("data: \n")); n != 100*1001 || !bytes.Contains(w.body, []byte(large)) {
		t.Errorf("%d empty lines in %d bytes", n, len(w.body))
	}
}

// A sizedWriter notes how many bytes are written before each flush.
type sizedWriter struct {
	bodyWriter
	sizes  []int
	sent   int
	end    []byte
	cancel func() // called when the body ends with end
}

func (w *sizedWriter) Flush() {
	w.sizes = append(w.sizes, len(w.body)-w.sent)
	if w.sent = len(w.body); bytes.HasSuffix(w.body, w.end) {
		w.cancel()
	}
}

func TestFeedSendOnAConnWithoutDialPanics(t *testing.T) {
	t.Parallel()
	message := panicText(func() { new(http.Feed).Send(t.Context(), new(http.Conn), "") })
	if !strings.Contains(message, "feed_test.go:") || !strings.Contains(message, "Conn used without Dial or Upgrade") {
		t.Error(message)
	}
}

// A client that has disconnected ends the handler.
func TestFeedNoticesThatTheClientHasLeft(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	left := make(chan struct{}, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		feed.ServeHTTP(w, r)
		left <- struct{}{}
	})
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		openPage(t, srv, "").res.Body.Close()
		testkit.Receive(t, left, "the end of the handler")
	})
	conn, err := net.Dial("tcp", testkit.StartServer(t, testkit.HTTP1, handler).Addr())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.Close()
	testkit.Receive(t, left, "the end of the handler")
}
