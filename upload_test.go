package http_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// uploadBody returns a form with a file in the field "file", and its Content-Type header line.
func uploadBody(t *testing.T, content []byte) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "a.bin")
	if err == nil {
		_, err = part.Write(content)
	}
	if err := errors.Join(err, w.WriteField("after", "1"), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

// uploading returns a handler that stores an upload and reports it.
func uploading(config http.UploadConfig) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		upload, ok := http.BindUpload(w, r, config)
		if !ok {
			return
		}
		fmt.Fprintf(w, "%s %s %d %v", upload.Name, upload.Type, upload.Size, upload.Fields)
	}
}

// wantStored fails if a directory does not contain n files.
func wantStored(t *testing.T, dir string, n int) {
	t.Helper()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != n {
		t.Errorf("stored: %v, want %d files; %v", entries, n, err)
	}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	content := make([]byte, 1<<20)
	for where, wrap := range map[string]http.Middleware{
		"alone":            http.Chain(),
		"in a chain":       documentedChain(),
		"behind a wrapper": func(next http.Handler) http.Handler { return unwrapping(http.MaxBody(10)(next)) },
	} {
		for _, tt := range []struct {
			name    string
			content []byte
			status  int
			want    string
			stored  int
		}{
			{"a file", content, 200, "a.bin application/octet-stream 1048576 map[after:[1]]", 1},
			{"a file that is too large", append(content, 0), 413, `{"error":"the file is larger than 1 MiB"}`, 0},
			{"a file that is far too large", make([]byte, 10<<20), 413, `{"error":"the file is larger than 1 MiB"}`, 0},
			{"a wrong type", append([]byte("<html>"), content...), 415,
				`{"error":"the file is of type text/html, which is not one of: application/*"}`, 0},
		} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s, chunked %t", tt.name, where, chunked), func(t *testing.T) {
					t.Parallel()
					testUpload(t, wrap, tt.content, chunked, tt.status, tt.want, tt.stored)
				})
			}
		}
	}
}

// testUpload uploads a file and checks the response and how many files are stored.
func testUpload(t *testing.T, wrap http.Middleware, content []byte, chunked bool, status int, want string, stored int) {
	parent := t.TempDir()
	body, contentType := uploadBody(t, content)
	handler := func(w http.ResponseWriter, r *http.Request) {
		dir := filepath.Join(parent, strings.ReplaceAll(r.Proto, "/", ""))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Error(err)
		}
		uploading(http.UploadConfig{Dir: dir, MaxSize: 1 << 20, Types: []string{"application/*"}})(w, r)
		wantStored(t, dir, stored)
	}
	testkit.EachProtocol(t, wrap(http.HandlerFunc(handler)), func(t *testing.T, srv *testkit.Server) {
		r := testkit.NewRequest("POST", srv.URL, body, contentType)
		if chunked {
			r.ContentLength = -1
		}
		testkit.Do(t, srv.Client(), r).Want(t, status, want)
	})
}

// After a refusal, the rest of the body is not taken for the next request.
func TestUploadsThatAreRefusedCloseTheConnection(t *testing.T) {
	t.Parallel()
	for _, wrap := range []http.Middleware{http.Chain(), unwrapping, documentedChain()} {
		dir := t.TempDir()
		srv := testkit.StartServer(t, testkit.HTTP1, wrap(uploading(http.UploadConfig{Dir: dir, MaxSize: 10, Types: []string{"text/plain"}})))
		for _, tt := range []struct {
			content string
			status  int
			closed  bool
		}{
			{"hello", 200, false},
			{strings.Repeat("x", 1000), 413, true},
			{"\x89PNG\r\n\x1a\n" + strings.Repeat("x", 10_000), 415, true},
		} {
			body, contentType := uploadBody(t, []byte(tt.content))
			conn := testkit.Dial(t, srv.Addr())
			conn.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body)+10, body[:len(body)-100]))
			if tt.status == 200 {
				conn.Send(body[len(body)-100:] + "0123456789") // the form and what comes after it
			}
			res := conn.Response("POST")
			if res.StatusCode != tt.status || res.Close != tt.closed {
				t.Errorf("got %v %s, closes %t; want %d, %t", res.StatusCode, res.Body, res.Close, tt.status, tt.closed)
			}
			if tt.closed {
				if _, err := io.WriteString(conn.Conn, body[len(body)-100:]+"0123456789"); err != nil {
					t.Log(err) // the server may have closed the connection
				}
				if rest := conn.ReadAll(); rest != "" {
					t.Errorf("after the response came %q", rest)
				}
				continue
			}
			conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if res := conn.Response("GET"); res.StatusCode != 415 {
				t.Errorf("the next request got %v", res)
			}
		}
		wantStored(t, dir, 1)
	}
}

// A client that waits for 100 Continue does not send a file that would be refused.
func TestUploadsAreRefusedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, uploading(http.UploadConfig{Writer: io.Discard, MaxSize: 10 << 20}))
	for contentType, want := range map[string]int{"multipart/form-data; boundary=x": 413, "text/plain": 415, "multipart/form-data": 400} {
		conn := testkit.Dial(t, srv.Addr())
		conn.Send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\nContent-Type: " + contentType + "\r\n\r\n")
		if res := conn.Response("POST"); res.StatusCode != want || !res.Close {
			t.Errorf("%s: got %v, closes %t; want %d", contentType, res, res.Close, want)
		}
	}
}

func TestAClientThatLeavesAnUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var logged testkit.Log
	returned := make(chan struct{}, 1)
	handler := uploading(http.UploadConfig{Dir: dir})
	srv := testkit.StartServer(t, testkit.HTTP1, http.RequestLogger(logged.JSON())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(w, r)
		returned <- struct{}{}
	})))
	body, contentType := uploadBody(t, make([]byte, 1<<20))
	for _, chunked := range []bool{false, true} {
		logged.Reset()
		conn := testkit.Dial(t, srv.Addr())
		length := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
		if chunked {
			length = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", len(body))
		}
		conn.Send("POST / HTTP/1.1\r\nHost: x\r\n" + contentType + "\r\n" + length + body[:len(body)/2])
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		testkit.Receive(t, returned, "the end of the handler")
		wantStored(t, dir, 0)
	}
}

func TestUploadsThatAreSlow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		wrap    http.Middleware
		timeout time.Duration
		takes   time.Duration
		status  int
	}{
		{"longer than the server's timeouts", http.Chain(), 0, time.Minute, 200},
		{"behind a wrapper", unwrapping, 0, time.Minute, 200},
		{"in a chain", documentedChain(), 0, time.Minute, 200},
		{"longer than the default", http.Chain(), 0, 11 * time.Minute, 408},
		{"longer than Timeout", http.Chain(), 30 * time.Second, time.Minute, 408},
		{"shorter than Timeout", http.Chain(), time.Hour, 20 * time.Minute, 200},
		{"longer than the timeouts of middleware", http.Timeout(http.TimeoutConfig{ReadTimeout: time.Second, WriteTimeout: 2 * time.Second}), 0, time.Minute, 200},
		{"longer than the deadline of the context", http.Timeout(http.TimeoutConfig{Timeout: 20 * time.Second}), 0, time.Minute, 503},
	} {
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			t.Run(tt.name+" over "+string(protocol), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testSlowUpload(t, protocol, tt.wrap, tt.timeout, tt.takes, tt.status) })
			})
		}
	}
}

// testSlowUpload uploads a file with pauses. After that, the handler works for a while: the
// deadlines of the upload must not disturb it.
func testSlowUpload(t *testing.T, protocol testkit.Protocol, wrap http.Middleware, timeout, takes time.Duration, status int) {
	dir := t.TempDir()
	dial, stop := serveInMemory(t, protocol, wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := http.BindUpload(w, r, http.UploadConfig{Dir: dir, Timeout: timeout}); !ok {
			return
		}
		if status == 200 {
			select {
			case <-r.Context().Done():
				t.Errorf("the context ended: %v", r.Context().Err())
			case <-time.After(14 * time.Second):
			}
		}
		fmt.Fprint(w, "stored")
	})))
	body, contentType := uploadBody(t, make([]byte, 1<<20))
	r, err := http.NewRequest("POST", "https://localhost/", &slowBody{rest: body, pause: takes / 32})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", strings.TrimPrefix(contentType, "Content-Type: "))
	if protocol == testkit.HTTP1 {
		r.URL.Scheme = "http"
	}
	if res, err := testkit.Send(&http.Client{Transport: dial}, r); err != nil || res.StatusCode != status {
		t.Errorf("got %v, want %d; %v", res, status, err)
	}
	stored := 0
	if status == 200 {
		stored = 1
	}
	wantStored(t, dir, stored)
	<-time.After(takes) // the client may still be sending
	stop()
}

// serveInMemory starts a server with the default timeouts on a [testkit.PipeListener]. The
// caller must call stop.
func serveInMemory(t *testing.T, protocol testkit.Protocol, handler http.Handler) (transport *http.Transport, stop func()) {
	t.Helper()
	ln := testkit.NewPipeListener()
	transport = &http.Transport{DialContext: ln.Dial}
	opts := []http.ServerOption{http.WithListener(ln), quietly()}
	if protocol == testkit.HTTP2 {
		certFile, keyFile, pool := testkit.KeyPair(t)
		opts = append(opts, http.WithTLS(certFile, keyFile))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
		transport.ForceAttemptHTTP2 = true
	}
	srv := http.NewServer(handler, opts...)
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return transport, func() {
		transport.CloseIdleConnections()
		if err := srv.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// A client that sends nothing more after a refusal does not keep its connection.
func TestUploadsThatAreRefusedAndStallEnd(t *testing.T) {
	t.Parallel()
	panics := func([]byte) string { panic("boom") }
	for status, handler := range map[int]http.Handler{
		413: uploading(http.UploadConfig{Writer: io.Discard, MaxSize: 10}),
		500: http.Recovery(nil)(uploading(http.UploadConfig{Writer: io.Discard, Detect: panics})),
	} {
		synctest.Test(t, func(t *testing.T) { testStalledUpload(t, handler, status) })
	}
}

// testStalledUpload sends an upload without its end. The server must respond with the status
// and then close the connection.
func testStalledUpload(t *testing.T, handler http.Handler, status int) {
	transport, stop := serveInMemory(t, testkit.HTTP1, handler)
	pipe, err := transport.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	conn := testkit.Wrap(t, pipe)
	body, contentType := uploadBody(t, make([]byte, 1000))
	conn.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body[:len(body)-100]))
	if res := conn.Response("POST"); res.StatusCode != status {
		t.Errorf("got %v, want %d", res, status)
	}
	begin := time.Now()
	if rest := conn.ReadAll(); rest != "" {
		t.Errorf("after the response came %q", rest)
	}
	if waited := time.Since(begin); waited > 10*time.Second {
		t.Errorf("status %d: the connection was closed after %v", status, waited)
	}
	stop()
}

// A slowBody arrives in pieces of 32 KiB.
type slowBody struct {
	rest  string
	pause time.Duration // before each piece
}

// Read implements [io.Reader].
func (b *slowBody) Read(p []byte) (int, error) {
	if b.rest == "" {
		return 0, io.EOF
	}
	<-time.After(b.pause)
	n := copy(p, b.rest[:min(32<<10, len(b.rest))])
	b.rest = b.rest[n:]
	return n, nil
}

func TestUploadsThatCannotBeStoredAreLogged(t *testing.T) {
	t.Parallel()
	var logged testkit.Log
	dir := filepath.Join(t.TempDir(), "missing")
	body, contentType := uploadBody(t, []byte("hello"))
	handler := http.RequestLogger(logged.JSON())(uploading(http.UploadConfig{Dir: dir}))
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	srv.Do(t, "POST", "/", body, contentType).Want(t, 500, `{"error":"failed to store the file"}`)
	if records := logged.Records(t); len(records) != 2 || records[0]["level"] != "ERROR" || !strings.Contains(fmt.Sprint(records[0]["error"]), dir) {
		t.Errorf("logged %v", records)
	}
}

// If other code has parsed the form, there is no body to receive.
func TestUploadsAfterParseMultipartForm(t *testing.T) {
	t.Parallel()
	body, contentType := uploadBody(t, []byte("hello"))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.FormValue("after")
		uploading(http.UploadConfig{Writer: io.Discard})(w, r)
	})
	testkit.Serve(t, handler, "POST", "/", body, contentType).Want(t, 500, `{"error":"failed to store the file"}`)
}

func TestUploadsWithoutADeadlineAreReported(t *testing.T) {
	t.Parallel()
	var logged testkit.Log
	hiding := func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(http.ContextWithLogger(r.Context(), logged.JSON()))
		uploading(http.UploadConfig{Writer: io.Discard})(struct{ http.ResponseWriter }{w}, r)
	}
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(hiding), func(s *nethttp.Server) {
		s.ReadTimeout, s.ReadHeaderTimeout = 50*time.Millisecond, testkit.Patience
	})
	_, contentType := uploadBody(t, nil)
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("POST / HTTP/1.1\r\nHost: x\r\n" + contentType + "\r\nContent-Length: 1000\r\n\r\n--")
	if res := conn.Response("POST"); res.StatusCode != 408 || !res.Close {
		t.Errorf("got %v, closes %t", res, res.Close)
	}
	if text := logged.String(); !strings.Contains(text, "cannot replace the server's timeouts") || !strings.Contains(text, "WARN") {
		t.Errorf("logged %q", text)
	}
}

func TestUploadsUseLittleMemory(t *testing.T) {
	body, contentType := uploadBody(t, make([]byte, 16<<20))
	r := testkit.NewRequest("POST", "/", body, contentType)
	size := allocated(func() {
		testkit.Record(uploading(http.UploadConfig{Writer: io.Discard, MaxSize: 16 << 20}), r).Want(t, 200, "a.bin application/octet-stream 16777216 map[after:[1]]")
	})
	if size > 100<<10 {
		t.Errorf("a file of 16 MiB took %d bytes of memory", size)
	}
}

func TestUploadConfigIsChecked(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]http.UploadConfig{
		"UploadConfig.Path: exactly one of Path, Dir and Writer must be set; 0 are":                      {},
		"UploadConfig.Path: exactly one of Path, Dir and Writer must be set; 2 are":                      {Dir: "a", Writer: io.Discard},
		"UploadConfig.MaxSize: -1 is negative; UploadConfig.Timeout: -1ns is negative":                   {Dir: "a", MaxSize: -1, Timeout: -1},
		`UploadConfig.Types: "png" is not a media type without parameters, such as image/png or image/*`: {Dir: "a", Types: []string{"image/png", "png"}},
		"UploadConfig.Mode: drwxr-xr-x has bits other than permissions":                                  {Dir: "a", Mode: os.ModeDir | 0o755},
		"UploadConfig.Mode: has no effect with Writer; UploadConfig.Sync: has no effect with Writer":     {Writer: io.Discard, Mode: 0o644, Sync: true},
	} {
		wantPanic(t, want, func() { uploading(config)(nil, testkit.NewRequest("POST", "/", "")) })
	}
}
