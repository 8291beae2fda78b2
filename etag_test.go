package http_test

import (
	"fmt"
	"hash/crc32"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func tagOf(body string) string {
	return fmt.Sprintf(`"%08x%08x"`, crc32.ChecksumIEEE([]byte(body)), crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
}

func serveETag(method string, config http.ETagConfig, match []string, h nethttp.HandlerFunc) *testkit.Response {
	r := httptest.NewRequest(method, "/", nil)
	r.Header["If-None-Match"] = match
	return testkit.Record(http.ETag(config)(h), r)
}

func hello(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "hello") }

func TestETagAnswersConditionalRequests(t *testing.T) {
	t.Parallel()
	tag := tagOf("hello")
	tests := []struct {
		match []string
		want  int
	}{
		{nil, 200}, {[]string{tag}, 304}, {[]string{"W/" + tag}, 304}, {[]string{"*"}, 304},
		{[]string{`"other"`}, 200}, {[]string{`"other", ` + tag}, 304}, {[]string{`"other"`, tag}, 304},
		{[]string{`"a,b", W/` + tag}, 304}, {[]string{strings.Trim(tag, `"`)}, 200}, {[]string{""}, 200},
	}
	for _, weak := range []bool{false, true} {
		for _, tt := range tests {
			resp := serveETag("GET", http.ETagConfig{Weak: weak}, tt.match, hello)
			want := tag
			if weak {
				want = "W/" + tag
			}
			if resp.StatusCode != tt.want || resp.Header.Get("ETag") != want {
				t.Errorf("weak %v, If-None-Match %q: status %d, ETag %q; want %d, %q",
					weak, tt.match, resp.StatusCode, resp.Header.Get("ETag"), tt.want, want)
			}
			if body := resp.Body; (len(body) > 0) == (tt.want == 304) {
				t.Errorf("If-None-Match %q: status %d with a body of %d bytes", tt.match, resp.StatusCode, len(body))
			}
		}
	}
}

func TestETagPassesWhatIsNoPlain200(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		method  string
		handler nethttp.HandlerFunc
		tag     string // the resulting tag
	}{
		{"POST", "POST", hello, ""},
		{"an error", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(404); io.WriteString(w, "x") }, ""},
		{"a 201", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(201); io.WriteString(w, "x") }, ""},
		{"a tag of its own", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("ETag", `"own"`)
			io.WriteString(w, "x")
		}, `"own"`},
		{"no body", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(200) }, ""},
		{"nothing", "GET", func(nethttp.ResponseWriter, *nethttp.Request) {}, ""},
		{"a flush", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			io.WriteString(w, "x")
			w.(nethttp.Flusher).Flush()
		}, ""},
		{"a large body", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, strings.Repeat("x", 1<<20+1)) }, ""},
		{"a large length", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<20+1))
			io.WriteString(w, "x")
		}, ""},
		{"the largest body", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, strings.Repeat("x", 1<<20)) }, tagOf(strings.Repeat("x", 1<<20))},
		{"HEAD", "HEAD", hello, tagOf("hello")},
		{"HEAD without a body", "HEAD", func(nethttp.ResponseWriter, *nethttp.Request) {}, ""},
		{"a body shorter than its length", "GET", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Length", "9")
			io.WriteString(w, "short")
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := httptest.NewRecorder()
			tt.handler(want, httptest.NewRequest(tt.method, "/", nil))
			// The wildcard matches every tag and would cause a 304.
			match := []string{"*"}
			if tt.tag != "" && tt.tag != `"own"` {
				match = nil
			}
			resp := serveETag(tt.method, http.ETagConfig{}, match, tt.handler)
			body := resp.Body
			if resp.StatusCode != want.Code || resp.Header.Get("ETag") != tt.tag || body != want.Body.String() {
				t.Errorf("status %d, ETag %q, %d bytes; want %d, %q, %d", resp.StatusCode, resp.Header.Get("ETag"), len(body),
					want.Code, tt.tag, want.Body.Len())
			}
		})
	}
}

func TestNotModifiedKeepsTheseFields(t *testing.T) {
	t.Parallel()
	kept := nethttp.Header{
		"Vary": {"Origin"}, "Cache-Control": {"max-age=5"}, "Expires": {"Thu, 01 Jan 2026 00:00:00 GMT"},
		"Content-Location": {"/x.json"}, "Set-Cookie": {"a=b"}, "Date": {"Thu, 01 Jan 2026 00:00:00 GMT"}, "X-Request-Id": {"1"},
	}
	dropped := nethttp.Header{
		"Content-Type": {"text/plain"}, "Content-Length": {"5"}, "Content-Language": {"en"}, "Last-Modified": {"Thu, 01 Jan 2026 00:00:00 GMT"},
	}
	handler := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		for _, fields := range []nethttp.Header{kept, dropped} {
			for name, v := range fields {
				w.Header()[name] = v
			}
		}
		hello(w, r)
	}
	resp := serveETag("GET", http.ETagConfig{}, []string{tagOf("hello")}, handler)
	if resp.StatusCode != nethttp.StatusNotModified {
		t.Fatalf("status %d", resp.StatusCode)
	}
	for name := range kept {
		if resp.Header.Get(name) == "" {
			t.Errorf("304 lost %s", name)
		}
	}
	for name := range dropped {
		if resp.Header.Get(name) != "" {
			t.Errorf("304 has %s", name)
		}
	}
}

func TestETagTellsBodiesOfOneCRC32Apart(t *testing.T) {
	t.Parallel()
	const a, b = "kb8a5b6213584", "kbaa888a42e75"
	if crc32.ChecksumIEEE([]byte(a)) != crc32.ChecksumIEEE([]byte(b)) {
		t.Fatal("the two bodies no longer collide")
	}
	tag := func(body string) string {
		return serveETag("GET", http.ETagConfig{}, nil, func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, body) }).Header.Get("ETag")
	}
	if tag(a) == tag(b) {
		t.Errorf("both bodies have the tag %s", tag(a))
	}
}

func TestETagIsTheSameForEachCoding(t *testing.T) {
	t.Parallel()
	body := sample(5000)
	handler := stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, body) }))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		for _, coding := range []string{"gzip", "identity"} {
			for _, match := range []string{"", tagOf(body), "W/" + tagOf(body)} {
				fields, want := []string{"Accept-Encoding: " + coding}, nethttp.StatusOK
				if match != "" {
					fields, want = append(fields, "If-None-Match: "+match), nethttp.StatusNotModified
				}
				resp := srv.Get(t, "/", fields...)
				if resp.StatusCode != want || resp.Header.Get("ETag") != tagOf(body) || resp.Header.Get("Vary") != "Accept-Encoding" {
					t.Errorf("%s with If-None-Match %q: %s, %v", coding, match, resp.Status, resp.Header)
				}
			}
		}
	})
}

func TestETagAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	h := http.ETag(http.ETagConfig{})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "hello") }))
	r := httptest.NewRequest("GET", "/", nil)
	w := new(nullWriter)
	if n := testing.AllocsPerRun(100, func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}); n > 4 { // the tag, the slices of ETag and Content-Length, and the wrapper
		t.Errorf("a tagged response allocates %v times", n)
	}
}

func TestETagMaxSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit, size int
		tagged      bool
	}{
		{0, 1 << 20, true}, {0, 1<<20 + 1, false}, {100, 100, true}, {100, 101, false}, {1, 1, true}, {1, 2, false}, {2 << 20, 2 << 20, true},
	} {
		for _, declared := range []bool{false, true} {
			body := strings.Repeat("x", tt.size)
			handler := http.ETag(http.ETagConfig{MaxSize: tt.limit})(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				if declared {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				}
				for rest := body; rest != ""; {
					n := min(len(rest), 5000)
					io.WriteString(w, rest[:n])
					rest = rest[n:]
				}
			}))
			rec := testkit.Record(handler, testkit.NewRequest("GET", "/", ""))
			if tag := rec.Header.Get("ETag"); (tag != "") != tt.tagged || rec.Body != body {
				t.Errorf("MaxSize %d, body of %d bytes, declared %v: ETag %q, %d bytes", tt.limit, tt.size, declared, tag, len(rec.Body))
			}
		}
	}
	wantPanicMatch(t, `etag_test\.go:\d+: ETagConfig\.MaxSize: -1 is negative`, func() { http.ETag(http.ETagConfig{MaxSize: -1}) })
}
