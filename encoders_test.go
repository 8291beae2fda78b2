package http_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// If an application keeps the encoder of a response and writes to it later, the
// next response does not change.
func TestEncoderThatTheApplicationKeepsReachesNoOtherResponse(t *testing.T) {
	t.Parallel()
	kept := new(keptEncoders)
	use := func() {
		for _, e := range kept.made {
			e.Write(bytes.Repeat([]byte("FOREIGN"), 1000))
			e.Flush()
			e.Writer.Close()
		}
	}
	body := sample(3000)
	testkit.EachProtocol(t, kept.middleware(false)(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Type", "text/plain")
		before := len(kept.made)
		use()
		io.WriteString(w, body[:2000])
		nethttp.NewResponseController(w).Flush()
		if len(kept.made) != before+1 {
			t.Errorf("%d encoders were made for one response", len(kept.made)-before)
		}
		kept.made = kept.made[:before]
		use()
		kept.made = kept.made[:before+1]
		io.WriteString(w, body[2000:])
	})), func(t *testing.T, srv *testkit.Server) {
		for range 5 {
			resp := srv.Get(t, "/", "Accept-Encoding: gzip")
			if plain := resp.Plain(t); resp.Header.Get("Content-Encoding") != "gzip" || plain != body {
				t.Fatalf("the client got %v and %.60q", resp.Header, plain)
			}
		}
	})
}

func TestEncoderIsReusedOnlyAfterAResponseThatWentWell(t *testing.T) {
	t.Parallel()
	broken := func() (w nethttp.ResponseWriter) { return &leavingClient{httptest.NewRecorder()} }
	fine := func() nethttp.ResponseWriter { return httptest.NewRecorder() }
	write := func(w nethttp.ResponseWriter) {
		io.WriteString(w, sample(10_000))
		nethttp.NewResponseController(w).Flush()
		io.WriteString(w, sample(10_000))
	}
	for name, tt := range map[string]struct {
		reuse  bool
		writer func() nethttp.ResponseWriter
		do     func(w nethttp.ResponseWriter)
		reused bool
	}{
		"whole response":             {true, fine, write, true},
		"panic":                      {true, fine, func(w nethttp.ResponseWriter) { write(w); panic(nethttp.ErrAbortHandler) }, true},
		"client gone":                {true, broken, write, false},
		"whole response, no Reuse":   {false, fine, write, false},
		"panic, no Reuse":            {false, fine, func(w nethttp.ResponseWriter) { write(w); panic(nethttp.ErrAbortHandler) }, false},
		"client gone, with no Reuse": {false, broken, write, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := new(keptEncoders)
			h := kept.middleware(tt.reuse)(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Content-Type", "text/plain")
				tt.do(w)
			}))
			const rounds = 8
			for range rounds {
				func() {
					defer func() { _ = recover() }()
					r := httptest.NewRequest("GET", "/", nil)
					r.Header.Set("Accept-Encoding", "gzip")
					h.ServeHTTP(tt.writer(), r)
				}()
			}
			// A sync.Pool may drop encoders, and does so with the race detector.
			if made := len(kept.made); tt.reused && made == rounds && !testkit.Race || !tt.reused && made != rounds {
				t.Errorf("%d encoders were made for %d responses", made, rounds)
			}
			for _, e := range kept.made {
				if !tt.reused && e.closes != 1 {
					t.Errorf("an encoder was closed %d times", e.closes)
				}
			}
		})
	}
}

// While a response waits for the network, it holds neither the plain body nor the
// encoder. The test is not parallel because it measures the heap.
func TestPlainBodyAndEncoderAreGivenBackBeforeTheNetworkIsWaitedFor(t *testing.T) {
	const size = 4 << 20
	piece := sample(4096)
	etag := http.ETag(http.ETagConfig{MaxSize: size})
	foreign := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			next.ServeHTTP(&probe{ResponseWriter: w}, r)
		})
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // so that pools are empty
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for name, inner := range map[string]func(nethttp.Handler) nethttp.Handler{
		"ETag": etag, "foreign middleware and ETag": stack(foreign, etag), "ETag twice": stack(etag, foreign, etag),
	} {
		kept := new(keptEncoders)
		handler := stack(kept.middleware(true), inner)(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for range size / len(piece) {
				io.WriteString(w, piece)
			}
		}))
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		before := heap()
		handler.ServeHTTP(&probe{rec, func() {
			if grown := heap() - before; grown > 2<<20 {
				t.Errorf("%s: %d KB are held while the network is waited for", name, grown>>10)
			}
			if len(kept.made) != 1 || kept.made[0].closes != 1 {
				t.Errorf("%s: the encoder is still at work while the network is waited for", name)
			}
		}}, r)
		if plain := testkit.Recorded(rec).Plain(t); len(plain) != size || rec.Header().Get("ETag") == "" {
			t.Errorf("%s: %v and %d bytes", name, rec.Header(), len(plain))
		}
	}
}

// A body is complete when the handler has written as many bytes as it declared.
// It is then encoded into memory, unless it is large.
func TestBodyInOnePieceIsEncodedIntoMemoryIfItIsNotLarge(t *testing.T) {
	t.Parallel()
	for size, whole := range map[int]bool{2000: true, 1 << 20: true, 1<<20 + 1: false} {
		kept := new(keptEncoders)
		body := sample(size)
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		kept.middleware(true)(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", fmt.Sprint(size))
			if n, err := io.WriteString(w, body); n != size || err != nil {
				t.Errorf("wrote %d of %d bytes, %v", n, size, err)
			}
			if n, err := io.WriteString(w, "x"); n != 0 || err != nethttp.ErrContentLength {
				t.Errorf("wrote %d bytes more, %v", n, err)
			}
			if closed := kept.made[0].closes == 1; closed != whole || whole && rec.Body.Len() > 0 {
				t.Errorf("body of %d bytes: the encoder is closed: %v, %d bytes are sent", size, closed, rec.Body.Len())
			}
		})).ServeHTTP(rec, r)
		if got := testkit.Recorded(rec).Plain(t); got != body {
			t.Errorf("the client got %d bytes, want %d", len(got), size)
		}
		if length := rec.Header().Get("Content-Length"); whole && length != fmt.Sprint(rec.Body.Len()) {
			t.Errorf("Content-Length is %q, the body has %d bytes", length, rec.Body.Len())
		}
	}
}

// keptEncoders creates gzip writers and keeps all of them.
type keptEncoders struct {
	mu   sync.Mutex
	made []*keptEncoder
}

// A keptEncoder counts calls of its methods.
type keptEncoder struct {
	*gzip.Writer
	resets, closes int
}

func (e *keptEncoder) Reset(w io.Writer) { e.resets++; e.Writer.Reset(w) }

func (e *keptEncoder) Close() error { e.closes++; return e.Writer.Close() }

func (k *keptEncoders) New() http.CompressWriter {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made = append(k.made, &keptEncoder{Writer: gzip.NewWriter(io.Discard)})
	return k.made[len(k.made)-1]
}

func (k *keptEncoders) middleware(reuse bool) http.Middleware {
	return http.Compress(http.CompressConfig{Encoders: []http.CompressEncoder{{Name: "gzip", New: k.New, Reuse: reuse}}})
}

// A leavingClient is the ResponseWriter for a client that disconnects after the
// first bytes.
type leavingClient struct{ *httptest.ResponseRecorder }

func (w *leavingClient) Write(p []byte) (int, error) {
	if w.Body.Len() > 0 {
		return 0, io.ErrClosedPipe
	}
	return w.ResponseRecorder.Write(p)
}

func (w *leavingClient) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// A probe is a ResponseWriter that calls a function when the first bytes are
// written.
type probe struct {
	nethttp.ResponseWriter
	look func()
}

func (p *probe) Unwrap() nethttp.ResponseWriter { return p.ResponseWriter }

func (p *probe) Write(b []byte) (int, error) {
	if p.look != nil {
		p.look()
		p.look = nil
	}
	return p.ResponseWriter.Write(b)
}
