package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// guide is the server of a setup whose program is the service of docs/guide.md.
const guide = "guide"

// patience is how long a program may take to start or to stop.
const patience = 30 * time.Second

// A fleet is a pair of instances that are restarted in turn.
type fleet struct {
	program string
	setup   setup
	addrs   [2]string
	running [2]*instance
}

// An instance is a running server.
type instance struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	output bytes.Buffer
}

// startFleet starts both instances and waits until they are ready.
func startFleet(program string, s setup) (*fleet, error) {
	f := &fleet{program: program, setup: s, addrs: [2]string{freeAddress(), freeAddress()}}
	for i := range f.addrs {
		if err := f.start(i); err != nil {
			f.kill()
			return nil, err
		}
	}
	return f, nil
}

// start starts an instance and waits until it is ready.
func (f *fleet) start(i int) error {
	in := new(instance)
	in.cmd = exec.Command(f.program, f.args(i)...)
	in.cmd.Stderr = &in.output
	stdin, err := in.cmd.StdinPipe() // closed when this process ends
	if err != nil {
		return err
	}
	in.stdin = stdin
	if err := in.cmd.Start(); err != nil {
		return err
	}
	f.running[i] = in
	if err := waitUntilReady(f.addrs[i], time.Now().Add(patience)); err != nil {
		return fmt.Errorf("%w: %s", err, &in.output)
	}
	return nil
}

// args returns the arguments of an instance. For the guide's service, they are those that
// docs/guide.md gives.
func (f *fleet) args(i int) []string {
	if f.setup.server == guide {
		return []string{"-https", "-drain-delay", f.setup.delay.String(), "-addr", f.addrs[i],
			"-internal-addr", "127.0.0.1:0", "-dir", filepath.Join(filepath.Dir(f.program), fmt.Sprint("uploads", i))}
	}
	return []string{"-server", f.setup.server, "-addr", f.addrs[i], "-delay", f.setup.delay.String()}
}

// stop sends SIGTERM to an instance and waits until it has ended, but kills it when patience
// has passed. If the instance has printed anything to
// standard error, stop returns that as an error.
func (f *fleet) stop(i int) error {
	in := f.running[i]
	f.running[i] = nil
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	defer time.AfterFunc(patience, func() { _ = in.cmd.Process.Kill() }).Stop() // fails only if it has ended
	err := in.cmd.Wait()
	if in.output.Len() > 0 {
		err = errors.Join(err, fmt.Errorf("%.2000s", &in.output))
	}
	return err
}

// restart stops an instance, starts it again, and waits until it is ready.
func (f *fleet) restart(i int) error {
	if err := f.stop(i); err != nil {
		return fmt.Errorf("instance %d: %w", i+1, err)
	}
	return f.start(i)
}

// kill kills the instances that are running.
func (f *fleet) kill() {
	for _, in := range f.running {
		if in != nil {
			_ = in.cmd.Process.Kill() // fails only if it has ended
			_ = in.cmd.Wait()         // reports the kill
		}
	}
}

// waitUntilReady waits until GET /ready succeeds at an address.
func waitUntilReady(addr string, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	client := &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}
	for {
		request, err := nethttp.NewRequestWithContext(ctx, "GET", "http://"+addr+"/ready", nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close() // the status is enough
			if response.StatusCode == nethttp.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-time.After(20 * time.Millisecond): // there is no notification
		}
	}
}

// freeAddress returns an address with a free port of 127.0.0.3, which nothing else uses.
// Connections to it come from 127.0.0.1, so they do not take its ports.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		panic(err) // Linux has the whole network 127.0.0.0/8
	}
	defer l.Close()
	return l.Addr().String()
}
