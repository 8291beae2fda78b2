package websocket_test

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/websocket/echo"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
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
	compareEchoes(t, func(c echo.Server, op frame.Opcode, size, messages int) (cpu, wall time.Duration) {
		return measure(func() {
			if err := echo.Run(c, op, size, echo.Times(messages), io.Discard); err != nil {
				t.Fatal(err)
			}
		})
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
	compareEchoes(t, func(c echo.Server, op frame.Opcode, size, messages int) (cpu, wall time.Duration) {
		conn := connect(t, addr, "echo/"+c.Name)
		defer conn.Close()
		frame, buf := echo.Frame(op, size), make([]byte, 64<<10)
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
func compareEchoes(t *testing.T, run func(c echo.Server, op frame.Opcode, size, messages int) (cpu, wall time.Duration)) {
	contestants := speedContestants()
	var b strings.Builder
	fmt.Fprintf(&b, "ns of CPU time (of wall time) for an echo, medians of %d, with %d MB on the heap\n%-14s", *speedRounds, *speedHeap, "")
	for _, c := range contestants {
		fmt.Fprintf(&b, " %20s", c.Name)
	}
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, kind := range echo.Kinds() {
			messages := max(100, min(200_000, (128<<20)/(size+2000)))
			cpu, wall := make([][]float64, len(contestants)), make([][]float64, len(contestants))
			for range *speedRounds {
				for i, c := range contestants {
					user, elapsed := run(c, kind.Opcode, size, messages)
					cpu[i] = append(cpu[i], float64(user.Nanoseconds())/float64(messages))
					wall[i] = append(wall[i], float64(elapsed.Nanoseconds())/float64(messages))
				}
			}
			fmt.Fprintf(&b, "\n%-7d %-6s", size, kind.Name)
			for i := range contestants {
				fmt.Fprintf(&b, " %20s", fmt.Sprintf("%.0f (%.0f)", median(cpu[i]), median(wall[i])))
			}
		}
	}
	t.Log(b.String())
}

// speedContestants are the servers, of which most hand out payloads that are
// the caller's to keep, and those that read into memory that is used again.
func speedContestants() []echo.Server {
	contestants := echo.Kept()
	for _, s := range echo.Lent() {
		contestants = append(contestants, echo.Server{Name: s.Name + ",lent", Serve: s.Serve})
	}
	return contestants
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
