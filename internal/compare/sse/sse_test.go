// Package sse_test reads event streams from SSEWriter with two other
// implementations of EventSource: the npm package eventsource and Chromium.
package sse_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
)

//go:embed testdata/read.mjs
var readJS []byte

//go:embed testdata/page.html
var pageHTML []byte

// An event is an event as a page receives it.
type event struct {
	Name string `json:"name"`
	Data string `json:"data"`
	ID   string `json:"id"`
}

// events returns the events to send: a few special cases, and random ones made
// of characters that have a meaning in the format.
func events() []event {
	all := []event{
		{"", "", ""}, {"a", "one\ntwo\r\nthree\rfour\n", "1"}, {"", " leading space", "2"}, {"a:b", "data: forged", "3"},
		{" a ", "\ufeffbom", "4"}, {"übung", "日本語 🙂", "fünf"}, {"", "\n\n", "6"}, {"", "\r", "7"}, {"x", "id: 99", ""},
		{"", strings.Repeat("long line ", 20_000), "8"}, {"", strings.Repeat("line\n", 2_000), "9"}, {"retry", "1", "10"},
	}
	noise := rand.New(rand.NewPCG(4, 8))
	text := func(alphabet string, most int) string {
		runes := []rune(alphabet)
		var b strings.Builder
		for range noise.IntN(most) {
			b.WriteRune(runes[noise.IntN(len(runes))])
		}
		return b.String()
	}
	for range 500 {
		all = append(all, event{text("ab: ü", 4), text("a:\n\r \t{\"é🙂\ufeff", 30), text("1: ä", 4)})
	}
	return all
}

// seen returns the events as a page receives them: lines end in LF, an event
// without a name is a message, and an event without an ID has the previous ID.
// If own is true, it has no ID, as in the npm package, which uses the previous
// ID only for reconnecting.
func seen(sent []event, own bool) []event {
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	var want []event
	id := ""
	for i, e := range sent {
		if i%2 == 0 {
			id = e.ID // see serve
		} else if own {
			id = ""
		}
		name := e.Name
		if name == "" {
			name = "message"
		}
		want = append(want, event{name, lines.Replace(e.Data), id})
	}
	return want
}

// serve starts a server that sends the events through the usual middleware.
// Every second event is sent without its ID.
func serve(t *testing.T, sent []event, result chan<- []byte) (base string) {
	t.Helper()
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{}), http.RequestLogger(slog.New(slog.DiscardHandler)),
		http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.Recovery(nil),
	)
	router.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		for i, e := range sent {
			err := stream.Comment(fmt.Sprint("event ", i, "\nfollows"))
			switch {
			case err != nil:
			case i%2 == 0:
				err = stream.EventWithID(e.ID, e.Name, e.Data)
			default:
				err = stream.Event(e.Name, e.Data)
			}
			if err != nil {
				t.Errorf("event %d, %q: %v", i, e, err)
				return
			}
		}
		if err := stream.Event("end", "."); err != nil {
			t.Error(err)
		}
		<-r.Context().Done() // until the reader disconnects
	})
	router.HandleFunc("GET /names", func(w http.ResponseWriter, _ *http.Request) {
		names := []string{"message"}
		for _, e := range sent {
			names = append(names, e.Name)
		}
		http.WriteJSON(w, http.StatusOK, names)
	})
	file := func(contentType string, content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(content) // if the browser has exited, the test fails elsewhere
		}
	}
	router.HandleFunc("GET /{$}", file("text/html; charset=utf-8", pageHTML))
	router.HandleFunc("GET /read.mjs", file("text/javascript; charset=utf-8", readJS))
	router.HandleFunc("POST /result", func(w http.ResponseWriter, r *http.Request) {
		var raw json.RawMessage
		if http.ReadJSONLimit(r, &raw, 16<<20) == nil {
			result <- raw
		}
	})
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"), http.WithWriteTimeout(5*time.Second))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(t.Context()); err != nil {
			t.Logf("Stop: %v", err)
		}
	})
	return "http://" + srv.Addr()
}

func compare(t *testing.T, got, want []event) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d events arrived, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("event %d arrived as %.200q, want %.200q", i, got[i], want[i])
		}
	}
	t.Logf("%d events read back as they were sent", len(got))
}

func TestNodeReadsTheEventsBack(t *testing.T) {
	t.Parallel()
	node := tools.Require(t, "node")
	if _, err := os.Stat("testdata/node_modules/eventsource"); err != nil {
		if os.Getenv("REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("run npm ci in testdata")
	}
	sent := events()
	out, err := exec.CommandContext(t.Context(), node, "testdata/client.mjs", serve(t, sent, nil)).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	var got []event
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	compare(t, got, seen(sent, true))
}

func TestChromiumReadsTheEventsBack(t *testing.T) {
	t.Parallel()
	chromium := tools.Require(t, "chromium")
	sent, result := events(), make(chan []byte, 1)
	browser := exec.CommandContext(t.Context(), chromium,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+tools.Profile(t), serve(t, sent, result)+"/")
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = browser.Process.Kill() // fails only if it has ended already
		_ = browser.Wait()         // reports the kill
	}()
	select {
	case raw := <-result:
		var got struct {
			Events []event
			Error  string
		}
		if err := json.Unmarshal(raw, &got); err != nil || got.Error != "" {
			t.Fatal(err, got.Error)
		}
		compare(t, got.Events, seen(sent, false))
	case <-time.After(2 * time.Minute):
		t.Fatal("the page said nothing")
	}
}
