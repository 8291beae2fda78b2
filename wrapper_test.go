package http_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Handlers and middleware may use the header after the body was written, for
// example to log it, or may change it too late.
func TestHeaderAskedForAfterTheBodyStaysAsTheStagesMadeIt(t *testing.T) {
	t.Parallel()
	body := sample(5000)
	late := map[string]func(nethttp.Header){
		"is read":   func(h nethttp.Header) { _ = h.Get("Content-Type") },
		"gets more": func(h nethttp.Header) { h.Set("X-Late", "1") },
		"loses fields of the stages": func(h nethttp.Header) {
			h.Del("Content-Encoding")
			h.Del("Vary")
			h.Del("Etag")
			h.Set("Content-Length", fmt.Sprint(len(body)))
		},
	}
	chains := map[string]func(nethttp.Handler) nethttp.Handler{
		"Compress":          http.Compress(http.CompressConfig{}),
		"ETag":              http.ETag(http.ETagConfig{}),
		"Compress and ETag": stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{})),
		"ETag and Compress": stack(http.ETag(http.ETagConfig{}), http.Compress(http.CompressConfig{})),
		"documented chain":  documentedChain(),
	}
	for reader, outside := range lateReaders() {
		for name, chain := range chains {
			t.Run(name+" in "+reader, func(t *testing.T) {
				t.Parallel()
				handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
					w.Header().Set("Content-Type", "text/plain")
					if r.URL.Query().Has("length") {
						w.Header().Set("Content-Length", fmt.Sprint(len(body)))
					}
					if r.URL.Query().Has("pieces") {
						for i := 0; i < len(body); i += 1000 {
							io.WriteString(w, body[i:i+1000])
							late[r.URL.Query().Get("late")](w.Header())
						}
						return
					}
					io.WriteString(w, body)
					late[r.URL.Query().Get("late")](w.Header())
				})
				testkit.EachProtocol(t, outside(chain(handler)), func(t *testing.T, srv *testkit.Server) {
					for what := range late {
						for _, how := range []string{"", "&length", "&pieces", "&length&pieces"} {
							url := srv.URL + "/?late=" + strings.ReplaceAll(what, " ", "+") + how
							resp := testkit.Get(t, srv.Client(), url, "Accept-Encoding: gzip")
							compressed := name != "ETag"
							if (resp.Header.Get("Content-Encoding") == "gzip") != compressed || (resp.Header.Get("Vary") != "") != compressed ||
								resp.Plain(t) != body {
								t.Errorf("%s: %v, %d bytes", url, resp.Header, len(resp.Body))
							}
							etag := resp.Header.Get("Etag")
							if (etag != "") != (name != "Compress") || resp.ContentLength >= 0 && int(resp.ContentLength) != len(resp.Body) {
								t.Errorf("%s: %v, length %d of %d bytes", url, resp.Header, resp.ContentLength, len(resp.Body))
							}
							if etag == "" {
								continue
							}
							resp = testkit.Get(t, srv.Client(), url, "Accept-Encoding: gzip", "If-None-Match: "+etag)
							if resp.StatusCode != 304 || resp.Body != "" || resp.ContentLength > 0 || resp.Header.Get("Content-Length") != "" || resp.Header.Get("Etag") != etag {
								t.Errorf("%s with If-None-Match: %v", url, resp)
							}
						}
					}
				})
			})
		}
	}
}

// Trailers reach the client regardless of when the handler sets them.
func TestTrailersAreSentWithAHeldOrEncodedBody(t *testing.T) {
	t.Parallel()
	const name = nethttp.TrailerPrefix + "X-Sum"
	handlers := map[string]struct {
		serve     func(w nethttp.ResponseWriter, write func())
		afterBody bool // without a flush, so net/http sends a short body with its length
	}{
		"before the body": {serve: func(w nethttp.ResponseWriter, write func()) {
			w.Header().Set(name, "s")
			write()
		}},
		"before the body and changed after": {serve: func(w nethttp.ResponseWriter, write func()) {
			w.Header().Set(name, "early")
			write()
			w.Header().Set(name, "s")
		}},
		"announced": {serve: func(w nethttp.ResponseWriter, write func()) {
			w.Header().Set("Trailer", "X-Sum")
			write()
			w.Header().Set("X-Sum", "s")
		}},
		"announced, from a map kept from before": {serve: func(w nethttp.ResponseWriter, write func()) {
			h := w.Header()
			h.Set("Trailer", "X-Sum")
			write()
			h.Set("X-Sum", "s")
		}},
		"after the body": {serve: func(w nethttp.ResponseWriter, write func()) {
			write()
			w.Header().Set(name, "s")
		}, afterBody: true},
		"after the body, in a map kept from before": {serve: func(w nethttp.ResponseWriter, write func()) {
			h := w.Header()
			write()
			h.Set(name, "s")
		}, afterBody: true},
		"after the body and a flush": {serve: func(w nethttp.ResponseWriter, write func()) {
			write()
			nethttp.NewResponseController(w).Flush()
			w.Header().Set(name, "s")
		}},
		"between two halves of the body": {serve: func(w nethttp.ResponseWriter, write func()) {
			write()
			w.Header().Set(name, "s")
			write()
		}, afterBody: true},
	}
	chains := map[string]struct {
		wrap func(nethttp.Handler) nethttp.Handler
		bare bool // there is no middleware
	}{
		"nothing":          {func(h nethttp.Handler) nethttp.Handler { return h }, true},
		"Compress":         {http.Compress(http.CompressConfig{}), false},
		"ETag":             {http.ETag(http.ETagConfig{}), false},
		"documented chain": {documentedChain(), false},
	}
	for name, chain := range chains {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := chain.wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				var size int
				fmt.Sscan(r.URL.Query().Get("size"), &size)
				w.Header().Set("Content-Type", "text/plain")
				handlers[r.URL.Query().Get("handler")].serve(w, func() { io.WriteString(w, strings.Repeat("x", size)) })
			}))
			testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
				for what, h := range handlers {
					for _, size := range []int{10, 5000, 100_000, 2 << 20} {
						if chain.bare && size == 10 && h.afterBody {
							continue
						}
						url := fmt.Sprintf("%s/?size=%d&handler=%s", srv.URL, size, strings.ReplaceAll(what, " ", "+"))
						resp := testkit.Get(t, srv.Client(), url, "Accept-Encoding: gzip")
						if got := resp.Trailer.Get("X-Sum"); got != "s" {
							t.Errorf("set %s, %d bytes: the trailers are %v, the header %v", what, size, resp.Trailer, resp.Header)
						}
						for field := range resp.Header {
							if strings.HasPrefix(field, nethttp.TrailerPrefix) || field == "X-Sum" {
								t.Errorf("set %s, %d bytes: the trailer is in the header", what, size)
							}
						}
						if n := len(strings.Trim(resp.Plain(t), "x")); n > 0 {
							t.Errorf("set %s, %d bytes: %d other bytes", what, size, n)
						}
					}
				}
			})
		})
	}
}

// If a field has an empty list of values, net/http does not send it.
func TestFieldsRuledOutByTheHandlerAreNotAdded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 1500, 5000, 100_000} {
		for _, field := range []string{"Content-Length", "Content-Type", "Date"} {
			handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				if field != "Content-Type" {
					w.Header().Set("Content-Type", "text/html")
				}
				w.Header()[field] = nil
				io.WriteString(w, strings.Repeat("<", size))
			})
			for name, chain := range map[string]func(nethttp.Handler) nethttp.Handler{
				"nothing": func(h nethttp.Handler) nethttp.Handler { return h }, "ETag": http.ETag(http.ETagConfig{}),
				"Compress": http.Compress(http.CompressConfig{}), "Compress of all": http.Compress(http.CompressConfig{MinSize: 1}),
				"documented chain": documentedChain(),
			} {
				t.Run(fmt.Sprintf("%s/%s/%d", field, name, size), func(t *testing.T) {
					t.Parallel()
					testkit.EachProtocol(t, chain(handler), func(t *testing.T, srv *testkit.Server) {
						resp := srv.Get(t, "/", "Accept-Encoding: gzip")
						if v, ok := resp.Header[field]; ok || field == "Content-Length" && resp.ContentLength >= 0 {
							t.Errorf("%s: %q was sent", field, v)
						}
						if plain := resp.Plain(t); plain != strings.Repeat("<", size) {
							t.Errorf("the body has %d bytes", len(plain))
						}
						if field == "Content-Type" && resp.Header.Get("Content-Encoding") != "" {
							t.Error("a body of no type is compressed")
						}
					})
				})
			}
		}
	}
}

// The type of a body is detected from its first 512 bytes, even if the handler
// writes them in small pieces.
func TestTypeIsSniffedFromSmallPieces(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"html":     "<html>" + strings.Repeat("x", 2000),
		"short":    "<html>",
		"spaces":   strings.Repeat(" ", 400) + "<!doctype html>" + strings.Repeat("x", 2000),
		"too late": strings.Repeat(" ", 510) + "<html>" + strings.Repeat("x", 2000),
		"png":      "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 2000),
		"xml":      `<?xml version="1.0"?>` + strings.Repeat("x", 2000),
	}
	for _, minSize := range []int{1, 2, 100, 512, 1024, 3000} {
		for name, body := range bodies {
			for _, pieces := range []int{1, 2, 3, 100} {
				for _, flush := range []bool{false, true} {
					handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
						for rest := body; rest != ""; {
							n := min(pieces, len(rest))
							io.WriteString(w, rest[:n])
							rest = rest[n:]
						}
						if flush {
							nethttp.NewResponseController(w).Flush()
						}
					})
					sniffed := func(h nethttp.Handler) (string, string) {
						resp := testkit.Record(h, testkit.NewRequest("GET", "/", "", "Accept-Encoding: gzip"))
						return resp.Header.Get("Content-Type"), resp.Plain(t)
					}
					want := nethttp.DetectContentType([]byte(body))
					got, plain := sniffed(http.Compress(http.CompressConfig{MinSize: minSize})(handler))
					// A recorder detects the type from the first write, so compare only bodies that were changed.
					if compressible := strings.HasPrefix(want, "text/") && (flush || len(body) >= minSize); compressible && got != want || plain != body {
						t.Errorf("MinSize %d, %s in pieces of %d, flush %v: type %q, want %q; %d bytes", minSize, name, pieces, flush, got, want, len(plain))
					}
				}
			}
		}
	}
}

// If a body does not match its Content-Length, the behavior of net/http depends on
// the Go release. The client must get the same bytes through the middleware.
// Middleware inside Compress or ETag cannot know how many bytes are sent, so it counts those
// that the handler has written.
func TestBytesInsideAStageAreThoseOfTheHandler(t *testing.T) {
	t.Parallel()
	for name, outer := range map[string]http.Middleware{
		"Compress": http.Compress(http.CompressConfig{}),
		"ETag":     http.ETag(http.ETagConfig{}),
		"both":     http.Chain(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{})),
	} {
		for _, size := range []int{0, 5, 1023, 5000, 2 << 20} {
			lines, metrics := new(testkit.Log), http.NewMetrics()
			h := http.Chain(outer, metrics.Middleware(), http.RequestLogger(lines.JSON()))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, strings.Repeat("x", size)) // to a recorder
			}))
			h.ServeHTTP(httptest.NewRecorder(), testkit.NewRequest("GET", "/", "", "Accept-Encoding: gzip"))
			if written := metrics.Stats().BytesWritten; written != int64(size) || !strings.Contains(lines.String(), fmt.Sprintf(`"bytes":%d,`, size)) {
				t.Errorf("%s, %d bytes: counted %d, logged %s", name, size, written, lines)
			}
		}
	}
}

func TestBodiesThatDoNotFitTheirLengthAreLeftToTheServer(t *testing.T) {
	t.Parallel()
	type note = func(n int64, err error)
	write := func(w nethttp.ResponseWriter, note note, sizes ...int) {
		for _, size := range sizes {
			n, err := w.Write(bytes.Repeat([]byte("w"), size))
			note(int64(n), err)
		}
	}
	copies := func(w nethttp.ResponseWriter, note note, src io.Reader) {
		note(io.Copy(w, struct{ io.Reader }{src}))
	}
	long := func(n int) io.Reader { return strings.NewReader(strings.Repeat("r", n)) }
	tests := []struct {
		name   string
		length int
		do     func(w nethttp.ResponseWriter, note note)
		fits   bool // the body matches its length, so ETag adds a tag
	}{
		{"refused write, then one that fits", 3, func(w nethttp.ResponseWriter, note note) { write(w, note, 15, 3) }, false},
		{"write that fits, then too much", 10, func(w nethttp.ResponseWriter, note note) { write(w, note, 7, 4, 3) }, false},
		{"whole, then too much", 6, func(w nethttp.ResponseWriter, note note) { write(w, note, 3, 3, 9) }, false},
		{"large refused write, then one that fits", 2000, func(w nethttp.ResponseWriter, note note) { write(w, note, 5000, 2000) }, false},
		{"pieces, the last too much", 5000, func(w nethttp.ResponseWriter, note note) { write(w, note, 2000, 2000, 2000) }, false},
		{"too little", 5000, func(w nethttp.ResponseWriter, note note) { write(w, note, 2000, 2000) }, false},
		{"too little, a few bytes", 50, func(w nethttp.ResponseWriter, note note) { write(w, note, 20) }, false},
		{"nothing", 50, func(nethttp.ResponseWriter, note) {}, false},
		{"too long a reader", 600, func(w nethttp.ResponseWriter, note note) { copies(w, note, long(1200)) }, false},
		{"too long a reader, few bytes", 6, func(w nethttp.ResponseWriter, note note) { copies(w, note, long(12)) }, false},
		{"too long a reader, large", 100_000, func(w nethttp.ResponseWriter, note note) { copies(w, note, long(150_000)) }, false},
		{"too long a reader after a write", 600, func(w nethttp.ResponseWriter, note note) {
			write(w, note, 100)
			copies(w, note, long(1200))
		}, false},
		{"too long a reader after the header", 600, func(w nethttp.ResponseWriter, note note) {
			w.WriteHeader(200)
			copies(w, note, long(1200))
		}, false},
		{"too long a reader after all of the body", 600, func(w nethttp.ResponseWriter, note note) {
			write(w, note, 600)
			copies(w, note, long(1200))
		}, false},
		{"limited reader", 600, func(w nethttp.ResponseWriter, note note) { copies(w, note, io.LimitReader(long(1200), 600)) }, true},
		{"two readers", 600, func(w nethttp.ResponseWriter, note note) {
			copies(w, note, long(400))
			copies(w, note, long(400))
		}, false},
	}
	serve := func(t *testing.T, wrap func(nethttp.Handler) nethttp.Handler, i int) (raw, notes string) {
		returned := make(chan struct{})
		inner := wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "image/png") // which Compress does not compress
			w.Header().Set("Content-Length", fmt.Sprint(tests[i].length))
			tests[i].do(w, func(n int64, err error) { notes += fmt.Sprintln(n, errors.Is(err, nethttp.ErrContentLength)) })
		}))
		srv := testkit.StartServer(t, testkit.HTTP1, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.URL.Path == "/end" {
				return
			}
			defer close(returned)
			inner.ServeHTTP(w, r)
		}))
		raw = rawExchange(t, srv)
		<-returned
		return raw, notes
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want, wantNotes := serve(t, func(h nethttp.Handler) nethttp.Handler { return h }, i)
			for name, chain := range map[string]func(nethttp.Handler) nethttp.Handler{
				"ETag": http.ETag(http.ETagConfig{}), "Compress": http.Compress(http.CompressConfig{}), "documented chain": documentedChain(),
				"ETag and Compress": stack(http.ETag(http.ETagConfig{}), http.Compress(http.CompressConfig{})),
			} {
				got, notes := serve(t, chain, i)
				if tt.fits {
					got = regexp.MustCompile(`Etag: .*\r\n`).ReplaceAllString(got, "")
				}
				if got != want || notes != wantNotes {
					t.Errorf("through %s the client got\n%.300q\nand the handler %q, want\n%.300q\nand %q", name, got, notes, want, wantNotes)
				}
			}
		})
	}
}

// An incomplete compressed body must not look complete.
func TestCompressedBodiesThatDoNotFitTheirLengthFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		flushed bool // before the body, so that the encoder has started
		sizes   []int
	}{
		"refused write, then one that fits": {true, []int{15_000, 5000}},
		"refused at the end":                {false, []int{2000, 4000, 3000}},
		"too little":                        {false, []int{2000, 2000}},
	} {
		for _, chain := range []func(nethttp.Handler) nethttp.Handler{http.Compress(http.CompressConfig{}), documentedChain()} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				testkit.EachProtocol(t, chain(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
					w.Header().Set("Content-Type", "text/plain")
					w.Header().Set("Content-Length", "5000")
					if tt.flushed {
						nethttp.NewResponseController(w).Flush()
					}
					for _, n := range tt.sizes {
						w.Write(bytes.Repeat([]byte("x"), n))
					}
				})), func(t *testing.T, srv *testkit.Server) {
					if resp, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL, "")); err == nil {
						t.Errorf("the client got a complete response: %v", resp)
					}
				})
			})
		}
	}
}

func TestResponseFailsAfterAnErrorOfTheEncoder(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Write", "Flush", "Close"} {
		for how, do := range map[string]func(w nethttp.ResponseWriter) error{
			"in pieces": func(w nethttp.ResponseWriter) error {
				for range 10 {
					io.WriteString(w, sample(2000))
				}
				return nil
			},
			"flushed": func(w nethttp.ResponseWriter) error {
				io.WriteString(w, sample(2000))
				nethttp.NewResponseController(w).Flush()
				_, err := io.WriteString(w, sample(2000))
				return err
			},
			"in one piece of declared length": func(w nethttp.ResponseWriter) error {
				w.Header().Set("Content-Length", "2000")
				io.WriteString(w, sample(2000))
				return nethttp.NewResponseController(w).Flush()
			},
		} {
			if method == "Flush" && how != "flushed" {
				continue
			}
			t.Run(method+" "+how, func(t *testing.T) {
				t.Parallel()
				chain := http.Compress(http.CompressConfig{Encoders: []http.CompressEncoder{{
					Name: "gzip",
					New: func() http.CompressWriter {
						return &failingEncoder{Writer: gzip.NewWriter(io.Discard), method: method}
					},
				}}})
				testkit.EachProtocol(t, chain(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
					w.Header().Set("Content-Type", "text/plain")
					if err := do(w); how == "flushed" && method != "Close" && !errors.Is(err, errEncoder) {
						t.Errorf("after the encoder's error the handler gets %v", err)
					}
				})), func(t *testing.T, srv *testkit.Server) {
					if resp, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL, "")); err == nil {
						t.Errorf("the client got a complete response: %v", resp)
					}
				})
			})
		}
	}
}

// net/http logs the line of a superfluous call of WriteHeader.
func TestSuperfluousWriteHeaderIsLoggedWithTheHandlersLine(t *testing.T) {
	t.Parallel()
	second := func(w nethttp.ResponseWriter) { w.WriteHeader(nethttp.StatusTeapot) } // this line
	line := strings.TrimPrefix(regexp.MustCompile(`wrapper_test\.go:\d+`).FindString(callerOf(second)), "wrapper_test.go:")
	for name, first := range map[string]func(w nethttp.ResponseWriter){
		"after a status": func(w nethttp.ResponseWriter) { w.WriteHeader(nethttp.StatusAccepted) },
		"after a write":  func(w nethttp.ResponseWriter) { io.WriteString(w, "body") },
		"after a large write": func(w nethttp.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, sample(5000))
		},
		"after a flush": func(w nethttp.ResponseWriter) { w.(nethttp.Flusher).Flush() },
		"after a whole body of declared length": func(w nethttp.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "5000")
			io.WriteString(w, sample(5000))
		},
	} {
		for chainName, chain := range map[string]func(nethttp.Handler) nethttp.Handler{
			"no middleware": func(h nethttp.Handler) nethttp.Handler { return h }, "Compress": http.Compress(http.CompressConfig{}),
			"ETag": http.ETag(http.ETagConfig{}), "documented chain": documentedChain(),
		} {
			t.Run(name+" in "+chainName, func(t *testing.T) {
				t.Parallel()
				handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
					first(w)
					second(w)
				})
				for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
					var out testkit.Log
					url, client := serveOwn(t, protocol, chain(handler), http.WithHTTPServer(func(hs *nethttp.Server) { hs.ErrorLog = log.New(&out, "", 0) }))
					testkit.Get(t, client, url)
					want := `^http: superfluous response.WriteHeader call from \S+http_test\.TestSuperfluous\S+ \(wrapper_test\.go:` + line + `\)\n$`
					if got := out.String(); !regexp.MustCompile(want).MatchString(got) {
						t.Errorf("%s: logged %q, want %s", protocol, got, want)
					}
				}
			})
		}
	}
}

// Some frameworks, such as gin, need a CloseNotifier.
func TestCloseNotifyWorksThroughTheWrapper(t *testing.T) {
	t.Parallel()
	// plain hides the optional methods of the writer.
	plain := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			next.ServeHTTP(struct{ nethttp.ResponseWriter }{w}, r)
		})
	}
	for name, wrap := range map[string]func(nethttp.Handler) nethttp.Handler{
		"no middleware": func(h nethttp.Handler) nethttp.Handler { return h }, "chain": documentedChain(),
		"a writer without CloseNotify": stack(plain, documentedChain()),
	} {
		for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			t.Run(name+" "+string(protocol), func(t *testing.T) {
				t.Parallel()
				started, told := make(chan struct{}), make(chan bool)
				url, client := serveOwn(t, protocol, wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
					gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
					close(started)
					select {
					case <-gone:
						told <- true
					case <-time.After(testkit.Patience):
						told <- false
					}
				})))
				ctx, leave := context.WithCancel(t.Context())
				r, err := nethttp.NewRequestWithContext(ctx, "GET", url, nil)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					<-started
					leave()
				}()
				if _, err := client.Do(r); err == nil {
					t.Error("the client has not left")
				}
				if !testkit.Receive(t, told, "the notice") {
					t.Error("the handler was not told that the client has gone")
				}
			})
		}
	}
}

// lateReaders returns middleware that reads the header of the response after the
// handler has returned.
func lateReaders() map[string]func(nethttp.Handler) nethttp.Handler {
	buffer := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			rec := &bufferedWriter{header: nethttp.Header{}, status: 200}
			next.ServeHTTP(rec, r)
			maps.Copy(w.Header(), rec.header)
			w.WriteHeader(rec.status)
			w.Write(rec.body.Bytes())
		})
	}
	recorder := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			maps.Copy(w.Header(), rec.Header()) // the map that the handler used, not the copy in Result
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
		})
	}
	return map[string]func(nethttp.Handler) nethttp.Handler{
		"nothing":        func(h nethttp.Handler) nethttp.Handler { return h },
		"TimeoutHandler": func(h nethttp.Handler) nethttp.Handler { return nethttp.TimeoutHandler(h, time.Hour, "") },
		"buffer":         buffer,
		"recorder":       recorder,
	}
}

// A bufferedWriter buffers a whole response.
type bufferedWriter struct {
	header nethttp.Header
	status int
	body   bytes.Buffer
}

func (w *bufferedWriter) Header() nethttp.Header { return w.header }

func (w *bufferedWriter) WriteHeader(status int) { w.status = status }

func (w *bufferedWriter) Write(p []byte) (int, error) { return w.body.Write(p) }

// rawExchange sends a request on a new connection and returns everything that the
// server sends, without the date and the fields that the middleware under test may
// add.
func rawExchange(t *testing.T, srv *testkit.Server) string {
	t.Helper()
	conn := testkit.Dial(t, srv.Addr())
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\nGET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	all, _ := io.ReadAll(bufio.NewReader(conn)) // the server may reset the connection
	return regexp.MustCompile(`(?m)^(Date|Vary|X-[A-Za-z-]*|Referrer-Policy|Permissions-Policy|Access-Control-[A-Za-z-]*): .*\r\n`).ReplaceAllString(string(all), "")
}

// Other middleware can pass on a ResponseWriter with methods that its handlers use.
// Middleware that only reads or changes the request does not hide it.
func TestRequestMiddlewareKeepsTheWriterOfOtherMiddleware(t *testing.T) {
	t.Parallel()
	type session struct{ nethttp.ResponseWriter }
	for name, mw := range map[string]http.Middleware{
		"RequestID":      http.RequestID(http.RequestIDConfig{}),
		"TrustedProxies": http.TrustedProxies(netip.MustParsePrefix("8.8.8.0/24")),
		"MaxBody":        http.MaxBody(10),
	} {
		handler := mw(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			_, kept := w.(*session)
			body, err := io.ReadAll(r.Body)
			fmt.Fprint(w, kept, " ", http.ClientIP(r), " ", http.GetRequestID(r), " ", len(body), " ", err)
		}))
		router := http.NewRouter()
		router.Handle("/", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			handler.ServeHTTP(&session{w}, r)
		}))
		want := map[string]string{
			"RequestID":      "true 8.8.8.8 mine 12 <nil>",
			"TrustedProxies": "true 1.1.1.1  12 <nil>",
			"MaxBody":        "true 8.8.8.8  10 http: request body too large",
		}[name]
		res := testkit.Serve(t, router, "POST", "/", "hello, world", "X-Forwarded-For: 1.1.1.1, 8.8.8.8", "X-Request-ID: mine")
		if res.Want(t, nethttp.StatusOK, want); name == "RequestID" {
			res.WantHeader(t, "X-Request-ID", "mine")
		}
	}
}

// A failingEncoder returns an error once and then works again.
type failingEncoder struct {
	*gzip.Writer
	method string
	failed bool
}

var errEncoder = errors.New("encoder failed")

func (e *failingEncoder) fails(method string) bool {
	if e.failed || method != e.method {
		return false
	}
	e.failed = true
	return true
}

func (e *failingEncoder) Write(p []byte) (int, error) {
	if e.fails("Write") {
		return 0, errEncoder
	}
	return e.Writer.Write(p)
}

func (e *failingEncoder) Flush() error {
	if e.fails("Flush") {
		return errEncoder
	}
	return e.Writer.Flush()
}

func (e *failingEncoder) Close() error {
	if e.fails("Close") {
		return errEncoder
	}
	return e.Writer.Close()
}

// callerOf returns the line that net/http logs if call calls WriteHeader a second
// time.
func callerOf(call func(nethttp.ResponseWriter)) string {
	var out testkit.Log
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.WriteHeader(nethttp.StatusOK)
		call(w)
	}))
	srv.Config.ErrorLog = log.New(&out, "", 0)
	srv.Start()
	defer srv.Close()
	if resp, err := nethttp.Get(srv.URL); err == nil {
		resp.Body.Close()
	}
	return out.String()
}
