package response_test

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A stage is a response.Stage that records its calls.
type stage struct {
	limit   int
	hold    bool
	status  int // returned by Release, if not 0
	enc     *encoder
	held    int
	release []string
	causes  []response.Cause
}

func (s *stage) Hold(*response.Writer, http.Header) (int, bool) {
	s.held++
	return s.limit, s.hold
}

func (s *stage) Release(w *response.Writer, _ http.Header, body []byte, why response.Cause) (int, []byte, response.Encoder) {
	s.release = append(s.release, string(body))
	s.causes = append(s.causes, why)
	if s.enc != nil {
		s.enc.w = w.Sink()
		return w.Status(), body, s.enc
	}
	if s.status != 0 {
		return s.status, nil, nil
	}
	return w.Status(), body, nil
}

// An encoder passes bytes on and counts the other calls.
type encoder struct {
	w                         io.Writer
	flushes, closes, abandons int
	fail                      error
}

func (e *encoder) Write(p []byte) (int, error) { return e.w.Write(p) }
func (e *encoder) Flush() error                { e.flushes++; return nil }
func (e *encoder) Close() error                { e.closes++; return e.fail }
func (e *encoder) Abandon()                    { e.abandons++ }

func serve(s response.Stage, method string, h http.HandlerFunc) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	response.Serve(h, rec, httptest.NewRequest(method, "/", nil), s)
	return rec
}

// observe begins a turn. It returns the Writer and a function that ends the turn.
func observe(w http.ResponseWriter, r *http.Request) (*response.Writer, func(returned bool)) {
	turn := response.Observe(w, r)
	return turn.Writer, func(returned bool) {
		turn.Returned = returned
		turn.End()
	}
}

func TestStageSeesTheBodyAtItsLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		limit  int
		writes []string
		want   string
		why    response.Cause
	}{
		{"under the limit", 4, []string{"ab", "c"}, "abc", response.End},
		{"at the limit", 4, []string{"ab", "cd"}, "abcd", response.End},
		{"over the limit", 4, []string{"ab", "cde"}, "abcde", response.Full},
		{"over at once", 4, []string{"abcde", "f"}, "abcde", response.Full},
		{"limit of nothing", 0, []string{"a", "b"}, "a", response.Full},
		{"large write after a small one", 4, []string{"a", strings.Repeat("b", 2000)},
			"a" + strings.Repeat("b", 511), response.Full},
		{"no write", 4, nil, "", response.End},
	}
	for _, tt := range tests {
		for _, as := range []string{"Write", "WriteString", "ReadFrom"} {
			t.Run(tt.name+" by "+as, func(t *testing.T) {
				t.Parallel()
				s := &stage{limit: tt.limit, hold: true}
				rec := serve(s, "GET", func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(http.StatusAccepted)
					for _, p := range tt.writes {
						var err error
						switch as {
						case "Write":
							_, err = w.Write([]byte(p))
						case "WriteString":
							_, err = io.WriteString(w, p)
						case "ReadFrom":
							_, err = w.(io.ReaderFrom).ReadFrom(strings.NewReader(p))
						}
						if err != nil {
							t.Error(err)
						}
					}
				})
				if len(s.release) != 1 || s.release[0] != tt.want || s.causes[0] != tt.why {
					t.Errorf("Release saw %q for %v, want %q for %v", s.release, s.causes, tt.want, tt.why)
				}
				if want := strings.Join(tt.writes, ""); rec.Code != http.StatusAccepted || rec.Body.String() != want {
					t.Errorf("the client got %d %q, want 202 %q", rec.Code, rec.Body, want)
				}
			})
		}
	}
}

func TestStageMayReplaceStatusAndBody(t *testing.T) {
	t.Parallel()
	rec := serve(&stage{limit: 9, hold: true, status: http.StatusNotModified}, "GET", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "body")
	})
	if rec.Code != http.StatusNotModified || rec.Body.Len() != 0 {
		t.Errorf("the client got %d %q, want 304 and nothing", rec.Code, rec.Body)
	}
}

func TestEncoderEndsOnce(t *testing.T) {
	t.Parallel()
	body := func(w http.ResponseWriter) { io.WriteString(w, "0123456789") }
	tests := []struct {
		name                      string
		handler                   http.HandlerFunc
		fail                      error
		flushes, closes, abandons int
		panics                    bool
	}{
		{"return", func(w http.ResponseWriter, r *http.Request) { body(w) }, nil, 0, 1, 0, false},
		{"flush", func(w http.ResponseWriter, r *http.Request) { body(w); w.(http.Flusher).Flush() }, nil, 1, 1, 0, false},
		{"panic", func(w http.ResponseWriter, r *http.Request) { body(w); panic("x") }, nil, 0, 0, 1, true},
		{"shorter than declared", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "11")
			body(w)
		}, nil, 0, 0, 1, true},
		{"failing close", func(w http.ResponseWriter, r *http.Request) { body(w) }, errors.New("disk"), 0, 1, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			enc := &encoder{fail: tt.fail}
			func() {
				defer func() {
					if v := recover(); (v != nil) != tt.panics {
						t.Errorf("panic %v, want one: %v", v, tt.panics)
					}
				}()
				serve(&stage{limit: 3, hold: true, enc: enc}, "GET", tt.handler)
			}()
			if enc.flushes != tt.flushes || enc.closes != tt.closes || enc.abandons != tt.abandons {
				t.Errorf("flushed %d, closed %d, abandoned %d times; want %d, %d, %d",
					enc.flushes, enc.closes, enc.abandons, tt.flushes, tt.closes, tt.abandons)
			}
		})
	}
}

// A disconnected is the writer of a client that has disconnected.
type disconnected struct{ http.ResponseWriter }

func (disconnected) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestClientThatLeavesAbortsNothing(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*stage{
		"held": {limit: 99, hold: true}, "encoded": {limit: 3, hold: true, enc: &encoder{fail: io.ErrClosedPipe}}, "passed": {},
	} {
		response.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "0123456789")
		}), disconnected{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil), s)
		if s.enc != nil && s.enc.abandons+s.enc.closes != 1 {
			t.Errorf("%s: the encoder was closed %d times and abandoned %d times", name, s.enc.closes, s.enc.abandons)
		}
	}
}

func TestObserverReportsStatusAndBytes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		method    string
		handler   http.HandlerFunc
		status    int
		bytes     int64
		committed bool
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, 200, 0, false},
		{"body", "GET", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "abc"); w.Write([]byte("de")) }, 200, 5, true},
		{"status twice", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); w.WriteHeader(500) }, 404, 0, true},
		{"early hints first", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, 404, 0, true},
		{"early hints only", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103) }, 200, 0, false},
		{"flush", "GET", func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush() }, 200, 0, true},
		{"HEAD", "HEAD", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "abc") }, 200, 0, true},
		{"no content", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204); io.WriteString(w, "abc") }, 204, 0, true},
		{"copy", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, struct{ io.Reader }{strings.NewReader("abcd")})
		}, 200, 4, true},
		{"copy of nothing", "GET", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, struct{ io.Reader }{strings.NewReader("")})
		}, 200, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, end := observe(httptest.NewRecorder(), httptest.NewRequest(tt.method, "/", nil))
			defer end(true)
			tt.handler(w, w.Request())
			if w.Status() != tt.status || w.Bytes() != tt.bytes || w.Committed() != tt.committed {
				t.Errorf("status %d, bytes %d, committed %v; want %d, %d, %v",
					w.Status(), w.Bytes(), w.Committed(), tt.status, tt.bytes, tt.committed)
			}
		})
	}
}

// A noFlush is a writer without optional methods.
type noFlush struct{ rec *httptest.ResponseRecorder }

func (w noFlush) Header() http.Header         { return w.rec.Header() }
func (w noFlush) Write(p []byte) (int, error) { return w.rec.Write(p) }
func (w noFlush) WriteHeader(status int)      { w.rec.WriteHeader(status) }

func TestUnsupportedCallsSaySo(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	w, end := observe(noFlush{rec}, httptest.NewRequest("GET", "/", nil))
	defer end(true)
	if err := w.FlushError(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("FlushError: %v, want ErrNotSupported", err)
	}
	if _, _, err := w.Hijack(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Hijack: %v, want ErrNotSupported", err)
	}
	if err := w.Push("/x", nil); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Push: %v, want ErrNotSupported", err)
	}
	if w.Committed() {
		t.Error("a flush that did not happen counts as a response")
	}
	if n, err := w.ReadFrom(strings.NewReader("abc")); n != 3 || err != nil || rec.Body.String() != "abc" {
		t.Errorf("ReadFrom gave %d, %v and sent %q", n, err, rec.Body)
	}
}

func TestResetTakesBackWhatHasNotLeft(t *testing.T) {
	t.Parallel()
	write := func(w http.ResponseWriter) { w.WriteHeader(201); io.WriteString(w, "0123456789") }
	nothing := func(http.ResponseWriter) {}
	tests := []struct {
		name  string
		outer *stage // around the observer under test, or nil
		do    func(w http.ResponseWriter)
		want  bool
	}{
		{"nothing written", nil, nothing, true},
		{"written", nil, write, false},
		{"held further out", &stage{limit: 99, hold: true}, write, true},
		{"released further out", &stage{limit: 5, hold: true}, write, false},
		{"passed further out", &stage{}, write, false},
		{"encoded further out", &stage{limit: 5, hold: true, enc: &encoder{}}, write, false},
		{"flushed", &stage{limit: 99, hold: true}, func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// The struct hides the outer Writer, so that Enter makes another one.
				cw, end := observe(w, r)
				defer end(true)
				tt.do(cw)
				if got := cw.Reset(); got != tt.want {
					t.Fatalf("Reset() = %v, want %v", got, tt.want)
				}
				if tt.want {
					if cw.Committed() || cw.Bytes() != 0 {
						t.Errorf("after Reset: committed %v, %d bytes", cw.Committed(), cw.Bytes())
					}
					cw.WriteHeader(500)
					io.WriteString(cw, "sorry")
				}
			})
			rec := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/", nil)
			if tt.outer != nil {
				response.Serve(inner, rec, r, tt.outer)
			} else {
				inner.ServeHTTP(rec, r)
			}
			if tt.want && (rec.Code != 500 || rec.Body.String() != "sorry") {
				t.Errorf("the client got %d %q, want 500 and only what came after Reset", rec.Code, rec.Body)
			}
		})
	}
}

func TestHijackEndsTheResponse(t *testing.T) {
	t.Parallel()
	done := make(chan string, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cw, end := observe(w, r)
		defer end(true)
		response.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := w.Write(nil); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("Write after Hijack: %v", err)
			}
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("Flush after Hijack: %v", err)
			}
			rw.WriteString("HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n")
			rw.Flush()
		}), cw, r, &stage{limit: 9, hold: true})
		if !cw.Hijacked() || cw.Status() != http.StatusSwitchingProtocols || cw.Reset() {
			t.Errorf("hijacked %v, status %d", cw.Hijacked(), cw.Status())
		}
		done <- "returned"
	}))
	defer srv.Close()
	resp := testkit.Get(t, srv.Client(), srv.URL)
	if resp.StatusCode != 299 {
		t.Errorf("status %d, want the hijacker's own", resp.StatusCode)
	}
	<-done
}

func TestEndHandsTheFormBackToTheServer(t *testing.T) {
	t.Parallel()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("f", "f.txt")
	part.Write(bytes.Repeat([]byte("x"), 1<<16))
	form.Close()
	var file string
	returned := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		turn := response.Enter(w, r)
		defer turn.End()
		r = turn.Request
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
			return
		}
		f, err := r.MultipartForm.File["f"][0].Open()
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		file = f.(*os.File).Name()
	}))
	resp, err := http.Post(srv.URL, form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-returned
	srv.Close() // waits for the end of the request
	if _, err := os.Stat(file); file == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the upload's file %q is left behind: %v", file, err)
	}
}

// Handlers can append to the values of a field and change them.
func TestSetHeaderSharesNoMemory(t *testing.T) {
	t.Parallel()
	turn := response.Enter(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	defer turn.End()
	seen := map[*string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			w, end := observe(httptest.NewRecorder(), turn.Request)
			defer end(true)
			for range 5 {
				response.SetHeaders(w, response.Field{Name: "A", Value: "1"}, response.Field{Name: "B", Value: "2"})
				response.SetHeader(w, "C", "3")
				h := w.Header()
				h.Add("A", "4")
				if !slices.Equal(h["A"], []string{"1", "4"}) || !slices.Equal(h["B"], []string{"2"}) || !slices.Equal(h["C"], []string{"3"}) {
					t.Errorf("after adding to A the header is %q", h)
				}
				mu.Lock()
				for _, values := range h {
					if seen[&values[0]] {
						t.Error("two fields share memory")
					}
					seen[&values[0]] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestOnDoneIsCalledOnceWhenTheHandlerHasReturned(t *testing.T) {
	t.Parallel()
	for name, returned := range map[string]bool{"return": true, "panic": false} {
		w, end := observe(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		calls := 0
		w.OnDone(func() { calls++ })
		w.OnDone(func() { calls++ })
		if calls != 0 || w.Ended() {
			t.Errorf("%s: %d calls before the end, ended %v", name, calls, w.Ended())
		}
		end(returned)
		w.OnDone(func() { calls++ })
		end(returned)
		if calls != 3 || !w.Ended() {
			t.Errorf("%s: %d calls after the end, want 3; ended %v", name, calls, w.Ended())
		}
	}
}

func TestAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	r := httptest.NewRequest("GET", "/", nil)
	rec := discard{http.Header{}}
	body := []byte("hello")
	s := &stage{limit: 99, hold: true}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
	if n := testing.AllocsPerRun(100, func() {
		turn := response.Observe(rec, r)
		defer turn.End()
		h.ServeHTTP(turn.Writer, r)
		turn.Returned = true
	}); n > 1 {
		t.Errorf("observing a response allocates %v times", n)
	}
	rec.h.Set("Content-Length", "5")
	if n := testing.AllocsPerRun(100, func() {
		s.release, s.causes = s.release[:0], s.causes[:0]
		response.Serve(h, rec, r, s)
	}); n > 2 { // one of them is the string that stage records
		t.Errorf("holding a response allocates %v times", n)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

var _ interface {
	http.ResponseWriter
	http.Flusher
	http.Hijacker
	http.Pusher
	io.ReaderFrom
	io.StringWriter
	FlushError() error
	Unwrap() http.ResponseWriter
} = (*response.Writer)(nil)

// A lateWriter does not return from Write before the handler has returned. Then it gives
// the function passed to OnDone time to run.
type lateWriter struct {
	http.ResponseWriter
	cw      *response.Writer
	entered chan struct{}
	early   bool         // the function ran before Write returned
	done    *atomic.Bool // set by the function passed to OnDone
}

func (w *lateWriter) Write(p []byte) (int, error) {
	close(w.entered)
	for !w.cw.Ended() {
		runtime.Gosched()
	}
	for range 1000 {
		runtime.Gosched()
		w.early = w.early || w.done.Load()
	}
	return len(p), nil
}

func TestOnDoneWaitsForTheWriteUnderWay(t *testing.T) {
	t.Parallel()
	next := &lateWriter{ResponseWriter: httptest.NewRecorder(), entered: make(chan struct{}), done: new(atomic.Bool)}
	cw, end := observe(next, httptest.NewRequest("GET", "/", nil))
	next.cw = cw
	cw.OnDone(func() { next.done.Store(true) })
	written := make(chan struct{})
	go func() {
		defer close(written)
		io.WriteString(cw, "left behind")
	}()
	<-next.entered
	end(true)
	<-written
	if next.early || !next.done.Load() {
		t.Errorf("during the write: %v, afterwards: %v", next.early, next.done.Load())
	}
}
