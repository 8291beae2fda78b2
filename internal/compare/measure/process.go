package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a process may take to start, and to end when told to.
const patience = 40 * time.Second

// A process is a program that runs beside this one and is looked at from
// outside.
type process struct {
	cmd       *exec.Cmd
	firstLine string       // of what it prints, without the line break
	stderr    bytes.Buffer // to be read when it has ended
}

// start runs a program, with variables added to its environment, until its
// first line of output, by which programs tell that they serve. Its standard
// input stays open for as long as this process lives.
func start(program string, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = &p.stderr
	if _, err := p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	defer p.killAfter(patience).Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("%s: no first line: %w: %s", program, err, p.stderr.String())
	}
	p.firstLine = strings.TrimSpace(line)
	return p, nil
}

// end tells the process to end and waits until it has. It is an error if the
// process complains of something or has a status other than 0.
func (p *process) end() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended, and Wait tells how
	defer p.killAfter(patience).Stop()
	err := p.cmd.Wait()
	if err == nil && p.stderr.Len() > 0 {
		err = errors.New("complaints on standard error")
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", p.cmd.Path, err, p.stderr.String())
	}
	return nil
}

// kill ends the process at once, if it has not ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it has ended
	_ = p.cmd.Wait()         // it was killed, or waited for before
}

func (p *process) killAfter(d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() { _ = p.cmd.Process.Kill() }) // it has just ended
}

// proc reads one of the files in which Linux tells of the process.
func (p *process) proc(file string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	return string(text), err
}

// cpuTime returns how long the process has run on any processor, in steps of
// 10 ms.
func (p *process) cpuTime() (time.Duration, error) {
	text, err := p.proc("stat")
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

// tick is the unit of times in /proc/PID/stat.
const tick = time.Second / 100

// parseStat adds the times in user and system mode, which are the 14th and
// 15th field. The second is the program's name in parentheses, which may hold
// anything.
func parseStat(text string) (time.Duration, error) {
	var total time.Duration
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("%q is no /proc/PID/stat", text)
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

// resident returns how many bytes of memory the process occupies.
func (p *process) resident() (int64, error) {
	text, err := p.proc("status")
	if err != nil {
		return 0, err
	}
	return parseStatus(text)
}

// parseStatus finds the line of /proc/PID/status that looks like
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
