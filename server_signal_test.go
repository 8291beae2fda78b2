//go:build unix

package http_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// If serveEnv is set, the test binary is the program under test: a server that
// calls Run. Its value is the server's drain delay.
const serveEnv = "HTTP_TEST_SERVE"

// TestServingProcess is that program. It prints its address, "entered" when a
// handler runs, and "stopping" when it no longer accepts connections. A
// request for /slow ends when the program reads a line from standard input. A request for
// /stop makes the program call Stop.
func TestServingProcess(t *testing.T) {
	if os.Getenv(serveEnv) == "" {
		t.Skip("run as a process by the tests below")
	}
	delay, err := time.ParseDuration(os.Getenv(serveEnv))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /ready", http.ReadyHandler())
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("entered")
		bufio.NewReader(os.Stdin).ReadString('\n')
		io.WriteString(w, "finished")
	})
	mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			fmt.Println("error:", err)
			return
		}
		defer conn.Close()
		fmt.Println("entered")
		conn.ReadMessage()
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		events := http.NewSSEWriter(w)
		fmt.Println("entered")
		for events.Data(strings.Repeat("x", 1<<20)) == nil && r.Context().Err() == nil {
		}
	})
	var srv *http.Server
	mux.HandleFunc("GET /stop", func(w http.ResponseWriter, r *http.Request) { go srv.Stop(context.Background()) })
	srv = http.NewServer(mux, http.WithListener(l), http.WithDrainDelay(delay), http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.RegisterOnShutdown(func() { fmt.Println("stopping") })
	}))
	fmt.Println(srv.Addr())
	if err := srv.Run(context.Background()); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A process is a running TestServingProcess.
type process struct {
	cmd   *exec.Cmd
	addr  string
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func startProcess(t *testing.T, drainDelay ...time.Duration) *process {
	t.Helper()
	delay := time.Duration(0)
	if len(drainDelay) > 0 {
		delay = drainDelay[0]
	}
	p := &process{cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServingProcess$")}
	p.cmd.Env = append(os.Environ(), serveEnv+"="+delay.String())
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(stdout)
	p.addr = p.line(t)
	return p
}

// enter sends a request and waits until its handler runs.
func (p *process) enter(t *testing.T, request string) *testkit.Conn {
	t.Helper()
	return p.enterBy(t, p.addr, request)
}

// enterBy is like enter, but connects to addr.
func (p *process) enterBy(t *testing.T, addr, request string) *testkit.Conn {
	t.Helper()
	conn := testkit.Dial(t, addr)
	conn.Send(request)
	p.expect(t, "entered")
	return conn
}

// proxy starts a proxy for connections to the process, which runs until the test
// ends, and returns its address.
func (p *process) proxy(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.addr)
			if err != nil {
				client.Close()
				return
			}
			pass := func(to, from net.Conn) {
				io.Copy(to, from)
				to.Close()
			}
			go pass(server, client)
			go pass(client, server)
		}
	}()
	return l.Addr().String()
}

const (
	slowRequest  = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
	readyRequest = "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
)

// line returns the next line that the process prints.
func (p *process) line(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatalf("the process prints nothing more: %v, %v", p.lines.Err(), p.cmd.Wait())
	}
	return p.lines.Text()
}

func (p *process) expect(t *testing.T, want string) {
	t.Helper()
	if got := p.line(t); got != want {
		t.Fatalf("the process says %q, want %q", got, want)
	}
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func TestSignalLetsRequestsFinishAndTheProcessEndWell(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p := startProcess(t)
			slow := p.enter(t, slowRequest)
			p.signal(t, sig)
			p.expect(t, "stopping")
			if !refusesConnections(p.addr) {
				t.Error("the process still accepts connections")
			}
			fmt.Fprintln(p.stdin, "go on")
			if got := slow.ReadAll(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "finished") {
				t.Errorf("the slow request got %q", got)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("the process ended with %v", err)
			}
		})
	}
}

func TestSecondSignalKillsAtOnce(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	slow := p.enter(t, slowRequest)
	p.signal(t, syscall.SIGTERM)
	p.expect(t, "stopping")
	p.signal(t, syscall.SIGTERM)
	if got := slow.ReadAll(); got != "" {
		t.Errorf("the slow request got %q", got)
	}
	err := p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v", err)
	}
}

// The program may be stopping already when the first signal arrives.
func TestFirstSignalDoesNotKillAProgramThatStops(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, delay)
			slow := p.enter(t, slowRequest)
			testkit.Dial(t, p.addr).Get("/stop")
			if delay > 0 {
				waitUntilNotReady(t, p.addr)
			} else {
				p.expect(t, "stopping")
			}
			p.signal(t, syscall.SIGTERM)
			if delay > 0 {
				p.expect(t, "stopping")
			}
			fmt.Fprintln(p.stdin, "go on")
			if got := slow.ReadAll(); !strings.HasSuffix(got, "finished") {
				t.Errorf("the slow request got %q", got)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("the process ended with %v", err)
			}
		})
	}
}

// The drain timeout begins after the delay, so the process exits with success.
func TestProcessServesDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	p := startProcess(t, 2*time.Second)
	slow := p.enter(t, slowRequest)
	idle := testkit.Dial(t, p.addr)
	idle.Send(readyRequest)
	idle.Response("GET").Want(t, 200, `{"status":"ready"}`)
	p.signal(t, syscall.SIGTERM)
	waitUntilNotReady(t, p.addr)
	idle.Send(readyRequest)
	res := idle.Response("GET")
	if res.Want(t, 503, `{"error":"server is stopping"}`); !res.Close {
		t.Error("the response does not close the connection")
	}
	late := p.enter(t, slowRequest)
	p.expect(t, "stopping") // the delay is over
	if !refusesConnections(p.addr) {
		t.Error("the process still accepts connections")
	}
	fmt.Fprint(p.stdin, "go on\ngo on\n")
	p.stdin.Close()
	for _, conn := range []*testkit.Conn{slow, late} {
		if res := conn.Response("GET"); res.Body != "finished" || !res.Close {
			t.Errorf("a slow request got %v", res)
		}
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

func TestSecondSignalKillsDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	p := startProcess(t, time.Hour)
	testkit.Dial(t, p.addr).Get("/ready") // once it serves, it also handles signals
	p.signal(t, syscall.SIGTERM)
	waitUntilNotReady(t, p.addr)
	p.signal(t, syscall.SIGTERM)
	err := p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v", err)
	}
}

// The process exits before its drain timeout of 25 seconds, after which its status
// would be 1.
func TestProcessEndsWellAlthoughPeersDoNotRespond(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	for _, addr := range []string{p.addr, p.proxy(t)} {
		p.enterBy(t, addr, strings.Replace(handshake, "GET / ", "GET /socket ", 1))
		p.enterBy(t, addr, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.expect(t, "stopping")
	err := p.cmd.Wait()
	t.Logf("the process ended after %v with %v", time.Since(began), p.cmd.ProcessState)
	if err != nil {
		t.Errorf("the process ended with %v", err)
	}
}
