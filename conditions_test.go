package http_test

import (
	"fmt"
	"io"
	"maps"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Through the middleware, If-Match, If-None-Match and If-Range work with the tag
// that the client received, and ranges of two codings are never combined.
func TestConditionsAndRangesWorkThroughTheStages(t *testing.T) {
	t.Parallel()
	body := sample(8000)
	handlers := contents("text/plain; charset=utf-8", body)
	stages, weak := bodyStages(), http.ETag(http.ETagConfig{Weak: true})
	stages["weak ETag"], stages["Compress, weak ETag"] = weak, stack(http.Compress(http.CompressConfig{}), weak)
	for stageName, stage := range stages {
		t.Run(stageName, func(t *testing.T) {
			t.Parallel()
			testkit.EachProtocol(t, stage(byName(handlers)), func(t *testing.T, srv *testkit.Server) {
				for name, c := range handlers {
					for _, coding := range []string{"identity", "gzip"} {
						c.checkConditions(t, srv, coding, name, body)
					}
				}
			})
		})
	}
}

// A cache must find all responses for a resource under the same key (RFC 9110
// §15.3.7, §15.4.5).
func TestAnswersToConditionsVaryAsThe200(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		contentType, body string
		vary              string
	}{
		"large text":    {"text/plain; charset=utf-8", sample(8000), "Accept-Encoding"},
		"small text":    {"text/plain; charset=utf-8", sample(100), "Accept-Encoding"},
		"problem":       {"application/problem+json", sample(2000), "Accept-Encoding"},
		"sniffed text":  {"", sample(2000), "Accept-Encoding"},
		"image":         {"image/png", sample(8000), ""},
		"sniffed image": {"", "\x89PNG\x0d\x0a\x1a\x0a" + sample(8000), ""},
	}
	chain := stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handlers := contents(tt.contentType, tt.body)
			testkit.EachProtocol(t, chain(byName(handlers)), func(t *testing.T, srv *testkit.Server) {
				for name, c := range handlers {
					for _, coding := range []string{"identity", "gzip", "gzip, identity;q=0", "br"} {
						c.checkVary(t, srv, name, coding, tt.vary)
					}
				}
			})
		})
	}
}

// TestHeadHasTheHeaderOfGet compares responses to HEAD and to GET, for handlers
// that write a body for both and for handlers that do not. A response to HEAD may
// lack fields that depend on the body (RFC 9110 §9.3.2).
func TestHeadHasTheHeaderOfGet(t *testing.T) {
	t.Parallel()
	text := sample(8000)
	handlers := contents("text/plain; charset=utf-8", text)
	add := func(name string, handler http.HandlerFunc) { handlers[name] = content{Handler: handler} }
	for by, write := range bodyWriters {
		for _, size := range []int{0, 10, 2000} {
			add(fmt.Sprintf("%s of %d", by, size), func(w http.ResponseWriter, _ *http.Request) { write(w, sample(size)) })
			add(fmt.Sprintf("%s of %d announced", by, size), func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(size))
				if write(w, sample(size)); size == 0 {
					w.WriteHeader(200)
				}
			})
		}
	}
	handlers["a length and no body"] = content{bodiless: true, sniffed: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "8000")
		if r.Method == "HEAD" {
			w.WriteHeader(200)
			return
		}
		io.WriteString(w, text)
	})}
	handlers["an image"] = contents("image/png", text)["a tag"]
	add("JSON", func(w http.ResponseWriter, _ *http.Request) { http.WriteJSON(w, 200, text) })
	add("an error", func(w http.ResponseWriter, _ *http.Request) { http.WriteError(w, 404, "no") })
	add("a large body", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, sample(70000)) })
	for stageName, stage := range bodyStages() {
		t.Run(stageName, func(t *testing.T) {
			t.Parallel()
			testkit.EachProtocol(t, stage(byName(handlers)), func(t *testing.T, srv *testkit.Server) {
				for name, c := range handlers {
					for _, coding := range []string{"identity", "gzip, identity;q=0"} {
						get := srv.Get(t, "/", "Accept-Encoding: "+coding, "X-Handler: "+name)
						head := srv.Do(t, "HEAD", "/", "", "Accept-Encoding: "+coding, "X-Handler: "+name)
						c.compareHead(t, name+", "+coding, get, head)
					}
				}
			})
		})
	}
}

// bodyStages returns the middleware that depends on bodies, alone and in both
// orders.
func bodyStages() map[string]func(http.Handler) http.Handler {
	compress, etag := http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{})
	return map[string]func(http.Handler) http.Handler{
		"Compress": compress, "ETag": etag, "Compress, ETag": stack(compress, etag), "ETag, Compress": stack(etag, compress),
	}
}

// A content is a handler and what a test must know about its responses.
type content struct {
	http.Handler
	conditional bool // it answers ranges and conditions, as ServeContent does
	bodiless    bool // it writes no body for HEAD
	sniffed     bool // its type depends on the body
}

// contents returns handlers that serve the same body but answer conditions and
// ranges in different ways.
func contents(contentType, body string) map[string]content {
	serve := func(tag string, modified time.Time) content {
		handler := func(w http.ResponseWriter, r *http.Request) {
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			if tag != "" {
				w.Header().Set("ETag", tag)
			}
			http.ServeContent(w, r, "f", modified, strings.NewReader(body))
		}
		return content{Handler: http.HandlerFunc(handler), conditional: true, bodiless: true}
	}
	return map[string]content{
		"a tag":           serve(`"v1"`, time.Time{}),
		"a weak tag":      serve(`W/"v1"`, time.Time{}),
		"a time":          serve("", time.Unix(1e9, 0)),
		"a tag, a time":   serve(`"v1"`, time.Unix(1e9, 0)),
		"neither of them": serve("", time.Time{}),
		"no ServeContent": {Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			io.WriteString(w, body)
		})},
	}
}

// byName calls the handler that the field X-Handler of a request names.
func byName(handlers map[string]content) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[r.Header.Get("X-Handler")].ServeHTTP(w, r)
	})
}

func (c content) checkConditions(t *testing.T, srv *testkit.Server, coding, name, body string) {
	t.Helper()
	get := func(fields ...string) *testkit.Response {
		return srv.Get(t, "/", append(fields, "Accept-Encoding: "+coding, "X-Handler: "+name)...)
	}
	whole := get()
	tag, modified := whole.Header.Get("Etag"), whole.Header.Get("Last-Modified")
	expect := func(status int, fields ...string) {
		t.Helper()
		resp := get(fields...)
		if resp.StatusCode != status {
			t.Errorf("%s, %s: %q got %s, want %d; without it the header is %v", name, coding, fields, resp.Status, status, whole.Header)
		}
		if resp.StatusCode == http.StatusPartialContent && resp.Body != body[:10] {
			t.Errorf("%s, %s: %q got %q", name, coding, fields, resp.Body)
		}
		if resp.StatusCode == http.StatusOK && (resp.Header.Get("Content-Encoding") != whole.Header.Get("Content-Encoding") || resp.Header.Get("Etag") != tag) {
			t.Errorf("%s, %s: %q got %v, want %v", name, coding, fields, resp.Header, whole.Header)
		}
	}
	weak := strings.HasPrefix(tag, "W/")
	switch {
	case tag == "":
	case weak && c.conditional:
		expect(412, "If-Match: "+tag)
	default:
		expect(200, "If-Match: "+tag)
	}
	if tag != "" {
		expect(304, "If-None-Match: "+tag)
		expect(200, `If-None-Match: "another"`)
	}
	if !c.conditional {
		expect(200, "Range: bytes=0-9")
		expect(200, "Range: bytes=0-9", "If-Range: "+tag)
		return
	}
	expect(206, "Range: bytes=0-9")
	expect(416, "Range: bytes=9999-")
	if coding == "gzip" && whole.Header.Get("Content-Encoding") == "gzip" && whole.Header.Get("Accept-Ranges") != "" {
		t.Error("ranges of a compressed body are offered")
	}
	if tag != "" {
		expect(map[bool]int{false: 206, true: 200}[weak], "Range: bytes=0-9", "If-Range: "+tag)
	}
	if modified != "" {
		expect(304, "If-Modified-Since: "+modified)
		expect(412, "If-Unmodified-Since: Thu, 01 Jan 1998 00:00:00 GMT")
		expect(200, "If-Unmodified-Since: "+modified)
	}
}

func (c content) checkVary(t *testing.T, srv *testkit.Server, name, coding, vary string) {
	t.Helper()
	whole := srv.Get(t, "/", "Accept-Encoding: "+coding, "X-Handler: "+name)
	if got := whole.Header.Get("Vary"); got != vary {
		t.Errorf("%s, %s: a 200 has Vary %q, want %q", name, coding, got, vary)
	}
	for _, field := range []string{
		"If-None-Match: " + whole.Header.Get("Etag"), "If-Modified-Since: " + whole.Header.Get("Last-Modified"),
		"Range: bytes=0-9", "Range: bytes=0-9,20-29", "Range: bytes=99999-",
		`If-Match: "another"`, "If-Unmodified-Since: Thu, 01 Jan 1998 00:00:00 GMT",
	} {
		if strings.HasSuffix(field, ": ") {
			continue // the response had no such field
		}
		for _, method := range []string{"GET", "HEAD"} {
			resp := srv.Do(t, method, "/", "", field, "Accept-Encoding: "+coding, "X-Handler: "+name)
			// A 304, 412 or 416 from the handler does not have the type of the content.
			unknown := resp.StatusCode != 200 && resp.StatusCode != 206 && c.conditional ||
				strings.HasPrefix(resp.Header.Get("Content-Type"), "multipart/")
			if got := resp.Header.Get("Vary"); got != vary && !(unknown && got == "Accept-Encoding") {
				t.Errorf("%s, %s: %s with %q: %s has Vary %q, want %q", name, coding, method, field, resp.Status, got, vary)
			}
		}
	}
}

func (c content) compareHead(t *testing.T, name string, get, head *testkit.Response) {
	t.Helper()
	if get.StatusCode != head.StatusCode {
		t.Errorf("%s: GET got %s, HEAD %s", name, get.Status, head.Status)
	}
	if n := head.ContentLength; n >= 0 && n != int64(len(get.Body)) {
		t.Errorf("%s: HEAD promises %d bytes, GET sends %d", name, n, len(get.Body))
	}
	want, got := get.Header.Clone(), head.Header.Clone()
	for _, h := range []nethttp.Header{want, got} {
		h.Del("Date")
		h.Del("Content-Length")
		if c.bodiless {
			h.Del("Etag") // may depend on the body
		}
		if c.bodiless && c.sniffed {
			h.Del("Content-Type")
			h.Del("Content-Encoding")
		}
	}
	if !maps.EqualFunc(want, got, slices.Equal) {
		t.Errorf("%s: HEAD has\n\t%v, GET\n\t%v", name, got, want)
	}
}
