package storm_test

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

const clientCount = 5000

// A deployment without a graceful end: the process is killed and another one, with an
// empty log, takes its address.
func TestAllStreamsComeBackAfterTheServerIsKilled(t *testing.T) {
	first := startServer(t, "127.0.0.1:0", http.FeedConfig{})
	clients, end := startClients(t, first.addr, clientCount, 0)
	await(t, clients, "connected", func(c *client) bool { return c.snapshots.Load() == 1 })
	first.publish(20, 0)
	await(t, clients, "20 events", func(c *client) bool { return c.seen.Load() == 20 })
	t.Logf("%d snapshots for %d clients", first.stats().Snapshots, len(clients))
	first.signal(syscall.SIGKILL)

	second := startServer(t, first.addr, http.FeedConfig{})
	before := second.stats()
	for range 100 { // while the clients come back
		second.publish(1, 0)
		time.Sleep(20 * time.Millisecond)
	}
	await(t, clients, "back", func(c *client) bool { return c.snapshots.Load() == 2 })
	second.publish(20, 0)
	await(t, clients, "120 events", func(c *client) bool { return c.seen.Load() == 120 })
	during := second.stats()
	t.Logf("%d snapshots; %d goroutines and %d KB of heap, %d and %d KB before", during.Snapshots,
		during.Goroutines, during.Heap>>10, before.Goroutines, before.Heap>>10)
	if during.Snapshots > 30 {
		t.Errorf("%d snapshots were taken for %d clients", during.Snapshots, len(clients))
	}
	shortest, longest := time.Hour, time.Duration(0)
	for i, c := range clients {
		c.mu.Lock()
		if c.err != nil || c.gaps.Load() != 1 {
			t.Errorf("client %d got %d gaps, want 1; %v", i, c.gaps.Load(), c.err)
		}
		for _, d := range c.retries {
			shortest, longest = min(shortest, d), max(longest, d)
		}
		c.mu.Unlock()
	}
	if shortest < time.Second || shortest > 1100*time.Millisecond || longest < 2900*time.Millisecond || longest > 3*time.Second {
		t.Errorf("clients were told to wait %v to %v, want 1s to 3s", shortest, longest)
	}
	end()
	var after stats
	for range 600 {
		if after = second.stats(); after.Goroutines <= before.Goroutines+10 && after.Heap < before.Heap+8<<20 {
			t.Logf("%d goroutines and %d KB of heap after the clients have left", after.Goroutines, after.Heap>>10)
			return
		}
		time.Sleep(50 * time.Millisecond) // the server notices the end of a connection when it reads
	}
	t.Errorf("%+v after the clients have left, want %+v", after, before)
}

// A graceful end: streams and sockets get an end, and nothing has to be cut.
func TestStopEndsAllStreamsAndSockets(t *testing.T) {
	srv := startServer(t, "127.0.0.1:0", http.FeedConfig{})
	clients, _ := startClients(t, srv.addr, clientCount/2, clientCount/2)
	await(t, clients, "connected", func(c *client) bool { return c.snapshots.Load() == 1 })
	srv.publish(5, 0)
	await(t, clients, "5 events", func(c *client) bool { return c.seen.Load() == 5 })
	began := time.Now()
	srv.signal(syscall.SIGTERM)
	t.Logf("the server has stopped after %v", time.Since(began).Round(time.Millisecond))
	if srv.exitErr != nil {
		t.Errorf("%v: %s", srv.exitErr, srv.output.String())
	}
	await(t, clients, "ended", func(c *client) bool { return c.cleanEnds.Load() == 1 })
	if err := failure(clients); err != nil {
		t.Error(err)
	}
}

// Clients that do not read are disconnected. The others, and Publish, do not notice.
func TestStalledClientsDoNotDelayOthers(t *testing.T) {
	const stalled = 100
	srv := startServer(t, "127.0.0.1:0", http.FeedConfig{Heartbeat: 5 * time.Second, WriteTimeout: 20 * time.Second})
	clients, _ := startClients(t, srv.addr, 4950, 4950)
	await(t, clients, "connected", func(c *client) bool { return c.snapshots.Load() == 1 })
	before := srv.stats()
	for i := range stalled {
		conn, err := net.Dial("tcp", srv.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(1); err != nil { // the smallest possible
			t.Fatal(err)
		}
		request := "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"
		if i%2 == 0 {
			request = "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for n := int64(1); n <= 30; n++ {
		srv.publish(1, 1000)
		await(t, clients, "event", func(c *client) bool { return c.seen.Load() >= n })
	}
	t.Logf("%d clients were cut while 30 events were sent", srv.stats().Ended)
	var now stats
	for begin := time.Now(); now.Ended < stalled && time.Since(begin) < 2*time.Minute; time.Sleep(500 * time.Millisecond) {
		now = srv.stats()
	}
	t.Logf("%+v, before %+v", now, before)
	if now.Ended != stalled {
		t.Errorf("%d clients were cut, want %d", now.Ended, stalled)
	}
	if now.Heap > before.Heap+32<<20 {
		t.Errorf("the heap has grown from %d to %d MB", before.Heap>>20, now.Heap>>20)
	}
	if err := failure(clients); err != nil {
		t.Error(err)
	}
	for i, c := range clients {
		if c.gaps.Load() > 0 || c.snapshots.Load() > 1 {
			t.Fatalf("client %d got %d gaps and %d snapshots", i, c.gaps.Load(), c.snapshots.Load())
		}
	}
}
