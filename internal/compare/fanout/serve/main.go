// Command serve runs one contestant of package fanout, so that its CPU time and
// memory can be measured:
//
//	go run ./fanout/serve -protocol sse -by stanza
//
// It prints its address. Then it reads requests from its standard input, one JSON
// object a line, and prints an answer to each:
//
//	{"do":"publish","first":1,"count":200,"size":1024}
//	{"do":"state","collect":true}
//
// It ends when its standard input is closed.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("serve: ")
	var config fanout.Config
	by := flag.String("by", "stanza", "`contestant` to serve")
	protocol := flag.String("protocol", "sse", "sse or websocket")
	flag.DurationVar(&config.WriteTimeout, "writetimeout", 0, "how long clients may read nothing; 0 is the default of the contestant")
	profile := flag.String("cpuprofile", "", "`file` for a CPU profile of all the time it serves")
	flag.Parse()
	if err := run(fanout.Protocol(*protocol), *by, config, *profile); err != nil {
		log.Fatal(err)
	}
}

// run serves until the standard input is closed.
func run(protocol fanout.Protocol, by string, config fanout.Config, profile string) (err error) {
	contestant, err := fanout.Find(protocol, by)
	if err != nil {
		return err
	}
	server, err := contestant.Start(config)
	if err != nil {
		return err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Println(server.Addr)
	return answer(server, os.Stdin, os.Stdout)
}

// A request asks the server to do something.
type request struct {
	Do string

	// For publish.
	First, Count, Size int

	// For state: collect garbage first, and return what is free to the system;
	// count the sockets.
	Collect, Sockets bool
}

// A state is the state of this process.
type state struct {
	CPU        time.Duration // user and system
	Resident   int64
	Mallocs    uint64
	Goroutines int
	Sockets    int
}

// answer answers requests until the input ends.
func answer(server *fanout.Server, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		var reply any
		var err error
		switch r.Do {
		case "publish":
			reply, err = publish(server, r)
		case "state":
			reply, err = readState(r)
		default:
			err = fmt.Errorf("unknown request %q", r.Do)
		}
		if err != nil {
			return err
		}
		if err := encoder.Encode(reply); err != nil {
			return err
		}
	}
	return lines.Err()
}

// A published is the times at which events were published, in nanoseconds since
// 1970, and how long that took.
type published struct {
	At   []int64
	Took []time.Duration
}

func publish(server *fanout.Server, r request) (published, error) {
	var p published
	for i := range r.Count {
		event := fanout.NewEvent(r.First+i, r.Size)
		before := time.Now()
		if err := server.Publish(event); err != nil {
			return p, err
		}
		p.At = append(p.At, before.UnixNano())
		p.Took = append(p.Took, time.Since(before))
	}
	return p, nil
}

func readState(r request) (state, error) {
	if r.Collect {
		runtime.GC() // finalizers of the first cycle free more in the next
		debug.FreeOSMemory()
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return state{}, err
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	resident, err := residentMemory()
	if err != nil {
		return state{}, err
	}
	now := state{
		CPU:      time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		Resident: resident, Mallocs: memory.Mallocs, Goroutines: runtime.NumGoroutine(),
	}
	if r.Sockets {
		now.Sockets, err = countSockets()
	}
	return now, err
}

// residentMemory returns the second field of /proc/self/statm in bytes.
func residentMemory() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: invalid content %q", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// countSockets returns the number of open files, most of which are sockets.
func countSockets() (int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	return len(entries), err
}
