package docs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime/multipart"
	nethttp "net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

//snippet:begin docs/production.md

func upload(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 50<<20)
	err := r.ParseMultipartForm(8 << 20) // files beyond 8 MiB in total go to disk
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.WriteError(w, http.StatusRequestEntityTooLarge, "at most 50 MiB")
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		http.WriteError(w, http.StatusRequestTimeout, "the upload took too long")
		return
	case err != nil:
		http.WriteError(w, http.StatusBadRequest, "not a complete multipart form")
		return
	}
	defer r.MultipartForm.RemoveAll()
	http.WriteJSON(w, http.StatusCreated, map[string]int{"files": len(r.MultipartForm.File)})
}

//snippet:end

// form returns a form with one file of the given size, and its content type.
func form(t *testing.T, size int) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "file.bin")
	if err == nil {
		_, err = part.Write(make([]byte, size))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

// A slowReader returns its content in pieces of at most 32 KiB.
type slowReader struct {
	content []byte
	pause   time.Duration // before each piece
}

// Read waits and returns the next piece.
func (s *slowReader) Read(p []byte) (int, error) {
	if len(s.content) == 0 {
		return 0, io.EOF
	}
	<-time.After(s.pause)
	n := copy(p, s.content[:min(32<<10, len(s.content))])
	s.content = s.content[n:]
	return n, nil
}

// newRouter returns a router with a route that does not extend the server's deadlines.
func newRouter(t *testing.T) *http.Router {
	router := http.NewRouter()
	router.Use(http.RequestLogger((&console{t: t}).logger()), http.MaxBody(1<<20), http.Recovery(nil))
	router.HandleFunc("POST /without", upload)
	return router
}

// sendSlowly uploads 5 MiB within the given time.
func sendSlowly(t *testing.T, client *http.Client, url string, takes time.Duration) (*http.Response, error) {
	t.Helper()
	body, contentType := form(t, 5<<20)
	pause := takes / time.Duration(len(body)/(32<<10))
	res, err := client.Post(url, contentType, &slowReader{body, pause})
	if err == nil {
		t.Cleanup(func() { res.Body.Close() })
	}
	return res, err
}

// wantUploaded checks the response to an upload.
func wantUploaded(t *testing.T, res *http.Response, err error, protocol string) {
	t.Helper()
	if err != nil {
		t.Error(err)
		return
	}
	if got, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 201 || string(got) != `{"files":1}` || res.Proto != protocol {
		t.Errorf("got %d %s over %s, %v", res.StatusCode, got, res.Proto, err)
	}
}

// 5 MiB at 256 KiB/s take 20 seconds; the default timeouts are 15.
func TestSlowUploads(t *testing.T) {
	t.Parallel()
	router := newRouter(t)
	//snippet:begin docs/production.md
	uploads := router.Group("/upload")
	// At 50 KiB/s, 50 MiB takes 17 minutes.
	uploads.Use(http.Timeout(http.TimeoutConfig{Timeout: 20 * time.Minute}))
	uploads.HandleFunc("POST /", upload)
	//snippet:end
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		synctest.Test(t, func(t *testing.T) {
			certFile, keyFile, pool := testkit.KeyPair(t)
			ln := testkit.NewPipeListener()
			server := http.NewServer(router, http.WithListener(ln), http.WithTLS(certFile, keyFile))
			if err := server.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{
				DialContext: ln.Dial, TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: protocol == "HTTP/2.0",
			}
			res, err := sendSlowly(t, &http.Client{Transport: transport}, "https://localhost/upload/", 20*time.Second)
			wantUploaded(t, res, err, protocol)
			res, err = sendSlowly(t, &http.Client{Transport: transport}, "https://localhost/without", 20*time.Second)
			if err != nil {
				t.Error(err)
			} else if res.StatusCode != http.StatusRequestTimeout {
				t.Errorf("with the server's own timeouts, the upload gets %s", res.Status)
			}
			transport.CloseIdleConnections()
			if err := server.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The same over sockets, with all times divided by 300. If the handler does not
// extend the server's deadlines, the upload must fail.
func TestSlowUploadOverSockets(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	router := newRouter(t)
	router.Handle("POST /upload/", http.Timeout(http.TimeoutConfig{Timeout: testkit.Patience})(http.HandlerFunc(upload)))
	srv := testkit.StartServer(t, testkit.HTTP1, router, func(s *nethttp.Server) {
		s.ReadTimeout, s.WriteTimeout, s.ReadHeaderTimeout = timeout, timeout, testkit.Patience
	})
	res, err := sendSlowly(t, srv.Client(), srv.URL+"/upload/", 4*timeout)
	wantUploaded(t, res, err, "HTTP/1.1")
	if res, err := sendSlowly(t, srv.Client(), srv.URL+"/without", 4*timeout); err == nil && res.StatusCode < 400 {
		t.Errorf("with the server's own deadlines the upload gets %s", res.Status)
	}
}

func TestRefusedUploads(t *testing.T) {
	t.Parallel()
	large, largeType := form(t, 50<<20)
	small, smallType := form(t, 100)
	for _, test := range []struct {
		name, contentType string
		body              []byte
		status            int
		want              string
	}{
		{"a small file", smallType, small, 201, `{"files":1}`},
		{"a file of 50 MiB and what is around it", largeType, large, 413, `{"error":"at most 50 MiB"}`},
		{"half a form", smallType, small[:len(small)-20], 400, `{"error":"not a complete multipart form"}`},
		{"no form", "text/plain", small, 400, `{"error":"not a complete multipart form"}`},
	} {
		got := testkit.Serve(t, http.HandlerFunc(upload), "POST", "/", string(test.body), "Content-Type: "+test.contentType)
		if got.StatusCode != test.status || strings.TrimSpace(got.Body) != test.want {
			t.Errorf("%s: got %d %s, want %d %s", test.name, got.StatusCode, got.Body, test.status, test.want)
		}
	}
}
