package testkit_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A recorder is a testing.TB that keeps failures instead of failing, to test
// checks.
type recorder struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()               {}
func (r *recorder) Setenv(string, string) {}
func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool          { return true }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestEachProtocolSpeaksItsProtocol(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.ProtoMajor)
	})
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		want := map[testkit.Protocol]string{testkit.HTTP1: "1", testkit.HTTP2: "2"}
		srv.Get(t, "/").Want(t, 200, want[srv.Protocol])
	})
}

func TestServerLogIsKept(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic("spilt") })
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	if _, err := srv.Client().Get(srv.URL); err == nil {
		t.Fatal("a panic answered")
	}
	if !strings.Contains(srv.Logged(), "spilt") {
		t.Errorf("the log holds %q", srv.Logged())
	}
}

func TestConnSendsAndReadsRawBytes(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	conn := testkit.Dial(t, srv.Addr())

	conn.Send("GET /one HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.Response("GET").Want(t, 200, "/one")
	conn.Send("GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if all := conn.ReadAll(); !strings.HasSuffix(all, "\r\n\r\n/two") {
		t.Errorf("the rest is %q", all)
	}
}

func TestGoldenReportsTheFirstDifference(t *testing.T) {
	if testkit.Update() {
		t.Skip("-update is on")
	}
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("testdata", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("testdata/g.txt", []byte("a\nb\nc\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ got, failure string }{
		{"a\nb\nc\n", ""},
		{"a\nX\nc\n", "line 2"},
		{"a\nb\n", "line 3"},
		{"a\nb\nc\nd\n", "line 4"},
		{"", "line 1"},
	}
	for _, tt := range tests {
		r := new(recorder)
		testkit.Golden(r, "g.txt", []byte(tt.got))
		if got := strings.Join(r.failures, "\n"); !strings.Contains(got, tt.failure) || (got == "") != (tt.failure == "") {
			t.Errorf("Golden(%q) reports %q, want %q", tt.got, got, tt.failure)
		}
	}
}

func TestCheckLeaksFindsAGoroutineAndLetsEndedOnesBe(t *testing.T) {
	r := new(recorder)
	testkit.CheckLeaks(r)
	release, ended := make(chan struct{}), make(chan struct{})
	go func() {
		<-release
		close(ended)
	}()
	r.cleanups[0]()
	if got := strings.Join(r.failures, ""); !strings.Contains(got, "TestCheckLeaksFindsAGoroutine") {
		t.Errorf("the leak was reported as %q", got)
	}
	close(release)
	<-ended
	testkit.CheckLeaks(t)
	go func() {}()
}

func TestCheckLeaksPanicsInAParallelTest(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("CheckLeaks did not panic")
		}
	}()
	testkit.CheckLeaks(t)
}

func TestKeyPairServesTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := testkit.KeyPair(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := testkit.Wrap(t, conn).ReadAll(); got != "hello" {
		t.Errorf("the server sent %q", got)
	}
}
