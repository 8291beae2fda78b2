package browser_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// connections is the number of HTTP/1.1 connections that Chromium opens to a host.
const connections = 6

// newChat returns a site whose pages get all events.
func newChat(t *testing.T, options ...http.ServerOption) *site {
	t.Helper()
	return newSite(t, http.NewFeed(http.FeedConfig{History: true, Retry: soon}), options...)
}

// wantWaiting begins to load a page in a tab, and checks that the browser does not
// send its request, although it has a connection to another host for the tab other.
// The returned channel receives when the server has responded.
func (s *site) wantWaiting(page, other *tab, path string) <-chan message {
	s.t.Helper()
	before := s.pagesServed()
	for len(page.requests) > 0 {
		<-page.requests
	}
	loading := page.b.begin(page.session, "Page.navigate", object{"url": s.url + path})
	for testkit.Receive(s.t, page.requests, "request for "+path) != s.url+path {
	}
	for range 10 {
		if status := other.eval("fetch('" + s.otherHost() + "/ping').then(response => response.status)"); status != 204.0 {
			s.t.Errorf("another host responds with %v", status)
		}
	}
	if after := s.pagesServed(); after != before {
		s.t.Error("the page has loaded")
	}
	return loading
}

// Without the script, the pages of six tabs use all connections. The page of the
// seventh does not load.
func TestSeventhTabWaits(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	b := newBrowser(t)
	var tabs []*tab
	for range connections {
		page := b.open()
		page.visit(s.url + "/plain")
		page.await("open")
		tabs = append(tabs, page)
	}
	seventh := b.open()
	loading := s.wantWaiting(seventh, tabs[0], "/plain")
	said := s.say("one")
	for _, page := range tabs {
		page.want(said...)
	}
	tabs[0].close()
	testkit.Receive(t, loading, "the seventh page")
	seventh.await("open")
	seventh.want(said...)
}

// With the script, only visible pages have a connection. The other ones continue when
// they become visible.
func TestSeventhTabWithTheScript(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	b := newBrowser(t)
	var tabs []*tab
	var want []string
	for n := range 2 * connections {
		page := b.open()
		page.visit(s.url + "/live")
		page.want("gap begin")
		tabs = append(tabs, page)
		text := strconv.Itoa(n)
		s.say(text)
		want = append(want, "said "+text)
		page.want(want...)
	}
	for i, page := range tabs {
		page.show()
		page.want(want[i+1:]...)
	}
	s.say("last")
	tabs[len(tabs)-1].want("said last")
	for i, page := range tabs[:len(tabs)-1] {
		page.show()
		page.want("said last")
		page.wantSeen(append([]string{"gap begin"}, append(slices.Clone(want), "said last")...)...)
		if len(page.reports) > 0 {
			t.Errorf("page %d reports %q too", i, <-page.reports)
		}
	}
}

// wantSeen checks all events that the page has got since it was loaded.
func (t *tab) wantSeen(events ...string) {
	t.b.t.Helper()
	var got []string
	for _, event := range t.eval("seen").([]any) {
		got = append(got, event.(string))
	}
	if !slices.Equal(got, events) {
		t.b.t.Errorf("the page has got %q, want %q", got, events)
	}
}

// With HTTP/2, all pages share a connection.
func TestSeventhTabOverHTTP2(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := testkit.KeyPair(t)
	s := newChat(t, http.WithTLS(certFile, keyFile))
	s.url = "https" + s.url[len("http"):]
	b := newBrowser(t)
	var tabs []*tab
	for range 2 * connections {
		page := b.open()
		page.acceptCertificates()
		page.visit(s.url + "/plain")
		page.await("open")
		if proto := s.next().proto; proto != "HTTP/2.0" {
			t.Fatalf("the browser uses %s", proto)
		}
		tabs = append(tabs, page)
	}
	said := s.say("one", "two")
	for _, page := range tabs {
		page.want(said...)
	}
}

// Without the script, pages that the user has left for other pages keep their
// connections, and the seventh page in the tab does not load.
func TestPagesThatTheUserHasLeftKeepTheirConnections(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	b := newBrowser(t)
	other := b.open()
	other.visit(s.otherHost() + "/away")
	page := b.open()
	for n := range connections {
		page.visit(s.url + "/plain?" + strconv.Itoa(n))
		page.await("open")
	}
	loading := s.wantWaiting(page, other, "/plain?last")
	s.feed.Close()
	testkit.Receive(t, loading, "the last page")
}

// With the script, such pages close their streams, and continue when the user comes
// back.
func TestBackAndForwardWithTheScript(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"pages notice that they are hidden": "/live?",
		"pages notice only that they leave": "/live?unnoticed",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testBackAndForward(t, path)
		})
	}
}

func testBackAndForward(t *testing.T, path string) {
	s := newChat(t)
	page := newBrowser(t).open()
	want := []string{"gap begin"}
	say := func(text string) {
		s.say(text)
		want = append(want, "said "+text)
		page.want("said " + text)
	}
	page.visit(s.url + path)
	page.want(want...)
	first := s.next()
	say("one")
	for n := range connections {
		page.visit(s.url + path + strconv.Itoa(n))
		page.want(want...)
		s.next()
		say(strconv.Itoa(n))
	}
	testkit.Receive(t, first.done, "end of the first page's stream")
	for n := connections - 2; n >= 0; n-- {
		page.back()
		page.want(want[n+3:]...)
		page.wantSeen(want...)
		if f := s.next(); f.last == "" {
			t.Error("the page does not send the id of the last event")
		}
		say("back at " + strconv.Itoa(n))
		page.wantSeen(want...)
	}
	s.none()
}

// back returns to the page before this one. The browser must have kept it.
func (t *tab) back() {
	t.b.t.Helper()
	t.eval("history.back()")
	t.await("kept")
}

// If the page that the user has left has no script, Chromium may keep it with its
// stream, or load it again. In both cases, it is complete when the user comes back.
func TestBackToAPageWithoutTheScript(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	page := newBrowser(t).open()
	page.visit(s.url + "/plain")
	page.await("open")
	want := s.say("one")
	page.want(want...)
	page.visit(s.url + "/away")
	want = append(want, s.say("two", "three")...)
	page.eval("history.back()")
	want = append(want, s.say("four")...)
	for last := ""; last != want[3]; {
		last = testkit.Receive(t, page.reports, want[3])
	}
	page.wantSeen(want...)
}

// nginx responds with 502 while the server restarts. EventSource then never
// reconnects.
func TestPageStopsAtAProxysError(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	proxy := startNginx(t, s)
	b := newBrowser(t)
	page := b.open()
	page.acceptCertificates()
	page.visit(proxy + "/plain")
	page.await("open")
	one := s.say("one")
	page.want(one...)
	s.next()
	s.stop()
	page.await("502")
	page.await("closed")
	s.restart()
	other := b.open() // shows that the server is back
	other.acceptCertificates()
	other.visit(proxy + "/plain")
	other.want(append(one, s.say("two")...)...)
	s.passTime(s.next())
	s.none()
}

// With the script, the page reconnects.
func TestPageContinuesAfterAProxysErrorWithTheScript(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	page := newBrowser(t).open()
	page.acceptCertificates()
	page.visit(startNginx(t, s) + "/live")
	page.want("gap begin")
	s.say("one")
	page.want("said one")
	s.stop()
	page.await("502")
	s.say("two")
	s.restart()
	page.want("said two")
	s.say("three")
	page.want("said three")
	page.wantSeen("gap begin", "said one", "said two", "said three")
}

// A page that is opened in a hidden tab has no stream until it is shown.
func TestPageInAHiddenTab(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	b := newBrowser(t)
	b.open()
	page := b.newTab(true)
	page.visit(s.url + "/live")
	page.eval("fetch('/ping')")
	s.none()
	page.show()
	page.want("gap begin")
	s.say("one")
	page.want("said one")
}

// The script does not know the position of a page before its first event. If such a
// page was hidden, it gets a gap.
func TestPageHiddenBeforeItsFirstEventGetsAGap(t *testing.T) {
	t.Parallel()
	s := newSite(t, http.NewFeed(http.FeedConfig{}))
	b := newBrowser(t)
	page := b.open()
	page.visit(s.url + "/live")
	page.want("gap begin")
	b.open()
	testkit.Receive(t, s.next().done, "end of the hidden page's stream")
	s.say("one")
	page.show()
	page.want("gap begin")
	s.say("two")
	page.want("said two")
}

// A WebSocket works through nginx too, also if the page was loaded over HTTP/2.
func TestSocketContinuesBehindAProxy(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	page := newBrowser(t).open()
	page.acceptCertificates()
	page.visit(startNginx(t, s) + "/socket")
	if proto := s.next().proto; proto != "HTTP/1.1" {
		t.Errorf("the WebSocket uses %s", proto)
	}
	page.await("open")
	page.want(s.say("one")...)
	s.stop()
	page.await("closed 1006") // nginx has responded with 502
	said := s.say("two")
	s.restart()
	page.want(said...)
	page.want(s.say("three")...)
}

// A closed feed ends the script too.
func TestPageOfAClosedFeedStopsWithTheScript(t *testing.T) {
	t.Parallel()
	s := newChat(t)
	b := newBrowser(t)
	page := b.open()
	page.visit(s.url + "/live")
	page.want("gap begin")
	s.next()
	s.feed.Close()
	s.next() // the browser
	s.next() // the script
	page.await("204")
	page.await("204")
	b.open()
	page.await("hidden")
	page.show()
	page.await("visible")
	page.eval("fetch('/ping')")
	s.none()
}

// The example after the script.
func TestTasksWithTheScript(t *testing.T) {
	t.Parallel()
	s := newSite(t, http.NewFeed(http.FeedConfig{Snapshot: func(context.Context, string) (http.Event, error) {
		return http.JSONEvent("list", []string{"buy milk"}), nil
	}}))
	page := newBrowser(t).open()
	page.visit(s.url + "/tasks")
	page.want(`showTasks ["buy milk"]`)
	if _, err := s.feed.Publish(t.Context(), http.JSONEvent("added", "call Ann")); err != nil {
		t.Fatal(err)
	}
	page.want(`showTask "call Ann"`)
}
