package websocket_test

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/wsframe"
)

var speedHeap = flag.Int("heap", 0, "megabytes of memory that TestEchoSpeed holds, as servers do")

var speedRounds = flag.Int("speed", 0, "rounds of TestEchoSpeed, of which it prints the medians; 0 skips it")

// TestEchoSpeed measures what an echo costs servers, without a network: frames
// are read from memory, one message at a time, and the answers thrown away.
// Rounds alternate between the contestants, so that all meet the same noise.
// Run it alone: go test -run EchoSpeed -v -speed 9.
func TestEchoSpeed(t *testing.T) {
	if *speedRounds == 0 {
		t.Skip("a measurement, run with -speed")
	}
	heap := make([]byte, *speedHeap<<20) // the collector runs the less often, the more there is
	compareEchoes(t, func(c echoServer, op wsframe.Opcode, size, messages int) (cpu, wall time.Duration) {
		return measure(func() { runEcho(t, c, op, size, messages) })
	})
	runtime.KeepAlive(heap)
}

// TestEchoSpeedOverTCP is TestEchoSpeed with a client in another process. The
// CPU time is that of the server alone, that of the system for it included.
func TestEchoSpeedOverTCP(t *testing.T) {
	if *speedRounds == 0 {
		t.Skip("a measurement, run with -speed")
	}
	addr := startHub(t, "stanza", fmt.Sprintf("%s=%d", heapEnvironment, *speedHeap)) // which has the others' echoes, too
	compareEchoes(t, func(c echoServer, op wsframe.Opcode, size, messages int) (cpu, wall time.Duration) {
		conn := connect(t, addr, "echo/"+c.name)
		defer conn.Close()
		frame, buf := clientFrame(op, size), make([]byte, 64<<10)
		before, start := ask[time.Duration](t, addr, "cpu"), time.Now()
		n := max(messages/20, min(messages, 400))
		for range n {
			go conn.Write(frame) // reading tells
			for left := size; left > 0; {
				n, err := conn.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				left -= n // of the payload and its header, which is a few bytes more
			}
		}
		wall, cpu = time.Since(start), ask[time.Duration](t, addr, "cpu")-before
		scale := float64(messages) / float64(n)
		return time.Duration(float64(cpu) * scale), time.Duration(float64(wall) * scale)
	})
}

// compareEchoes prints what run says of each server and kind of message.
func compareEchoes(t *testing.T, run func(c echoServer, op wsframe.Opcode, size, messages int) (cpu, wall time.Duration)) {
	contestants := speedContestants()
	var b strings.Builder
	fmt.Fprintf(&b, "ns of CPU time (of wall time) for an echo, medians of %d, with %d MB on the heap\n%-14s", *speedRounds, *speedHeap, "")
	for _, c := range contestants {
		fmt.Fprintf(&b, " %20s", c.name)
	}
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, kind := range kinds {
			messages := max(100, min(200_000, (128<<20)/(size+2000)))
			cpu, wall := make([][]float64, len(contestants)), make([][]float64, len(contestants))
			for range *speedRounds {
				for i, c := range contestants {
					user, elapsed := run(c, kind.op, size, messages)
					cpu[i] = append(cpu[i], float64(user.Nanoseconds())/float64(messages))
					wall[i] = append(wall[i], float64(elapsed.Nanoseconds())/float64(messages))
				}
			}
			fmt.Fprintf(&b, "\n%-7d %-6s", size, kind.name)
			for i := range contestants {
				fmt.Fprintf(&b, " %20s", fmt.Sprintf("%.0f (%.0f)", median(cpu[i]), median(wall[i])))
			}
		}
	}
	t.Log(b.String())
}

// kinds are the types of messages, of which text has to be checked.
var kinds = []struct {
	name string
	op   wsframe.Opcode
}{{"text", wsframe.Text}, {"binary", wsframe.Binary}}

// speedContestants are the servers, of which most hand out payloads that are
// the caller's to keep, and those that read into memory that is used again.
func speedContestants() []echoServer {
	return []echoServer{
		{"stanza", echoStanza},
		{"gorilla", echoGorilla},
		{"coder", echoCoder},
		{"gobwas", echoGobwas},
		{"gws,kept", newEchoGWS(true)},
		{"stanza,reused", echoStanzaReused},
		{"gws,reused", newEchoGWS(false)},
	}
}

// BenchmarkEcho is TestEchoSpeed for profiles and allocations.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, kind := range kinds {
			for _, c := range speedContestants() {
				b.Run(fmt.Sprintf("%d/%s/%s", size, kind.name, c.name), func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(size))
					runEcho(b, c, kind.op, size, b.N)
				})
			}
		}
	}
}

// measure returns the CPU time that the process spent while f ran, and the
// time that passed.
func measure(f func()) (cpu, elapsed time.Duration) {
	before, start := cpuTime(), time.Now()
	f()
	return cpuTime() - before, time.Since(start)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for bad arguments only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// runEcho has a server answer a number of equal messages.
func runEcho(tb testing.TB, c echoServer, op wsframe.Opcode, size, messages int) {
	tb.Helper()
	conn := newFeed(op, size, messages)
	c.serve(&hijackable{httptest.NewRecorder(), conn}, upgradeRequest())
	if conn.left != 0 || conn.answered < int64(size)*int64(messages) {
		tb.Fatalf("%s left %d of %d messages, and answered with %d bytes", c.name, conn.left, messages, conn.answered)
	}
}

func upgradeRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://example.com/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	return r
}

// hijackable is a ResponseWriter over a feed.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

// Hijack hands out the connection with buffers as those of net/http.
func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, 4096), bufio.NewWriterSize(h.conn, 4096)), nil
}

// A feed is a connection of which one end is a client that sends the same
// message again and again, each when the one before was answered.
type feed struct {
	net.Conn // nil: what is not needed
	frame    []byte
	offset   int // in frame, of what was read
	left     int // messages
	answered int64
}

func newFeed(op wsframe.Opcode, size, messages int) *feed {
	return &feed{frame: clientFrame(op, size), left: messages}
}

// Read returns bytes of no more than one message.
func (f *feed) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.frame[f.offset:])
	if f.offset += n; f.offset == len(f.frame) {
		f.offset = 0
		f.left--
	}
	return n, nil
}

// Write counts bytes, those of the handshake's response too.
func (f *feed) Write(p []byte) (int, error) {
	f.answered += int64(len(p))
	return len(p), nil
}

// Close does nothing, as do the setters of deadlines.
func (f *feed) Close() error                     { return nil }
func (f *feed) SetDeadline(time.Time) error      { return nil }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr and RemoteAddr are of no network.
func (f *feed) LocalAddr() net.Addr  { return &net.UnixAddr{Name: "feed", Net: "unix"} }
func (f *feed) RemoteAddr() net.Addr { return f.LocalAddr() }
