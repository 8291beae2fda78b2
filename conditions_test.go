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

// bodyStages are the middleware that change bodies, alone and in both orders.
func bodyStages() map[string]func(http.Handler) http.Handler {
	compress, etag := http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{})
	return map[string]func(http.Handler) http.Handler{
		"Compress": compress, "ETag": etag, "Compress, ETag": stack(compress, etag), "ETag, Compress": stack(etag, compress),
		"weak ETag":           http.ETag(http.ETagConfig{Weak: true}),
		"Compress, weak ETag": stack(compress, http.ETag(http.ETagConfig{Weak: true})),
	}
}

// contents are handlers that serve the same content, each with another way of
// answering conditions and ranges.
func contents(contentType, body string) map[string]http.Handler {
	serve := func(tag string, modified time.Time) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			if tag != "" {
				w.Header().Set("ETag", tag)
			}
			http.ServeContent(w, r, "f", modified, strings.NewReader(body))
		}
	}
	return map[string]http.Handler{
		"a tag":           serve(`"v1"`, time.Time{}),
		"a weak tag":      serve(`W/"v1"`, time.Time{}),
		"a time":          serve("", time.Unix(1e9, 0)),
		"a tag, a time":   serve(`"v1"`, time.Unix(1e9, 0)),
		"neither of them": serve("", time.Time{}),
		"no ServeContent": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			io.WriteString(w, body)
		}),
	}
}

// byName passes a request to the handler that its field X-Handler names.
func byName(handlers map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[r.Header.Get("X-Handler")].ServeHTTP(w, r)
	})
}

// The tag that a client was given is worth as much through the middleware as it
// would be without: If-Match, If-None-Match and If-Range with it hold, and no
// answer is mixed from two codings.
func TestConditionsAndRangesWorkThroughTheStages(t *testing.T) {
	t.Parallel()
	body := sample(8000)
	handlers := contents("text/plain; charset=utf-8", body)
	for stageName, stage := range bodyStages() {
		t.Run(stageName, func(t *testing.T) {
			t.Parallel()
			testkit.EachProtocol(t, stage(byName(handlers)), func(t *testing.T, srv *testkit.Server) {
				for name := range handlers {
					for _, coding := range []string{"identity", "gzip"} {
						checkConditions(t, srv, coding, name, body)
					}
				}
			})
		})
	}
}

func checkConditions(t *testing.T, srv *testkit.Server, coding, content, body string) {
	t.Helper()
	get := func(fields ...string) *testkit.Response {
		return srv.Get(t, "/", append(fields, "Accept-Encoding: "+coding, "X-Handler: "+content)...)
	}
	whole := get()
	tag, modified := whole.Header.Get("Etag"), whole.Header.Get("Last-Modified")
	expect := func(status int, fields ...string) {
		t.Helper()
		resp := get(fields...)
		if resp.StatusCode != status {
			t.Errorf("%s, %s: %q got %s, want %d; the whole had %v", content, coding, fields, resp.Status, status, whole.Header)
		}
		if resp.StatusCode == http.StatusPartialContent && resp.Body != body[:10] {
			t.Errorf("%s, %s: %q got %q", content, coding, fields, resp.Body)
		}
		if resp.StatusCode == http.StatusOK && (resp.Header.Get("Content-Encoding") != whole.Header.Get("Content-Encoding") || resp.Header.Get("Etag") != tag) {
			t.Errorf("%s, %s: %q got %v, want %v", content, coding, fields, resp.Header, whole.Header)
		}
	}
	weak := strings.HasPrefix(tag, "W/")
	ranges := content != "no ServeContent"
	switch {
	case tag == "":
	case weak && ranges:
		expect(412, "If-Match: "+tag)
	default:
		expect(200, "If-Match: "+tag)
	}
	if tag != "" {
		expect(304, "If-None-Match: "+tag)
		expect(200, `If-None-Match: "another"`)
	}
	if !ranges {
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

// A cache that stores one answer must find it under the same key as the others
// (RFC 9110 §15.3.7, §15.4.5).
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
				for content := range handlers {
					for _, coding := range []string{"identity", "gzip", "gzip, identity;q=0", "br"} {
						checkVary(t, srv, content, coding, tt.vary)
					}
				}
			})
		})
	}
}

func checkVary(t *testing.T, srv *testkit.Server, content, coding, vary string) {
	t.Helper()
	whole := srv.Get(t, "/", "Accept-Encoding: "+coding, "X-Handler: "+content)
	if got := whole.Header.Get("Vary"); got != vary {
		t.Errorf("%s, %s: a 200 has Vary %q, want %q", content, coding, got, vary)
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
			resp := srv.Do(t, method, "/", "", field, "Accept-Encoding: "+coding, "X-Handler: "+content)
			// The type is not known from a handler's own 304, 412 or 416.
			unknown := resp.StatusCode != 200 && resp.StatusCode != 206 && content != "no ServeContent" ||
				strings.HasPrefix(resp.Header.Get("Content-Type"), "multipart/")
			if got := resp.Header.Get("Vary"); got != vary && !(unknown && got == "Accept-Encoding") {
				t.Errorf("%s, %s: %s with %q: %s has Vary %q, want %q", content, coding, method, field, resp.Status, got, vary)
			}
		}
	}
}

// TestHeadHasTheHeaderOfGet compares the answers to HEAD with those to GET, for
// handlers that write a body for both and for those that do not. HEAD may leave
// out what only writing the body gives (RFC 9110 §9.3.2).
func TestHeadHasTheHeaderOfGet(t *testing.T) {
	t.Parallel()
	text := sample(8000)
	handlers := contents("text/plain; charset=utf-8", text)
	for by, write := range bodyWriters {
		for _, size := range []int{0, 10, 2000} {
			handlers[fmt.Sprintf("%s of %d", by, size)] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w, sample(size)) })
			handlers[fmt.Sprintf("%s of %d announced", by, size)] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(size))
				if write(w, sample(size)); size == 0 {
					w.WriteHeader(200)
				}
			})
		}
	}
	handlers["a length and no body"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "8000")
		if r.Method == "HEAD" {
			w.WriteHeader(200)
			return
		}
		io.WriteString(w, text)
	})
	handlers["an image"] = contents("image/png", text)["a tag"]
	handlers["JSON"] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.WriteJSON(w, 200, text) })
	handlers["an error"] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.WriteError(w, 404, "no") })
	handlers["a large body"] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, sample(70000)) })
	for stageName, stage := range bodyStages() {
		if strings.Contains(stageName, "weak") {
			continue
		}
		t.Run(stageName, func(t *testing.T) {
			t.Parallel()
			testkit.EachProtocol(t, stage(byName(handlers)), func(t *testing.T, srv *testkit.Server) {
				for name := range handlers {
					for _, coding := range []string{"identity", "gzip, identity;q=0"} {
						get := srv.Get(t, "/", "Accept-Encoding: "+coding, "X-Handler: "+name)
						head := srv.Do(t, "HEAD", "/", "", "Accept-Encoding: "+coding, "X-Handler: "+name)
						compareHead(t, name+", "+coding, get, head)
					}
				}
			})
		})
	}
}

func compareHead(t *testing.T, name string, get, head *testkit.Response) {
	t.Helper()
	if get.StatusCode != head.StatusCode {
		t.Errorf("%s: GET got %s, HEAD %s", name, get.Status, head.Status)
	}
	if n := head.ContentLength; n >= 0 && n != int64(len(get.Body)) {
		t.Errorf("%s: HEAD promises %d bytes, GET sends %d", name, n, len(get.Body))
	}
	want, got := get.Header.Clone(), head.Header.Clone()
	written := !strings.Contains(name, "no body") && head.Header.Get("Accept-Ranges") == "" && !strings.HasPrefix(name, "a tag") && !strings.HasPrefix(name, "a weak") && !strings.HasPrefix(name, "a time") && !strings.HasPrefix(name, "neither")
	for _, h := range []nethttp.Header{want, got} {
		h.Del("Date")
		h.Del("Content-Length")
		if !written {
			h.Del("Etag") // of a body that was not written
		}
		if strings.HasPrefix(name, "a length and no body") {
			h.Del("Content-Type")
			h.Del("Content-Encoding")
		}
	}
	if !maps.EqualFunc(want, got, slices.Equal) {
		t.Errorf("%s: HEAD has\n\t%v, GET\n\t%v", name, got, want)
	}
}
