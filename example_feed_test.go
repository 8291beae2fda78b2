package http_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// This feed keeps a list of tasks current in all pages. A page gets the whole list
// first, and then each task that is added.
func ExampleFeed() {
	tasks := []string{"buy milk"}
	feed := http.NewFeed(http.FeedConfig{
		Snapshot: func(ctx context.Context, _ string) (http.Event, error) {
			return http.JSONEvent("list", tasks), nil
		},
	})
	router := http.NewRouter()
	router.Handle("GET /tasks/events", feed)

	srv := httptest.NewServer(router)
	defer srv.Close()
	res, err := http.Get(srv.URL + "/tasks/events")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	for scanner := bufio.NewScanner(res.Body); scanner.Scan(); {
		name, value, _ := strings.Cut(scanner.Text(), ": ")
		switch {
		case name == "event" && value == "list": // the page is up to date
			if _, err := feed.Publish(context.Background(), http.JSONEvent("added", "call Ann")); err != nil {
				fmt.Println(err)
			}
			feed.Close() // ends the stream after the event
		case name == "data":
			fmt.Println(value)
		}
	}
	// Output:
	// ["buy milk"]
	// "call Ann"
}

// A new client of this feed gets the last 100 events of the last ten minutes first.
func ExampleNewFeed() {
	feed := http.NewFeed(http.FeedConfig{Keep: 100, KeepFor: 10 * time.Minute, History: true})
	defer feed.Close()
	ctx := context.Background()
	for _, text := range []string{"one", "two"} {
		if _, err := feed.Publish(ctx, http.Event{Data: text}); err != nil {
			fmt.Println(err)
		}
	}
	for event, err := range feed.Follow(ctx, "") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(event.Data)
		if event.Data == "two" {
			break
		}
	}
	// Output:
	// one
	// two
}

// NewFeed panics if the configuration is invalid, so mistakes appear when the program
// starts.
func ExampleFeedConfig() {
	defer func() {
		_, message, _ := strings.Cut(fmt.Sprint(recover()), "FeedConfig")
		fmt.Println("FeedConfig" + message)
	}()
	http.NewFeed(http.FeedConfig{Keep: -1, Heartbeat: -time.Second})
	// Output:
	// FeedConfig.Keep: -1 is negative; FeedConfig.Heartbeat: -1s is negative
}

// The Data of an event is often JSON, which pages parse with JSON.parse.
func ExampleEvent() {
	event := http.Event{Name: "joined", Data: `{"user":"ann"}`}
	fmt.Println(event.Name, event.Data)
	// Output:
	// joined {"user":"ann"}
}

func ExampleJSONEvent() {
	event := http.JSONEvent("joined", map[string]string{"user": "ann"})
	fmt.Println(event.Name, event.Data)

	// Publish returns the encoding error.
	var feed http.Feed
	_, err := feed.Publish(context.Background(), http.JSONEvent("joined", make(chan int)))
	fmt.Println(errors.Is(err, http.ErrInvalidEvent))
	// Output:
	// joined {"user":"ann"}
	// true
}

// An event that has a Key can be published again if it is unknown whether the first
// attempt succeeded.
func ExampleFeed_Publish() {
	var feed http.Feed
	ctx := context.Background()
	first, err := feed.Publish(ctx, http.Event{Data: "paid", Key: "invoice 17"})
	if err != nil {
		fmt.Println(err)
	}
	again, err := feed.Publish(ctx, http.Event{Data: "paid", Key: "invoice 17"})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(first == again)
	// Output:
	// true
}

// This consumer continues after an event that it has already received.
func ExampleFeed_Follow() {
	var feed http.Feed
	ctx := context.Background()
	seen, err := feed.Publish(ctx, http.Event{Data: "one"})
	if err != nil {
		fmt.Println(err)
	}
	for _, text := range []string{"two", "three"} {
		if _, err := feed.Publish(ctx, http.Event{Data: text}); err != nil {
			fmt.Println(err)
		}
	}
	for event, err := range feed.Follow(ctx, seen) {
		if err != nil {
			fmt.Println(err)
			break
		}
		if event.Gap {
			fmt.Println("events are missing")
		}
		fmt.Println(event.Data)
		if event.Data == "three" {
			break
		}
	}
	// Output:
	// two
	// three
}

// A page reads the events with new EventSource("/prices").
func ExampleFeed_ServeHTTP() {
	feed := http.NewFeed(http.FeedConfig{History: true})
	if _, err := feed.Publish(context.Background(), http.JSONEvent("price", 42)); err != nil {
		fmt.Println(err)
	}
	srv := httptest.NewServer(feed)
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Header.Get("Content-Type"))
	for scanner := bufio.NewScanner(res.Body); scanner.Scan(); {
		name, value, _ := strings.Cut(scanner.Text(), ": ")
		switch name {
		case "event":
			fmt.Println("event:", value)
		case "data":
			fmt.Println("data:", value)
			feed.Close()
		}
	}
	// Output:
	// text/event-stream
	// event: price
	// data: 42
}

// This handler sends the events to a WebSocket. A page that reconnects puts the last ID
// that it received in the query parameter after.
func ExampleFeed_Send() {
	feed := http.NewFeed(http.FeedConfig{History: true})
	if _, err := feed.Publish(context.Background(), http.JSONEvent("price", 42)); err != nil {
		fmt.Println(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent and logged the error
		}
		go func() {
			defer conn.Close()
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return // the client disconnected
				}
			}
		}()
		if err := feed.Send(r.Context(), conn, http.QueryParam(r, "after")); errors.Is(err, http.ErrFeedClosed) {
			conn.Close()
		}
	}))
	defer srv.Close()

	conn, _, err := http.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for range 2 {
		var message struct {
			ID    string `json:"id"`
			Event string `json:"event"`
			Data  int    `json:"data"`
		}
		if err := conn.ReadJSON(&message); err != nil {
			fmt.Println(err)
			return
		}
		if message.Event != "" { // the first message has only an id
			fmt.Println(message.Event, message.Data)
		}
	}
	// Output:
	// price 42
}

// This handler returns while goroutines still use the connection. An idle connection
// then takes about half as much memory.
func ExampleFeed_Send_afterTheHandler() {
	feed := http.NewFeed(http.FeedConfig{History: true})
	if _, err := feed.Publish(context.Background(), http.JSONEvent("price", 42)); err != nil {
		fmt.Println(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent and logged the error
		}
		after := http.QueryParam(r, "after") // goroutines must not use r
		go func() {
			// Send returns when the connection is closed, so it needs no context.
			if err := feed.Send(context.Background(), conn, after); errors.Is(err, http.ErrFeedClosed) {
				conn.Close()
			}
		}()
		go func() {
			defer conn.Close()
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return // the client disconnected, or the server stops
				}
			}
		}()
	}))
	defer srv.Close()

	conn, _, err := http.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for range 2 {
		var message struct {
			Event string `json:"event"`
			Data  int    `json:"data"`
		}
		if err := conn.ReadJSON(&message); err != nil {
			fmt.Println(err)
			return
		}
		if message.Event != "" { // the first message has only an id
			fmt.Println(message.Event, message.Data)
		}
	}
	// Output:
	// price 42
}

// Browsers do not reconnect to a feed that has been closed.
func ExampleFeed_Close() {
	var feed http.Feed
	feed.Close()
	_, err := feed.Publish(context.Background(), http.Event{Data: "late"})
	fmt.Println(err)

	rec := httptest.NewRecorder()
	feed.ServeHTTP(rec, httptest.NewRequest("GET", "/events", nil))
	fmt.Println(rec.Code)
	// Output:
	// http: feed closed
	// 204
}

// Each user follows a feed of their own.
func ExampleFeeds() {
	var feeds http.Feeds
	defer feeds.Close()
	router := http.NewRouter()
	router.HandleFunc("GET /inbox/{user}", func(w http.ResponseWriter, r *http.Request) {
		// Check here that the client is that user.
		feeds.Feed(r.PathValue("user")).ServeHTTP(w, r)
	})

	srv := httptest.NewServer(router)
	defer srv.Close()
	res, err := http.Get(srv.URL + "/inbox/ann")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	for user, text := range map[string]string{"ann": "for Ann", "bob": "for Bob"} {
		if _, err := feeds.Feed(user).Publish(context.Background(), http.Event{Data: text}); err != nil {
			fmt.Println(err)
		}
	}
	for scanner := bufio.NewScanner(res.Body); scanner.Scan(); {
		if text, ok := strings.CutPrefix(scanner.Text(), "data: "); ok {
			fmt.Println(text)
			break
		}
	}
	// Output:
	// for Ann
}

func ExampleNewFeeds() {
	rooms := http.NewFeeds(http.FeedConfig{Keep: 50, History: true})
	defer rooms.Close()
	id, err := rooms.Feed("lobby").Publish(context.Background(), http.Event{Name: "said", Data: "hello"})
	fmt.Println(id != "", err)
	// Output:
	// true <nil>
}

// A Feed is only a handle, so it need not be kept.
func ExampleFeeds_Feed() {
	rooms := http.NewFeeds(http.FeedConfig{History: true})
	defer rooms.Close()
	ctx := context.Background()
	if _, err := rooms.Feed("lobby").Publish(ctx, http.Event{Data: "hello"}); err != nil {
		fmt.Println(err)
	}
	for event, err := range rooms.Feed("lobby").Follow(ctx, "") {
		fmt.Println(event.Data, err)
		break
	}
	// Output:
	// hello <nil>
}

func ExampleFeeds_Close() {
	var rooms http.Feeds
	lobby := rooms.Feed("lobby")
	rooms.Close()
	_, err := lobby.Publish(context.Background(), http.Event{Data: "anyone?"})
	fmt.Println(errors.Is(err, http.ErrFeedClosed))
	// Output:
	// true
}

// This handler sends each client only the events that concern it. A second goroutine
// reads, so that the handler also returns if the client disconnects between events.
func ExampleConn_WriteEvent() {
	feed := http.NewFeed(http.FeedConfig{History: true})
	for _, name := range []string{"public", "secret", "public"} {
		if _, err := feed.Publish(context.Background(), http.JSONEvent(name, len(name))); err != nil {
			fmt.Println(err)
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			defer cancel()
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return // the client disconnected
				}
			}
		}()
		for event, err := range feed.Follow(ctx, "") {
			if err != nil {
				return
			}
			if event.Name == "secret" {
				continue
			}
			event.ID = "" // omit the id, which differs in each run
			if err := conn.WriteEvent(event); err != nil {
				return
			}
		}
	}))
	defer srv.Close()

	conn, _, err := http.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	for range 2 {
		_, message, err := conn.ReadMessage()
		fmt.Println(string(message), err)
	}
	feed.Close()
	// Output:
	// {"event":"public","data":6} <nil>
	// {"event":"public","data":6} <nil>
}
