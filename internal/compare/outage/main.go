// Outage measures what clients of a rate limit with a store see if Redis hangs, is
// killed, is behind a network that drops everything, or hangs again and again.
//
// Requests arrive at a constant rate over real connections, whether or not earlier ones
// have been answered. They come from 100 clients with a limit of 10 requests a second each.
// At the default rate, each client sends 16, so 38% are rejected while the limit applies. For
// each phase, the table shows
//
//   - the responses per second, and how many of them were 429;
//   - the latency that the limit adds before the handler is called or 429 is sent;
//   - the largest number of requests that waited for the limit at once;
//   - the largest number of goroutines in the server's process, most of which serve
//     connections;
//   - the number of calls of the store that began, and of lines in the log.
//
// The limit "as it was" is that of this package before it had a breaker: it asks the store
// for each request. The server runs in a separate process.
//
//	go run ./outage                         # in about 5 minutes
//	go run ./outage -rate 400 -during 20s
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	rate := flag.Int("rate", 1600, "requests a second")
	before := flag.Duration("before", 3*time.Second, "duration of the phase before the outage")
	during := flag.Duration("during", 10*time.Second, "duration of the outage")
	after := flag.Duration("after", 10*time.Second, "duration of the phase after the outage")
	kind := flag.String("serve", "", "run a server with this limit; used by the program itself")
	redisAddress := flag.String("redis", "", "address of Redis, with -serve")
	flag.Parse()
	if *kind != "" {
		exitOn(serve(*kind, *redisAddress))
		return
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "Redis\tlimit\tphase\tper second\t429\tp50\tp99\tmax\twaiting\tgoroutines\tstore calls\tlog lines\t")
	for _, o := range outages {
		for _, limit := range limits {
			r := &run{load: newLoad(*rate), out: out, name: o.name + "\t" + limit}
			exitOn(r.measure(o, limit, *before, *during, *after))
		}
	}
	exitOn(out.Flush())
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "outage:", err)
		os.Exit(1)
	}
}

// An outage is one way in which Redis can fail.
type outage struct {
	name string
	// during makes Redis fail for the given time, and returns when Redis works again.
	during func(r *run, length time.Duration) error
}

var outages = []outage{
	{"hangs", func(r *run, length time.Duration) error {
		return r.pause(length)
	}},
	{"killed", func(r *run, length time.Duration) error {
		r.redis.stop()
		time.Sleep(length)
		return r.redis.start()
	}},
	{"unreachable", func(r *run, length time.Duration) error {
		r.proxy.drop(true)
		time.Sleep(length)
		r.proxy.drop(false)
		return nil
	}},
	{"flaps", func(r *run, length time.Duration) error {
		for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(700 * time.Millisecond) {
			if err := r.pause(700 * time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}},
}

// A run is one outage with one limit.
type run struct {
	*load
	out   *tabwriter.Writer
	name  string
	redis *redisServer
	proxy *proxy
}

// pause suspends the process of Redis for the given time.
func (r *run) pause(length time.Duration) error {
	if err := r.redis.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(length)
	return r.redis.cmd.Process.Signal(syscall.SIGCONT)
}

// measure starts Redis and a server, and prints a row for each phase.
func (r *run) measure(o outage, limit string, before, during, after time.Duration) error {
	dir, err := os.MkdirTemp("", "outage")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r.redis = &redisServer{socket: filepath.Join(dir, "redis")}
	if err := r.redis.start(); err != nil {
		return err
	}
	defer func() { r.redis.stop() }()
	if r.proxy, err = newProxy(r.redis.socket); err != nil {
		return err
	}
	defer r.proxy.close()
	server, err := startServer(limit, r.proxy.address())
	if err != nil {
		return err
	}
	defer server.stop()
	stop := r.send(server.url)
	defer stop()
	time.Sleep(time.Second) // until the connections are open
	for _, phase := range []struct {
		name string
		run  func() error
	}{
		{"before", func() error { time.Sleep(before); return nil }},
		{"during", func() error { return o.during(r, during) }},
		{"after", func() error { time.Sleep(after); return nil }},
	} {
		if _, err := server.take(); err != nil {
			return err
		}
		start := time.Now()
		if err := phase.run(); err != nil {
			return err
		}
		got, err := server.take()
		if err != nil {
			return err
		}
		fmt.Fprintf(r.out, "%s\t%s\t%s\t\n", r.name, phase.name, got.row(time.Since(start)))
	}
	return nil
}

// A redisServer is a redis-server that stores nothing on disk.
type redisServer struct {
	socket string
	cmd    *exec.Cmd
}

// start starts the server and waits until it responds.
func (s *redisServer) start() error {
	s.cmd = exec.Command("redis-server", "--save", "", "--appendonly", "no", "--dir", filepath.Dir(s.socket),
		"--port", "0", "--unixsocket", s.socket)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 1000 {
		if exec.Command("redis-cli", "-s", s.socket, "ping").Run() == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("redis-server does not respond")
}

// stop kills the server, as a crash would.
func (s *redisServer) stop() {
	_ = s.cmd.Process.Kill() // fails only if it has ended already
	_ = s.cmd.Wait()         // reports the kill
}
