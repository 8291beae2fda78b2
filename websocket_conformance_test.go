package http_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
	"github.com/stanza-go/framework/pkg/http/internal/testing/wsscript"
)

// The maximum payloads of data frames of a server and a client.
const (
	serverFragment = 128 << 10
	clientFragment = 64<<10 - 14
)

// TestWebSocketConformance plays the scripts in testdata/websocket against a
// server and a client. They have the groups of the Autobahn test suite and a
// few more. With -v, it prints the number of cases per group. The test is not
// parallel, because it would disturb tests that measure memory.
func TestWebSocketConformance(t *testing.T) {
	tally := newTally()
	t.Cleanup(func() { tally.log(t) })
	files, err := filepath.Glob("testdata/websocket/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(echoAsAsked))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := wsscript.Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			t.Run(c.ID, func(t *testing.T) {
				t.Parallel()
				if testkit.Race && c.Bytes() > 300_000 {
					t.Skip("large messages take too long under the race detector")
				}
				if err := playToServer(t, srv.Addr(), c); err != nil {
					t.Errorf("%s: %s, to a server: %v", file, c.Title, err)
				} else {
					tally.add(c.Group(), "server")
				}
				if c.ServerOnly {
					return
				}
				if err := playToClient(t, c); err != nil {
					t.Errorf("%s: %s, to a client: %v", file, c.Title, err)
				} else {
					tally.add(c.Group(), "client")
				}
			})
		}
	}
}

// echoAsAsked echoes messages, with the options in the query of the URL.
func echoAsAsked(w http.ResponseWriter, r *http.Request) {
	upgrader := http.Upgrader{EnableCompression: true}
	conn, err := upgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	limit, _ := strconv.ParseInt(r.URL.Query().Get("limit"), 10, 64)
	echoAll(conn, limit)
}

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

func playToServer(t *testing.T, addr string, c *wsscript.Case) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	offer := ""
	if c.Offer != "" {
		offer = "Sec-WebSocket-Extensions: " + c.Offer + "\r\n"
	}
	fmt.Fprintf(conn, "GET /?limit=%d HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", c.Limit, addr, sampleKey, offer)
	br := bufio.NewReader(conn)
	resp, err := nethttp.ReadResponse(br, nil)
	if err != nil {
		return err
	}
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); resp.StatusCode != 101 || got != c.Agree {
		return fmt.Errorf("%s with extensions %q, want %q", resp.Status, got, c.Agree)
	}
	return c.Run(wsscript.Peer{Conn: conn, Reader: br, Client: true, FragmentSize: serverFragment})
}

func playToClient(t *testing.T, c *wsscript.Case) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	var client sync.WaitGroup
	defer client.Wait()
	client.Go(func() {
		conn, _, err := http.Dial(context.Background(), "ws://"+listener.Addr().String(), &http.DialOptions{EnableCompression: c.Agree != ""})
		if err != nil {
			t.Error(err)
			return
		}
		echoAll(conn, c.Limit)
	})
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	if err := answerHandshake(conn, br, c.Agree); err != nil {
		return err
	}
	return c.Run(wsscript.Peer{Conn: conn, Reader: br, FragmentSize: clientFragment})
}

// A tally counts cases that have passed.
type tally struct {
	mu     sync.Mutex
	passed map[string]map[string]int // by group and role
}

func newTally() *tally { return &tally{passed: make(map[string]map[string]int)} }

func (c *tally) add(group, role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.passed[group] == nil {
		c.passed[group] = make(map[string]int)
	}
	c.passed[group][role]++
}

func (c *tally) log(t *testing.T) {
	var b strings.Builder
	groups := make([]string, 0, len(c.passed))
	for group := range c.passed {
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
	server, client := 0, 0
	fmt.Fprintf(&b, "cases passed\ngroup  server  client\n")
	for _, group := range groups {
		n := c.passed[group]
		fmt.Fprintf(&b, "%5s  %6d  %6d\n", group, n["server"], n["client"])
		server, client = server+n["server"], client+n["client"]
	}
	fmt.Fprintf(&b, "total  %6d  %6d\n", server, client)
	t.Log(b.String())
}
