package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"
)

// demo is the application under test: the demo with its tasks and messages in Redis.
const demo = "github.com/stanza-go/framework/pkg/http/internal/compare/demo"

// An instance is one process of the demo.
type instance struct {
	process *process
	url     string
	metrics *scraper
}

// startInstances builds the demo in a directory and starts it several times with the same
// Redis. If one fails to start, startInstances kills the others and returns an error.
func startInstances(n int, dir, socket string) ([]*instance, error) {
	program := filepath.Join(dir, "demo")
	if _, err := output("go", "build", "-o", program, demo); err != nil {
		return nil, err
	}
	var all []*instance
	for range n {
		one, err := startInstance(program, socket)
		if err != nil {
			for _, other := range all {
				other.process.kill()
			}
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func startInstance(program, socket string) (*instance, error) {
	p, err := start(program, []string{"GOMEMLIMIT=64MiB", "GOGC=100"}, "-redis", socket, "-addr", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	url := regexp.MustCompile(`http://[^ ]+`).FindString(p.firstLine)
	if url == "" {
		p.kill()
		return nil, fmt.Errorf("no address in the demo's first line %q", p.firstLine)
	}
	return &instance{p, url, newScraper(url + "/api/metrics")}, nil
}

// A redisServer is a redis-server that writes every change to disk before it
// acknowledges it.
type redisServer struct {
	socket string
	cmd    *exec.Cmd
}

// start starts the server and waits until it responds. It finds what an earlier server
// has written.
func (s *redisServer) start() error {
	s.cmd = exec.Command("redis-server", "--save", "", "--appendonly", "yes", "--appendfsync", "always",
		"--dir", filepath.Dir(s.socket), "--port", "0", "--unixsocket", s.socket)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	late := time.Now().Add(patience)
	for time.Now().Before(late) {
		if exec.Command("redis-cli", "-s", s.socket, "ping").Run() == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.kill()
	return errors.New("redis-server does not respond")
}

// kill kills the server, as a crash would.
func (s *redisServer) kill() {
	_ = s.cmd.Process.Kill() // fails only if it has ended already
	_ = s.cmd.Wait()         // reports the kill
}

// An outage says whether Redis is away, which allows clients to fail.
type outage struct{ begun, over atomic.Bool }

// outageLength is how long Redis is away. The demo retries for longer to publish a change that
// it has stored.
const outageLength = 5 * time.Second

// recovery is how long clients may take, after Redis is back, until their requests and
// connections succeed.
const recovery = 5 * time.Second

// inflict kills Redis, starts it again after outageLength, and returns when clients must
// have recovered.
func (o *outage) inflict(server *redisServer) error {
	o.begun.Store(true)
	server.kill()
	time.Sleep(outageLength)
	if err := server.start(); err != nil {
		return err
	}
	time.Sleep(recovery)
	o.over.Store(true)
	return nil
}

// mayFail reports whether a client that fails now does so because Redis is away.
func (o *outage) mayFail() bool { return o.begun.Load() && !o.over.Load() }

// reconnectAfter is how long a client waits before it connects again.
const reconnectAfter = time.Second

// persist reads from a client's connection, which is open, until reading fails. During an
// outage, it then opens the connection again, which it counts, and continues. It returns
// the reason why it ended, or nil if ctx is done while the client waits.
func (o *outage) persist(ctx context.Context, open func(context.Context) error, read func() error, reopened *atomic.Int64) error {
	err := read()
	for ctx.Err() == nil && o.mayFail() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reconnectAfter):
		}
		if err = open(ctx); err == nil {
			reopened.Add(1)
			err = read()
		}
	}
	return err
}
