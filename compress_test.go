package http_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestCompressedBodiesDecodeToThePlainOnes(t *testing.T) {
	t.Parallel()
	cases := bodyCases()
	handler := http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		i, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			t.Error(err)
			return
		}
		if ct := cases[i].contentType; ct != "" {
			w.Header().Set("Content-Type", ct)
		}
		bodyWriters[cases[i].by](w, sample(cases[i].size))
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		for i, c := range cases {
			resp := srv.Get(t, fmt.Sprint("/", i), "Accept-Encoding: gzip")
			name := fmt.Sprintf("%s, %d bytes of %q", c.by, c.size, c.contentType)
			streamed := c.by == "flush in between" && c.size > 1
			checkCompressed(t, name, resp, sample(c.size), c.compress && (c.size >= 1024 || streamed))
			// A small body would be compressed for a client that rejects identity.
			varies := c.compress && c.size > 0 && (c.by != "flush in between" || streamed)
			if vary := resp.Header.Get("Vary"); (vary == "Accept-Encoding") != varies {
				t.Errorf("%s: Vary is %q, want it to be there: %v", name, vary, varies)
			}
		}
	})
}

func TestAcceptEncodingDecides(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accept []string
		want   string
	}{
		{nil, ""}, {[]string{""}, ""}, {[]string{"br"}, ""}, {[]string{"identity"}, ""},
		{[]string{"gzip;q=0"}, ""}, {[]string{"*;q=0"}, ""}, {[]string{"gzip;q=0.5, identity"}, ""},
		{[]string{"gzip"}, "gzip"}, {[]string{"gzip;q=0.5"}, "gzip"}, {[]string{"*"}, "gzip"}, {[]string{"GZIP"}, "gzip"},
		{[]string{"x-gzip"}, "gzip"}, {[]string{"br", "gzip"}, "gzip"}, {[]string{"identity;q=0, gzip"}, "gzip"},
		{[]string{"deflate, gzip;q=1.0, *;q=0.5"}, "gzip"},
	}
	h := http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.WriteString(w, sample(4000))
	}))
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept-Encoding"] = tt.accept
		rec := testkit.Record(h, r)
		if got := rec.Header.Get("Content-Encoding"); got != tt.want {
			t.Errorf("Accept-Encoding %q got Content-Encoding %q, want %q", tt.accept, got, tt.want)
		}
		if vary := rec.Header.Get("Vary"); vary != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q got Vary %q", tt.accept, vary)
		}
	}
}

func TestRefusedIdentityCompressesShortBodies(t *testing.T) {
	t.Parallel()
	handler := http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.WriteString(w, "short")
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		for accept, want := range map[string]string{
			"identity;q=0, gzip": "gzip", "*;q=0, gzip": "gzip", "gzip, *;q=0": "gzip", "identity;q=0, br": "", "gzip": "", "identity": "", "br": "",
		} {
			for _, method := range []string{"GET", "HEAD"} {
				resp := srv.Do(t, method, "/", "", "Accept-Encoding: "+accept)
				if got, vary := resp.Header.Get("Content-Encoding"), resp.Header.Get("Vary"); got != want || vary != "Accept-Encoding" {
					t.Errorf("%s with %s got Content-Encoding %q and Vary %q, want %q and Accept-Encoding", method, accept, got, vary, want)
				}
				if method == "GET" && want == "gzip" && resp.Plain(t) != "short" {
					t.Errorf("%s got another body", accept)
				}
			}
		}
	})
}

func TestCompressedTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		config []string
		types  string
		want   bool
	}{
		{nil, "text/html text/css;charset=utf-8 application/json application/javascript application/xml image/svg+xml", true},
		{nil, "application/problem+json application/atom+xml;type=feed application/ld+json application/vnd.api+JSON application/xhtml+xml", true},
		{nil, "application/json-seq application/geo+json;x=\"a;b\" IMAGE/SVG+XML", true},
		{nil, "image/png application/octet-stream application/pdf font/woff2 application/epub+zip application/x;t=+json +json", false},
		{nil, "text/event-stream application/vnd.openxmlformats-officedocument.wordprocessingml.document", false},
		{[]string{"text/*"}, "text/html TEXT/plain text/x;charset=utf-8", true},
		{[]string{"text/*"}, "application/json text/event-stream application/xhtml+xml", false},
		{[]string{"Text/*", "+json"}, "text/css application/problem+json", true},
		{[]string{"+json"}, "application/json text/html application/json-seq", false},
		{[]string{"application/json"}, "application/json application/json;charset=utf-8", true},
		{[]string{"application/json"}, "application/problem+json", false},
		{[]string{"image/"}, "image/png", true},
		{[]string{}, "text/html", false},
	}
	for _, tt := range tests {
		h := http.Compress(http.CompressConfig{ContentTypes: tt.config})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Type", r.Header.Get("X-Type"))
			io.WriteString(w, sample(4000))
		}))
		for _, contentType := range strings.Fields(tt.types) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			r.Header.Set("X-Type", contentType)
			rec := testkit.Record(h, r)
			if got := rec.Header.Get("Content-Encoding") == "gzip"; got != tt.want {
				t.Errorf("ContentTypes %q: %s is compressed: %v, want %v", tt.config, contentType, got, tt.want)
			}
		}
	}
}

func TestCompressLeavesAlone(t *testing.T) {
	t.Parallel()
	big := sample(4000)
	tests := []struct {
		name    string
		method  string
		handler nethttp.HandlerFunc
	}{
		{"a coded body", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Encoding", "br")
			io.WriteString(w, big)
		}},
		{"a range", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Range", "bytes 0-3999/9999")
			w.WriteHeader(nethttp.StatusPartialContent)
			io.WriteString(w, big)
		}},
		{"an unsatisfiable range", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Range", "bytes */9999")
			w.WriteHeader(nethttp.StatusRequestedRangeNotSatisfiable)
			io.WriteString(w, big)
		}},
		{"no-transform", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Cache-Control", "private, No-Transform")
			io.WriteString(w, big)
		}},
		{"an event stream", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "Text/Event-Stream; charset=utf-8")
			io.WriteString(w, big)
		}},
		{"a type it was told is none", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, big)
		}},
		{"HEAD of another type", "HEAD", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", "4000")
		}},
		{"204", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(nethttp.StatusNoContent) }},
		{"nothing", "GET", func(nethttp.ResponseWriter, *nethttp.Request) {}},
		{"a flush first", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.(nethttp.Flusher).Flush()
			io.WriteString(w, big)
		}},
		{"a redirect", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(nethttp.StatusFound) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, "/", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			want, got := httptest.NewRecorder(), httptest.NewRecorder()
			tt.handler(want, r)
			http.Compress(http.CompressConfig{})(tt.handler).ServeHTTP(got, r)
			got.Header().Del("Vary")
			if w, g := fmt.Sprint(want.Code, want.Header()), fmt.Sprint(got.Code, got.Header()); w != g {
				t.Errorf("got %s, want %s", g, w)
			}
			if want.Body.String() != got.Body.String() {
				t.Errorf("the body changed to %d bytes", got.Body.Len())
			}
		})
	}
}

func TestFlushBeforeTheThresholdReachesTheClient(t *testing.T) {
	t.Parallel()
	next := make(chan bool)
	handler := stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			io.WriteString(w, "first")
			w.(nethttp.Flusher).Flush()
			<-next
			io.WriteString(w, "second")
		}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		resp, err := srv.Client().Get(srv.URL) // the transport decompresses the body
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		first := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" || !resp.Uncompressed {
			t.Errorf("before the second write came %q, %v; decoded %v", first, err, resp.Uncompressed)
		}
		next <- true
		if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
			t.Errorf("then %q, %v", rest, err)
		}
	})
}

func TestServeContentCompressed(t *testing.T) {
	t.Parallel()
	body := sample(8000)
	handler := http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("ETag", `"v1"`)
		nethttp.ServeContent(w, r, "f.txt", time.Unix(1e9, 0), strings.NewReader(body))
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		resp := srv.Get(t, "/", "Accept-Encoding: gzip")
		if resp.Header.Get("ETag") != `W/"v1"` || resp.Header.Get("Accept-Ranges") != "" || resp.Plain(t) != body {
			t.Errorf("compressed: %v", resp.Header)
		}
		for _, tag := range []string{`W/"v1"`, `"v1"`} {
			if resp := srv.Get(t, "/", "Accept-Encoding: gzip", "If-None-Match: "+tag); resp.StatusCode != nethttp.StatusNotModified || resp.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("If-None-Match: %s got %s with Vary %q", tag, resp.Status, resp.Header.Get("Vary"))
			}
		}
		if resp := srv.Get(t, "/", "Accept-Encoding: gzip", `If-Match: W/"v1"`); resp.StatusCode != nethttp.StatusPreconditionFailed {
			t.Errorf("a weak If-Match got %s", resp.Status)
		}
		if resp := srv.Get(t, "/", "Accept-Encoding: gzip", "Range: bytes=0-9"); resp.StatusCode != nethttp.StatusPartialContent || resp.Header.Get("ETag") != `"v1"` {
			t.Errorf("a range got %s with %v", resp.Status, resp.Header)
		}
		if resp := srv.Get(t, "/", "Accept-Encoding: gzip", "Range: bytes=0-9", `If-Range: W/"v1"`); resp.StatusCode != nethttp.StatusOK {
			t.Errorf("a range of a compressed body got %s", resp.Status)
		}
	})
}

func TestCompressConfigMistakesPanic(t *testing.T) {
	t.Parallel()
	open := func() http.CompressWriter { return gzip.NewWriter(io.Discard) }
	tests := []struct {
		config http.CompressConfig
		want   string
	}{
		{http.CompressConfig{Level: 42}, `CompressConfig.Level: 42`},
		{http.CompressConfig{Level: -3}, `CompressConfig.Level: -3`},
		{http.CompressConfig{MinSize: -1}, `CompressConfig.MinSize: -1`},
		{http.CompressConfig{ContentTypes: []string{""}}, `CompressConfig.ContentTypes\[0\]: ""`},
		{http.CompressConfig{ContentTypes: []string{"text html"}}, `CompressConfig.ContentTypes\[0\]: "text html"`},
		{http.CompressConfig{ContentTypes: []string{"text/", "*/*"}}, `CompressConfig.ContentTypes\[1\]: "\*/\*"`},
		{http.CompressConfig{ContentTypes: []string{"*"}}, `CompressConfig.ContentTypes\[0\]: "\*"`},
		{http.CompressConfig{ContentTypes: []string{"text*"}}, `CompressConfig.ContentTypes\[0\]: "text\*"`},
		{http.CompressConfig{ContentTypes: []string{"text/h*"}}, `CompressConfig.ContentTypes\[0\]: "text/h\*"`},
		{http.CompressConfig{ContentTypes: []string{"application/*+json"}}, `CompressConfig.ContentTypes\[0\]: "application/\*\+json"`},
		{http.CompressConfig{ContentTypes: []string{"*/html"}}, `CompressConfig.ContentTypes\[0\]: "\*/html"`},
		{http.CompressConfig{ContentTypes: []string{"/*"}}, `CompressConfig.ContentTypes\[0\]: "/\*"`},
		{http.CompressConfig{ContentTypes: []string{"text/*;q=1"}}, `CompressConfig.ContentTypes\[0\]: "text/\*;q=1"`},
		{http.CompressConfig{ContentTypes: []string{"+"}}, `CompressConfig.ContentTypes\[0\]: "\+"`},
		{http.CompressConfig{Encoders: []http.CompressEncoder{{Name: "a b", New: open}}}, `Encoders\[0\].Name: "a b"`},
		{http.CompressConfig{Encoders: []http.CompressEncoder{{Name: "identity", New: open}}}, `Encoders\[0\].Name`},
		{http.CompressConfig{Encoders: []http.CompressEncoder{{Name: "br"}}}, `Encoders\[0\].New: nil`},
		{http.CompressConfig{Encoders: []http.CompressEncoder{{Name: "br", New: open}, {Name: "BR", New: open}}}, `Encoders\[1\].Name: "BR" is listed twice`},
	}
	for _, tt := range tests {
		wantPanicMatch(t, `^http: .*compress_test.go:\d+: .*`+tt.want, func() { http.Compress(tt.config) })
	}
}

func TestEncodersComeInOrderOfPreference(t *testing.T) {
	t.Parallel()
	h := http.Compress(http.CompressConfig{Encoders: []http.CompressEncoder{
		{Name: "Upper", New: func() http.CompressWriter { return &upper{} }},
	}})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, sample(2000)) }))
	for accept, want := range map[string]string{
		"gzip, upper": "upper", "gzip, upper;q=0.9": "gzip", "*": "upper", "gzip": "gzip", "upper": "upper",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		rec := testkit.Record(h, r)
		if got := rec.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding: %s got %q, want %q", accept, got, want)
		}
		if want == "upper" && rec.Body != strings.ToUpper(sample(2000)) {
			t.Error("the client got something else than the encoder's output")
		}
	}
}

// TestLargeBodiesStream measures the heap, so it is not parallel.
func TestLargeBodiesStream(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() || testkit.Race {
		size = 64 << 20 // a gigabyte takes half a minute with the race detector
	}
	handler := stack(http.Compress(http.CompressConfig{Level: 1}), http.ETag(http.ETagConfig{}))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.Copy(w, &endless{size})
		}))
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var peak peakHeap
	n, err := io.Copy(&peak, resp.Body)
	if err != nil || n != size || resp.Header.Get("ETag") != "" {
		t.Fatalf("read %d bytes, %v, ETag %q", n, err, resp.Header.Get("ETag"))
	}
	if limit := uint64(64 << 20); peak.grown > limit {
		t.Errorf("the heap grew by %d bytes while %d went through, want less than %d", peak.grown, size, limit)
	}
}

func TestCompressAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	body := []byte(sample(10 << 10))
	h := http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.Write(body) }))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := new(nullWriter)
	if n := testing.AllocsPerRun(100, func() {
		clear(w.Header())
		w.Header()["Content-Type"] = []string{"text/plain"}
		h.ServeHTTP(w, r)
	}); n > 4 { // Content-Type above, Content-Encoding, Vary and the wrapper
		t.Errorf("a compressed response allocates %v times", n)
	}
}

func BenchmarkCompress(b *testing.B) {
	body := []byte(sample(10 << 10))
	b.Run("compress gzip alone", func(b *testing.B) {
		b.ReportAllocs()
		zw, _ := gzip.NewWriterLevel(io.Discard, 6)
		for b.Loop() {
			zw.Reset(io.Discard)
			zw.Write(body)
			zw.Close()
		}
	})
	b.Run("middleware", func(b *testing.B) {
		b.ReportAllocs()
		h := http.Compress(http.CompressConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.Write(body) }))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := new(nullWriter)
		for b.Loop() {
			clear(w.Header())
			w.Header()["Content-Type"] = []string{"text/plain"}
			h.ServeHTTP(w, r)
		}
	})
}

// bodyWriters are ways to write a body.
var bodyWriters = map[string]func(w nethttp.ResponseWriter, body string){
	"one write": func(w nethttp.ResponseWriter, body string) { io.WriteString(w, body) },
	"many writes": func(w nethttp.ResponseWriter, body string) {
		for len(body) > 0 {
			n := min(len(body), 700)
			w.Write([]byte(body[:n]))
			body = body[n:]
		}
	},
	"one byte at a time": func(w nethttp.ResponseWriter, body string) {
		n := min(len(body), 2<<10)
		for i := range n {
			w.Write([]byte{body[i]})
		}
		io.WriteString(w, body[n:])
	},
	"ReadFrom": func(w nethttp.ResponseWriter, body string) {
		w.(io.ReaderFrom).ReadFrom(struct{ io.Reader }{strings.NewReader(body)})
	},
	"flush in between": func(w nethttp.ResponseWriter, body string) {
		io.WriteString(w, body[:len(body)/2])
		w.(nethttp.Flusher).Flush()
		io.WriteString(w, body[len(body)/2:])
	},
}

// A bodyCase is a body in TestCompressedBodiesDecodeToThePlainOnes.
type bodyCase struct {
	by          string // one of bodyWriters
	size        int
	contentType string
	compress    bool // the type is compressed if the body is large enough
}

// bodyCases returns each way of writing with each size and, for each type, a body
// below and a body above MinSize. One body is larger than all buffers.
func bodyCases() []bodyCase {
	largest := 10 << 20
	if testkit.Race {
		largest = 1 << 20 // compressing is slow with the race detector
	}
	cases := []bodyCase{{"one write", largest, "text/plain", true}}
	for by := range bodyWriters {
		for _, size := range []int{0, 1, 1023, 1024, 1025, 64 << 10} {
			cases = append(cases, bodyCase{by, size, "text/plain", true}, bodyCase{by, size, "image/png", false})
		}
	}
	for _, contentType := range []string{
		"", "text/html; charset=utf-8", "application/json", "application/javascript", "application/xml",
		"application/xhtml+xml", "image/svg+xml", "IMAGE/SVG+XML",
	} {
		cases = append(cases, bodyCase{"many writes", 1000, contentType, true}, bodyCase{"many writes", 2000, contentType, true})
	}
	return append(cases, bodyCase{"many writes", 2000, "application/octet-stream", false})
}

func checkCompressed(t *testing.T, name string, resp *testkit.Response, want string, compressed bool) {
	t.Helper()
	coding := resp.Header.Get("Content-Encoding")
	if got := resp.Plain(t); got != want {
		t.Errorf("%s: the body decodes to %d bytes that differ", name, len(got))
	}
	if (coding == "gzip") != compressed {
		t.Errorf("%s: Content-Encoding %q, want it compressed: %v", name, coding, compressed)
	}
	if compressed && resp.ContentLength == int64(len(want)) {
		t.Errorf("%s: Content-Length is that of the plain body", name)
	}
}

// upper is a simple encoding: it converts letters to upper case.
type upper struct{ w io.Writer }

func (u *upper) Write(p []byte) (int, error) { return u.w.Write(bytes.ToUpper(p)) }

func (u *upper) Flush() error { return nil }

func (u *upper) Close() error { return nil }

func (u *upper) Reset(w io.Writer) { u.w = w }

// endless is a reader of n zeros.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.n)
	clear(p[:n])
	e.n -= n
	return int(n), nil
}
