package http_test

import (
	"context"
	"math/rand/v2"
	nethttp "net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Feeds are forgotten and made again while clients come and go. A client that continues
// without a gap has missed nothing.
func TestFeedsAreForgottenWhileClientsComeAndGo(t *testing.T) {
	t.Parallel()
	feeds := http.NewFeeds(http.FeedConfig{KeepFor: 3 * time.Millisecond})
	router := http.NewRouter()
	router.HandleFunc("GET /{key}", func(w http.ResponseWriter, r *http.Request) {
		feeds.Feed(r.PathValue("key")).ServeHTTP(w, r)
	})
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	ctx, cancel := context.WithCancel(t.Context())
	var publishers sync.WaitGroup
	t.Cleanup(publishers.Wait)
	t.Cleanup(cancel)
	for _, key := range []string{"a", "b", "c"} {
		publishers.Go(func() {
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				if _, err := feeds.Feed(key).Publish(ctx, http.Event{Data: strconv.Itoa(n)}); err != nil {
					t.Error(err)
				}
				if n%8 == 0 { // long enough to be forgotten
					<-time.After(10 * time.Millisecond)
				}
				<-tick.C
			}
		})
		for client := range 2 {
			t.Run(key+strconv.Itoa(client), func(t *testing.T) {
				t.Parallel()
				run := &keyedRun{url: srv.URL + "/" + key, next: -1}
				for deadline := time.Now().Add(testkit.Patience); run.gaps < 3; {
					run.read(t, srv.Client(), 1+rand.N(5))
					<-time.After(rand.N(20 * time.Millisecond)) // sometimes the feed is forgotten meanwhile
					if time.Now().After(deadline) {
						t.Fatal("the feed was never forgotten")
					}
				}
			})
		}
	}
}

// A keyedRun is what a client gets on several streams of one feed.
type keyedRun struct {
	url  string
	id   string
	next int // number of the event that comes next, or -1 if it is unknown
	gaps int
}

// read continues with a new stream, until it has got n events.
func (r *keyedRun) read(t *testing.T, client *nethttp.Client, n int) {
	t.Helper()
	req, err := nethttp.NewRequestWithContext(t.Context(), "GET", r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.id != "" {
		req.Header.Set("Last-Event-ID", r.id)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p := &feedPage{t: t, res: res, scanner: newScanner(res.Body)}
	for n > 0 {
		b, ok := p.next()
		switch number, err := strconv.Atoi(b.data); {
		case !ok:
			t.Fatalf("the stream ended: %v", p.scanner.Err())
		case b.event == "gap":
			r.next = -1
			r.gaps++
		case err == nil && r.next >= 0 && number != r.next:
			t.Fatalf("got event %d, want %d", number, r.next)
		case err == nil:
			r.next = number + 1
			n--
		}
		r.id = p.last
	}
}
