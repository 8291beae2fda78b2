package http_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// This handler streams the ticks of a clock until the client disconnects, the
// server stops, or there are no more ticks.
func ExampleSSEWriter() {
	ticks := make(chan string, 2)
	ticks <- "10:00"
	ticks <- "10:01"
	close(ticks)
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		for {
			select {
			case <-r.Context().Done():
				return
			case tick, ok := <-ticks:
				if !ok {
					return
				}
				if err := stream.Event("tick", tick); err != nil {
					return
				}
			}
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/clock", nil))
	fmt.Print(rec.Body)
	// Output:
	// event: tick
	// data: 10:00
	//
	// event: tick
	// data: 10:01
}

// The header is sent at once, before the first event.
func ExampleNewSSEWriter() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		http.NewSSEWriter(w)
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Println(rec.Flushed)
	fmt.Println(rec.Header().Get("Content-Type"))
	fmt.Println(rec.Header().Get("Cache-Control"))
	// Output:
	// true
	// text/event-stream
	// no-cache
}

// In a browser, addEventListener("stats", ...) receives this event.
func ExampleSSEWriter_Event() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		if err := stream.Event("stats", `{"count":42}`); err != nil {
			return // the client has disconnected
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output:
	// event: stats
	// data: {"count":42}
}

// Data may have several lines. In a browser, onmessage receives this event.
func ExampleSSEWriter_Data() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		if err := stream.Data("two\nlines"); err != nil {
			return // the client has disconnected
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output:
	// data: two
	// data: lines
}

// When the client reconnects, it sends the ID of the last event it received;
// see [http.LastEventID].
func ExampleSSEWriter_EventWithID() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		if err := stream.EventWithID("17", "task", "done"); err != nil {
			return // the client has disconnected
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output:
	// id: 17
	// event: task
	// data: done
}

// The client remembers the ID, although it receives no event.
func ExampleSSEWriter_ID() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		if err := stream.ID("17"); err != nil {
			return // the client has disconnected
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output: id: 17
}

// A comment now and then keeps proxies from closing an idle stream.
func ExampleSSEWriter_Comment() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		if err := stream.Comment("keepalive"); err != nil {
			return // the client has disconnected
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output: : keepalive
}

// If the stream ends, the client waits 5 seconds before it reconnects.
func ExampleSSEWriter_Retry() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		if err := stream.Retry(5000); err != nil {
			return // the client has disconnected
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output: retry: 5000
}

// If a client stops reading, Data returns an error after 5 seconds.
func ExampleSSEWriter_SetWriteTimeout() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		stream.SetWriteTimeout(5 * time.Second)
		if err := stream.Data("in time"); err != nil {
			return // the client has disconnected or stopped reading
		}
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Print(rec.Body)
	// Output: data: in time
}

// Comments keep proxies from closing a stream that has no events for a while. A
// real server would use a longer duration, for example 30 seconds.
func ExampleSSEWriter_KeepAlive() {
	router := http.NewRouter()
	router.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		events := http.NewSSEWriter(w)
		events.KeepAlive(10 * time.Millisecond)
		<-r.Context().Done() // wait for something to send
	})
	ctx := context.Background()
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := server.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer server.Stop(ctx)

	res, err := http.Get("http://" + server.Addr() + "/events")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
	// Output: ":\n" <nil>
}

// When a client reconnects, this handler sends the events that it has missed.
func ExampleLastEventID() {
	events := []string{"one", "two", "three"} // with the IDs 1, 2 and 3
	handler := func(w http.ResponseWriter, r *http.Request) {
		last, err := strconv.Atoi(http.LastEventID(r))
		if err != nil || last < 0 || last > len(events) {
			last = 0 // a new client, or an ID that it has made up
		}
		stream := http.NewSSEWriter(w)
		for i := last; i < len(events); i++ {
			if err := stream.EventWithID(strconv.Itoa(i+1), "", events[i]); err != nil {
				return // the client has disconnected
			}
		}
	}

	r := httptest.NewRequest("GET", "/events", nil)
	r.Header.Set("Last-Event-ID", "1")
	rec := httptest.NewRecorder()
	handler(rec, r)
	fmt.Print(rec.Body)
	// Output:
	// id: 2
	// data: two
	//
	// id: 3
	// data: three
}
