package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// The clients and events whose system calls are counted.
const (
	callsClients = 100
	callsEvents  = 30
)

// measureCalls counts the system calls of the servers with strace.
func measureCalls(dir string, p plan) (string, error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return "System calls are not counted, because strace is not installed.\n", nil
	}
	log.Print("feeds, system calls")
	var b strings.Builder
	fmt.Fprintf(&b, "System calls of the server per delivery, counted by strace, with %d followers and %d events:\n\n", callsClients, callsEvents)
	b.WriteString("| | steady: write | steady: all calls | burst: write | burst: all calls |\n|---|---|---|---|---|\n")
	for _, protocol := range []fanout.Protocol{fanout.SSE, fanout.WebSocket} {
		for _, c := range p.fanout.contestants(protocol) {
			steady, err := countCalls(strace, dir, c, callsEvents, 1)
			if err != nil {
				return "", fmt.Errorf("%s, %s: %w", protocol, c.Name, err)
			}
			burst, err := countCalls(strace, dir, c, 1, callsEvents)
			if err != nil {
				return "", fmt.Errorf("%s, %s: %w", protocol, c.Name, err)
			}
			fmt.Fprintf(&b, "| %s, %s | %.2f | %.2f | %.2f | %.2f |\n", protocol, c.Name, steady.writes, steady.all, burst.writes, burst.all)
		}
	}
	return b.String(), nil
}

// calls is numbers of system calls per delivery.
type calls struct{ writes, all float64 }

// countCalls starts a contestant, and counts its system calls while it publishes a
// number of events at once, several times.
func countCalls(strace, dir string, c fanout.Contestant, times, events int) (calls, error) {
	pair, err := startFanout(dir, c)
	if err != nil {
		return calls{}, err
	}
	defer pair.kill()
	if _, err := pair.gather(callsClients, 0); err != nil {
		return calls{}, err
	}
	summary := filepath.Join(dir, "calls")
	cmd := exec.Command(strace, "-c", "-f", "-o", summary, "-p", strconv.Itoa(pair.server.cmd.Process.Pid))
	attached, err := cmd.StderrPipe()
	if err != nil {
		return calls{}, err
	}
	if err := cmd.Start(); err != nil {
		return calls{}, err
	}
	line, err := bufio.NewReader(attached).ReadString('\n')
	if err != nil || !strings.Contains(line, "attached") {
		return calls{}, fmt.Errorf("strace: %q, %w, %w", line, err, cmd.Wait())
	}
	if _, err := pair.lap(times, events); err != nil {
		return calls{}, err
	}
	_ = cmd.Process.Signal(os.Interrupt) // fails only if strace has ended
	_ = cmd.Wait()                       // reports the signal
	text, err := os.ReadFile(summary)
	if err != nil {
		return calls{}, err
	}
	writes, all, err := parseCalls(string(text))
	deliveries := float64(callsClients * times * events)
	return calls{float64(writes) / deliveries, float64(all) / deliveries}, err
}

// parseCalls returns the number of calls that write, and of all calls, from the
// summary of strace. Its lines have the share of the time, the time, the time per
// call, the number of calls, the number of errors if there were any, and the name.
func parseCalls(summary string) (writes, all int, err error) {
	for line := range strings.Lines(summary) {
		fields := strings.Fields(line)
		if len(fields) < 5 || strings.HasPrefix(fields[0], "-") || fields[0] == "%" {
			continue
		}
		count, err := strconv.Atoi(fields[3])
		if err != nil {
			return 0, 0, fmt.Errorf("strace: line %q: %w", line, err)
		}
		switch fields[len(fields)-1] {
		case "total":
			return writes, count, nil
		case "write", "writev", "sendto", "sendmsg":
			writes += count
		}
	}
	return 0, 0, fmt.Errorf("strace: no total in %q", summary)
}
