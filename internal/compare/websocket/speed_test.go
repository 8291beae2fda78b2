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

// TestEchoSpeed measures the cost of an echo for servers, without a network:
// frames are read from memory, one message at a time, and the replies are
// discarded. Rounds alternate between the contestants, so that noise affects
// all of them. Run it alone:
//
//	go test -run EchoSpeed -v -speed 9
func TestEchoSpeed(t *testing.T) {
	if *speedRounds == 0 {
		t.Skip("a measurement, run with -speed")
	}
	heap := make([]byte, *speedHeap<<20) // with a larger heap, the collector runs less often
	compareEchoes(t, func(c echo.Server, op frame.Opcode, size, messages int) (cpu, wall time.Duration) {
		return measure(func() {
			if err := echo.Run(c, op, size, echo.Times(messages), io.Discard); err != nil {
				t.Fatal(err)
			}
		})
	})
	runtime.KeepAlive(heap)
}

// TestEchoSpeedOverTCP is TestEchoSpeed with a client in another process. It
// measures the CPU time of the server only, including system time.
func TestEchoSpeedOverTCP(t *testing.T) {
	if *speedRounds == 0 {
		t.Skip("a measurement, run with -speed")
	}
	addr := startHub(t, "stanza", fmt.Sprintf("%s=%d", heapEnvironment, *speedHeap)) // it serves the echoes of all implementations
	compareEchoes(t, func(c echo.Server, op frame.Opcode, size, messages int) (cpu, wall time.Duration) {
		conn := connect(t, addr, "echo/"+c.Name)
		defer conn.Close()
		frame, buf := echo.Frame(op, size), make([]byte, 64<<10)
		before, start := ask[time.Duration](t, addr, "cpu"), time.Now()
		n := max(messages/20, min(messages, 400))
		for range n {
			go conn.Write(frame) // reading returns the error
			for left := size; left > 0; {
				n, err := conn.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				left -= n // includes the few bytes of the header
			}
		}
		wall, cpu = time.Since(start), ask[time.Duration](t, addr, "cpu")-before
		scale := float64(messages) / float64(n)
		return time.Duration(float64(cpu) * scale), time.Duration(float64(wall) * scale)
	})
}

// compareEchoes prints the results of run for each server and kind of message.
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

// speedContestants returns the servers to compare: first those whose payloads
// belong to the caller, then those that reuse the memory of payloads.
func speedContestants() []echo.Server {
	contestants := echo.Kept()
	for _, s := range echo.Lent() {
		contestants = append(contestants, echo.Server{Name: s.Name + ",lent", Serve: s.Serve})
	}
	return contestants
}

// measure runs f and returns the CPU time of the process and the elapsed time.
func measure(f func()) (cpu, elapsed time.Duration) {
	before, start := cpuTime(), time.Now()
	f()
	return cpuTime() - before, time.Since(start)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for invalid arguments only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
