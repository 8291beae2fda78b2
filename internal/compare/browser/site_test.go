package browser_test

import (
	"context"
	_ "embed"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

//go:embed feed.html
var feedPage []byte

// A site is a server with a feed and with pages that follow it.
type site struct {
	t        *testing.T
	url      string
	arrivals chan *following // of requests for the feed

	mu     sync.Mutex
	feed   *http.Feed
	held   chan struct{} // if not nil, requests for the feed wait until it is closed
	pages  int           // number of requests for pages
	server *http.Server
}

// A following is a request for the feed.
type following struct {
	last  string // Last-Event-ID, or the query parameter
	proto string
	cut   func()        // ends the response
	done  chan struct{} // closed when the response has ended
}

// newSite starts a site, which runs until the test ends.
func newSite(t *testing.T, feed *http.Feed, options ...http.ServerOption) *site {
	t.Helper()
	s := &site{t: t, feed: feed, arrivals: make(chan *following, 1000)}
	l := listen(t)
	s.url = "http://" + l.Addr().String()
	s.start(append(options, http.WithListener(l))...)
	t.Cleanup(s.stop)
	return s
}

// start starts the server.
func (s *site) start(options ...http.ServerOption) {
	s.t.Helper()
	router := http.NewRouter()
	router.Use(http.Compress(http.CompressConfig{}))
	router.Use(http.ETag(http.ETagConfig{}))
	router.Use(http.Recovery(nil))
	for _, page := range []string{"/plain", "/live", "/tasks", "/socket", "/away"} {
		router.HandleFunc("GET "+page, s.servePage)
	}
	for path, start := range map[string]string{"/live.js": "// live follows ", "/tasks.js": "live('/tasks/events', "} {
		script := []byte(documented(s.t, start))
		router.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(script) // if the browser has exited, the test fails elsewhere
		})
	}
	router.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(http.StatusNoContent)
	})
	router.HandleFunc("GET /events", s.serveEvents)
	router.HandleFunc("GET /tasks/events", s.serveEvents)
	router.HandleFunc("GET /socket/events", s.serveSocket)
	s.server = http.NewServer(router, options...)
	if err := s.server.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// stop stops the server. Requests that wait are released.
func (s *site) stop() {
	s.release()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.server.Stop(ctx); err != nil {
		s.t.Error(err)
	}
}

// restart starts the server again, at the same address.
func (s *site) restart() {
	s.t.Helper()
	s.start(http.WithAddr(strings.TrimPrefix(s.url, "http://")))
}

// use replaces the feed.
func (s *site) use(feed *http.Feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed = feed
}

func (s *site) servePage(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.pages++
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(feedPage) // if the browser has exited, the test fails elsewhere
}

// pagesServed returns the number of requests for pages.
func (s *site) pagesServed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages
}

func (s *site) serveEvents(w http.ResponseWriter, r *http.Request) {
	last := http.LastEventID(r)
	if last == "" {
		last = http.QueryParam(r, "lastEventID")
	}
	feed, r, done := s.arrive(r, last)
	defer done()
	feed.ServeHTTP(w, r)
}

func (s *site) serveSocket(w http.ResponseWriter, r *http.Request) {
	feed, r, done := s.arrive(r, http.QueryParam(r, "after"))
	defer done()
	var upgrader http.Upgrader
	conn, err := upgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	go func() {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	_ = feed.Send(r.Context(), conn, http.QueryParam(r, "after")) // the test sees what the page gets
}

// arrive announces a request for the feed and waits while requests are held. The
// caller must call done.
func (s *site) arrive(r *http.Request, last string) (feed *http.Feed, request *http.Request, done func()) {
	ctx, cancel := context.WithCancel(r.Context())
	f := &following{last: last, proto: r.Proto, cut: cancel, done: make(chan struct{})}
	s.arrivals <- f
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		<-held
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.feed, r.WithContext(ctx), func() { cancel(); close(f.done) }
}

// next waits for the next request for the feed.
func (s *site) next() *following {
	s.t.Helper()
	return testkit.Receive(s.t, s.arrivals, "a request for the feed")
}

// none checks that there was no other request for the feed.
func (s *site) none() {
	s.t.Helper()
	select {
	case f := <-s.arrivals:
		s.t.Errorf("there was another request for the feed, after %q", f.last)
	default:
	}
}

// hold makes requests for the feed wait until release.
func (s *site) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

func (s *site) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		close(s.held)
		s.held = nil
	}
}

// say publishes events and returns the reports of a plain page that gets them.
func (s *site) say(texts ...string) (reports []string) {
	s.t.Helper()
	for _, text := range texts {
		id, err := s.feed.Publish(s.t.Context(), http.Event{Name: "said", Data: text})
		if err != nil {
			s.t.Fatal(err)
		}
		reports = append(reports, "said "+text+" "+id)
	}
	return reports
}

// otherHost returns the URL of the site with another name of the host, to which
// the browser opens other connections.
func (s *site) otherHost() string {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	return "http://localhost:" + port
}

// passTime makes a page reconnect several times. Another page, which stays away during
// this time, does not reconnect.
func (s *site) passTime(f *following) {
	s.t.Helper()
	for range 5 {
		f.cut()
		f = s.next()
	}
}
