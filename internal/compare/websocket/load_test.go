package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

var loadTime = flag.Duration("load", time.Second/2, "how long TestEchoUnderLoad sends messages")

const loadedConnections = 200

// TestEchoUnderLoad sends messages of random sizes on many connections, several
// at a time, compressed or not, while both ends send pings. No message may be
// lost, changed or reordered. Afterwards, no goroutine or memory may remain.
// For a longer test, run
//
//	go test -race -run EchoUnderLoad -load 30s
func TestEchoUnderLoad(t *testing.T) {
	block()                   // allocates permanent memory
	load(t, time.Millisecond) // fills tables that packages make on first use
	before := settle()
	result := load(t, *loadTime)
	after := settle()
	t.Logf("%d connections, %v: %s; goroutines %d to %d, heap %d KB to %d KB", loadedConnections, *loadTime, result,
		before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
	if after.goroutines > before.goroutines {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after:\n%s", before.goroutines, after.goroutines, buf[:runtime.Stack(buf, true)])
	}
	if grown := int64(after.heap) - int64(before.heap); grown > loadedConnections*1024 {
		t.Errorf("%d bytes more on the heap than before", grown)
	}
}

// load runs clients for the given duration, and returns a summary of their
// messages.
func load(t *testing.T, d time.Duration) string {
	var served sync.WaitGroup
	var pongs, messages, size atomic.Int64
	srv := startEcho(t, &served, &pongs)
	end := time.Now().Add(d)
	var clients sync.WaitGroup
	for id := range loadedConnections {
		clients.Go(func() {
			n, bytes, err := converse(srv.Addr(), uint64(id), end)
			if err != nil {
				t.Errorf("connection %d, after %d messages: %v", id, n, err)
			}
			messages.Add(n)
			size.Add(bytes)
		})
	}
	clients.Wait()
	served.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := srv.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
	return fmt.Sprintf("%d messages, %d MB each way, %d pongs", messages.Load(), size.Load()>>20, pongs.Load())
}

// A level is the use of resources, which must not grow from the start to the
// end.
type level struct {
	goroutines int
	heap       uint64
}

// settle waits for goroutines that are about to end, and returns the level.
func settle() level {
	var l level
	for last := -1; l.goroutines != last; {
		last = l.goroutines
		for range 100 {
			runtime.Gosched()
		}
		debug.FreeOSMemory() // collects twice
		l.goroutines = runtime.NumGoroutine()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	l.heap = m.HeapAlloc
	return l
}

// startEcho starts a server that echoes messages and sometimes sends pings.
func startEcho(t *testing.T, served *sync.WaitGroup, pongs *atomic.Int64) *http.Server {
	t.Helper()
	upgrader := &http.Upgrader{EnableCompression: true}
	router := http.NewRouter()
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		defer served.Done()
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		c.SetPongHandler(func([]byte) error {
			pongs.Add(1)
			return nil
		})
		for n := 0; ; n++ {
			messageType, payload, err := c.ReadMessage()
			if e, ok := errors.AsType[*http.CloseError](err); ok && e.Code == http.CloseNormalClosure {
				return
			}
			if err == nil && n%16 == 0 {
				err = c.WritePing(nil)
			}
			if err == nil {
				err = c.WriteMessage(messageType, payload)
			}
			if err != nil {
				t.Errorf("server: %v", err)
				return
			}
		}
	})
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := srv.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return srv
}

// converse sends messages until the given time, checks the replies, and closes.
func converse(addr string, id uint64, end time.Time) (messages, size int64, err error) {
	c, _, err := http.Dial(context.Background(), "ws://"+addr+"/", &http.DialOptions{EnableCompression: id%4 == 0})
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	var sent atomic.Int64
	writing := make(chan error, 1)
	credit := make(chan struct{}, 8) // limits the messages without a reply
	stop := make(chan struct{})
	go func() { writing <- sendMessages(c, id, end, credit, stop, &sent) }()

	err = receiveMessages(c, id, credit, &messages, &size)
	close(stop)
	if e := <-writing; err == nil {
		err = e
	}
	if err == nil && messages != sent.Load() {
		err = fmt.Errorf("%d messages were echoed of %d", messages, sent.Load())
	}
	return messages, size, err
}

// lastMessage signals to the receiver that no more messages follow.
const lastMessage = "that is all"

func sendMessages(c *http.Conn, id uint64, end time.Time, credit chan<- struct{}, stop <-chan struct{}, sent *atomic.Int64) error {
	for number := uint64(0); time.Now().Before(end); number++ {
		select {
		case credit <- struct{}{}:
		case <-stop:
			return nil
		}
		if number%32 == 5 {
			if err := c.WritePing([]byte("still there?")); err != nil {
				return err
			}
		}
		if err := send1(c, id, number); err != nil {
			return err
		}
		sent.Add(1)
	}
	return c.WriteMessage(http.TextMessage, []byte(lastMessage))
}

// send1 sends a message: usually at once, sometimes in pieces.
func send1(c *http.Conn, id, number uint64) error {
	payload := numbered(id, number)
	if number%4 != 0 {
		return c.WriteMessage(http.BinaryMessage, payload)
	}
	w, err := c.NextWriter(http.BinaryMessage)
	if err != nil {
		return err
	}
	for len(payload) > 0 && err == nil {
		n := min(len(payload), 1+len(payload)/3)
		_, err = w.Write(payload[:n])
		payload = payload[n:]
	}
	return errors.Join(err, w.Close())
}

func receiveMessages(c *http.Conn, id uint64, credit <-chan struct{}, messages, size *int64) error {
	for number := uint64(0); ; number++ {
		_, payload, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if string(payload) == lastMessage {
			return nil
		}
		if want := numbered(id, number); !bytes.Equal(payload, want) {
			return fmt.Errorf("message %d is not the %d bytes that were sent, but %d others", number, len(want), len(payload))
		}
		<-credit
		*messages++
		*size += int64(len(payload))
	}
}

// numbered returns a unique message of a random size, usually small: its
// numbers, followed by a random piece of the block.
func numbered(id, number uint64) []byte {
	r := rand.New(rand.NewPCG(id, number))
	size := r.IntN(1 << (4 + r.IntN(13)))
	if number%64 == 63 {
		size = r.IntN(blockSize / 2)
	}
	p := binary.LittleEndian.AppendUint64(make([]byte, 0, 16+size), id)
	p = binary.LittleEndian.AppendUint64(p, number)
	start := r.IntN(blockSize - size)
	return append(p, block()[start:start+size]...)
}

const blockSize = 1 << 20

// block returns bytes that compress to less than half their size.
var block = sync.OnceValue(func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, blockSize)
	for i := range p {
		p[i] = byte(r.Uint32() & 7 << (i >> 12 & 3))
	}
	return p
})
