package parts

import (
	"bufio"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// commonRoutes adds the routes of checkRoutes.
func commonRoutes(router *http.Router) {
	router.HandleFunc("GET /json/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]string{"name": http.PathParam(r, "name")})
	})
	router.HandleFunc("GET /large", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, strings.Repeat("large ", 20_000))
	})
	router.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body) // an error is visible to the client
	})
	router.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		sse := http.NewSSEWriter(w)
		if sse.Event("first", "1") != nil {
			return
		}
		<-r.Context().Done()
	})
	router.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			messageType, payload, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(messageType, payload) != nil {
				return
			}
		}
	})
}

// checkRoutes checks that the routes of commonRoutes work.
func checkRoutes(t *testing.T, s *site) {
	t.Helper()
	testkit.Get(t, s.client, s.url+"/json/ann").Want(t, 200, `{"name":"ann"}`)
	large := testkit.Do(t, s.client, testkit.NewRequest("GET", s.url+"/large", "", "Accept-Encoding: gzip"))
	if body := large.Plain(t); len(body) != 120_002 {
		t.Errorf("large: %d bytes: %.60s", len(body), body)
	}
	const text = "some text"
	testkit.Do(t, s.client, testkit.NewRequest("POST", s.url+"/echo", text, "Content-Type: text/plain")).Want(t, 200, text)
	testkit.Get(t, s.client, s.url+"/none").Want(t, 404, `{"error":"not found"}`)
	put := testkit.Do(t, s.client, testkit.NewRequest("PUT", s.url+"/large", ""))
	put.Want(t, 405, `{"error":"method not allowed"}`)
	put.WantHeader(t, "Allow", "GET, HEAD")
	checkEvents(t, s)
	if !s.http2 {
		checkSocket(t, s)
	}
}

// checkEvents checks that the first event arrives although the stream stays open.
func checkEvents(t *testing.T, s *site) {
	t.Helper()
	firstLine(t, s, testkit.NewRequest("GET", s.url+"/events", ""), "data: 1")
}

// firstLine sends a request and waits for a line of the response that begins with the text,
// although the response goes on.
func firstLine(t *testing.T, s *site, r *nethttp.Request, text string) {
	t.Helper()
	r.RequestURI = "" // a client does not set it
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines, got := bufio.NewScanner(res.Body), ""
	for lines.Scan() {
		if got += lines.Text() + "\n"; strings.HasPrefix(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("%s: %s has ended without %q: %v\n%s", r.URL.Path, res.Status, text, lines.Err(), got)
}

// checkSocket checks that a WebSocket echoes a message.
func checkSocket(t *testing.T, s *site) {
	t.Helper()
	conn, res, err := http.Dial(t.Context(), "ws://"+s.addr+"/socket", nil)
	if err != nil {
		t.Fatalf("%v %v", err, res)
	}
	defer conn.Close()
	if err := conn.WriteMessage(http.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, payload, err := conn.ReadMessage(); err != nil || string(payload) != "hello" {
		t.Errorf("got %q, %v", payload, err)
	}
}
