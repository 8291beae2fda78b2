package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a process may take to start or to end.
const patience = 40 * time.Second

// A process is a running program whose CPU time and memory are measured from
// outside.
type process struct {
	cmd       *exec.Cmd
	stdin     io.WriteCloser
	stdout    *bufio.Reader
	firstLine string       // of its output, without the line break
	stderr    bytes.Buffer // read it only after the process has ended
}

// start starts a program, with env added to its environment, and waits for its
// first line of output, which shows that it is serving. Its standard input
// stays open until this process ends.
func start(program string, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	defer p.killAfter(patience).Stop()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("%s: no first line: %w: %s", program, err, p.stderr.String())
	}
	p.firstLine = strings.TrimSpace(line)
	return p, nil
}

// ask sends a request to the process, and reads its answer. Both are one line of
// JSON.
func (p *process) ask(request, answer any) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", p.cmd.Path, err)
	}
	text, err := p.stdout.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s: no answer to %s: %w", p.cmd.Path, line, err)
	}
	return json.Unmarshal(text, answer)
}

// end stops the process. It also returns an error if the process has written to
// standard error.
func (p *process) end() error {
	if err := p.stop(); err != nil {
		return err
	}
	if p.stderr.Len() > 0 {
		return fmt.Errorf("%s: unexpected output on standard error: %s", p.cmd.Path, p.stderr.String())
	}
	return nil
}

// stop sends SIGTERM to the process and waits until it has ended. It returns an error if
// the process exits with a nonzero status.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if the process has ended, and Wait reports that
	defer p.killAfter(patience).Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.cmd.Path, err, p.stderr.String())
	}
	return nil
}

// kill kills the process if it is still running.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only if the process has ended
	_ = p.cmd.Wait()         // reports the kill, or that end has waited already
}

func (p *process) killAfter(d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() { _ = p.cmd.Process.Kill() }) // fails only if the process has ended
}

// proc reads a file of the process in /proc.
func (p *process) proc(file string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	return string(text), err
}

// cpuTime returns the CPU time of the process, in steps of 10 ms.
func (p *process) cpuTime() (time.Duration, error) {
	text, err := p.proc("stat")
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

// tick is the unit of times in /proc/PID/stat.
const tick = time.Second / 100

// parseStat returns the sum of user and system time, the 14th and 15th field.
// The second field is the program's name in parentheses, which may contain any
// character.
func parseStat(text string) (time.Duration, error) {
	var total time.Duration
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat: invalid content %q", text)
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		total += time.Duration(ticks) * tick
	}
	return total, nil
}

// resident returns the resident memory of the process in bytes.
func (p *process) resident() (int64, error) {
	text, err := p.proc("status")
	if err != nil {
		return 0, err
	}
	return parseStatus(text)
}

// parseStatus returns the resident memory from /proc/PID/status. It looks for
// the line
//
//	VmRSS:     12345 kB
func parseStatus(text string) (int64, error) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		if name != "VmRSS" {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/status: %w", err)
		}
		return kilobytes << 10, nil
	}
	return 0, errors.New("/proc/PID/status has no VmRSS")
}
