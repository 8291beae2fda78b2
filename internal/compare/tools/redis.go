package tools

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// StartRedis starts a Redis server and waits until it accepts connections. The
// arguments determine where it listens. They may also configure persistence,
// which is off otherwise. The caller must call [StopRedis].
func StartRedis(tb testing.TB, dir string, args ...string) *exec.Cmd {
	tb.Helper()
	args = append([]string{"--save", "", "--appendonly", "no", "--dir", dir}, args...)
	cmd := exec.Command(Require(tb, "redis-server"), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		sent := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			// There is a line for TCP and one for a Unix socket.
			if !sent && strings.Contains(lines.Text(), "eady to accept connections") {
				sent = true
				ready <- true
			}
		}
		if !sent {
			ready <- false
		}
	}()
	select {
	case ok := <-ready:
		if !ok {
			tb.Fatal("redis-server ended without accepting connections")
		}
	case <-time.After(testkit.Patience):
		tb.Fatal("redis-server does not accept connections")
	}
	return cmd
}

// StopRedis kills a server, as a crash would.
func StopRedis(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // fails only if it has ended already
	_ = cmd.Wait()         // reports the kill
}
