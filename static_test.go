package http_test

import (
	"archive/zip"
	"bytes"
	"embed"
	"io"
	"io/fs"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

//go:embed testdata/site/ui/dist
var embedded embed.FS

// secretFile is the content of files that must never be sent.
const secretFile = "TOP SECRET"

func siteFS() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"dist/index.html":                     file("<!doctype html>app"),
		"dist/app-1a2b3c4d.js":                file("console.log('app')"),
		"dist/app-1a2b3c4d.js.br":             file("br bytes"),
		"dist/app-1a2b3c4d.js.gz":             file("gz bytes"),
		"dist/logo.svg":                       file("<svg/>"),
		"dist/docs/index.html":                file("<!doctype html>docs"),
		"dist/assets/style.css":               file("body{}"),
		"dist/.env":                           file(secretFile),
		"dist/.git/config":                    file(secretFile),
		"dist/assets/.hidden":                 file(secretFile),
		"dist/.well-known/security.txt":       file("Contact: mailto:a@example.com"),
		"dist/.well-known/assetlinks/.secret": file(secretFile),
		"dist/users/john.d":                   file("a file"),
	}
}

func TestStaticServes(t *testing.T) {
	t.Parallel()
	const index, nav = "<!doctype html>app", "navigate"
	tests := []struct {
		path, mode string
		status     int
		body       string // "" for an error
	}{
		{"/", "", 200, index},
		{"/index.html", "", 200, index},
		{"/app-1a2b3c4d.js", "", 200, "console.log('app')"},
		{"/assets/style.css", "", 200, "body{}"},
		{"/users/7", "", 200, index},
		{"/users/", "", 200, index},
		{"/assets", "", 200, index},
		{"/docs/", "", 200, "<!doctype html>docs"},
		{"/docs", "", 307, ""},
		{"/app-1a2b.js", "", 404, ""},
		{"/users/john.doe", "", 404, ""},
		{"/users/john.doe", nav, 200, index},
		{"/users/john.d", "", 200, "a file"},
		{"/logo.svg/", "", 404, ""},
		{"/%61ssets/style.css", "", 200, "body{}"},
		{"/.env", "", 404, ""}, {"/.env", nav, 404, ""}, {"/.git/config", "", 404, ""}, {"/assets/.hidden", "", 404, ""},
		{"/.gitignore", nav, 404, ""}, {"/%2eenv", "", 404, ""},
		{"/.well-known/security.txt", "", 200, "Contact: mailto:a@example.com"},
		{"/.well-known/acme-challenge/token", "", 404, ""}, {"/.well-known", "", 404, ""},
		{"/.well-known/assetlinks/.secret", "", 404, ""},
		{"/assets%2fstyle.css", "", 404, ""}, {"/assets%5cstyle.css", "", 404, ""}, {"/x%2Fy", nav, 200, index}, {"/x%2Fy", "", 404, ""},
		{"/search/a%2Fb", nav, 200, index}, {"/search/a%2Fb.png", nav, 200, index}, {"/assets%2fstyle.css", nav, 200, index},
		{"/search/a%5Cb", nav, 404, ""}, {"/search/%2e%2e%2fx", nav, 404, ""}, {"/search%2f%2fx", nav, 404, ""}, {"/search%2f.env", nav, 404, ""},
		{"/..%2f..%2fetc/passwd", "", 404, ""}, {"/%5c..%5c", "", 404, ""}, {"/C:", "", 404, ""}, {"/c:/x", "", 404, ""},
		{"/..%2f..%2fetc/passwd", nav, 404, ""}, {"/%5c..%5c", nav, 404, ""}, {"/C:", nav, 404, ""}, {"/C:%2fx", nav, 404, ""},
		{"/a%00b", "", 404, ""}, {"/%2e%2e/x", "", 404, ""},
		{"/%2f", nav, 404, ""}, {"/%2fetc%2fpasswd", nav, 404, ""}, {"/%2fetc/passwd", nav, 404, ""}, {"/a%2f", nav, 404, ""}, {"/a%2f/", nav, 404, ""},
		{"/view/https%3A%2F%2Fexample.com%2Fa", nav, 200, index}, {"/view/https%3A%2F%2Fexample.com%2Fa", "", 404, ""},
		{"/view/https%3a%2f%2fexample.com/a", nav, 200, index}, {"/view/https%3A%2F%2Fexample.com%2F", nav, 200, index}, {"/https:%2F%2Fexample.com", nav, 200, index},
		{"/r/http%3A%2F%2Flocalhost%3A8080%2Fa%3Fb%3Dc", nav, 200, index}, {"/view/https%253A%252F%252Fexample.com%252Fa", nav, 200, index},
		{"/view/https%3A%2F%2F..%2Fa", nav, 404, ""}, {"/view/https%3A%2F%2F%2Fa", nav, 404, ""}, {"/view/https%3A%2F%2Fx%2F%2Fa", nav, 404, ""}, {"/%2F%2Fexample.com", nav, 404, ""},
		{"/view/https%3A%2F%2Fexample.com%2F.env", nav, 404, ""}, {"/view/https%3A%2F%2Fx%2F..%2F..%2Fetc", nav, 404, ""}, {"/view%2F%2Fexample.com", nav, 404, ""},
		{"/view/C%3A%2F%2Fx", nav, 404, ""}, {"/view/:%2F%2Fx", nav, 404, ""},
		{"/a%2fb/", nav, 200, index}, {"/100%2525%2fb", nav, 200, index}, {"/100%25", "", 200, index},
		{"/a%252f..%252fb", nav, 404, ""}, {"/%252e%252e/x", nav, 404, ""}, {"/%252e%252e/x", "", 404, ""}, {"/a%2f%252e%252e", nav, 404, ""},
		{"/a%255cb", nav, 404, ""}, {"/%25252e%25252e/x", nav, 404, ""}, {"/a%2500", nav, 404, ""}, {"/%252fetc", nav, 404, ""},
	}
	router := http.NewRouter()
	router.Handle("GET /{path...}", http.Static(siteFS()))
	group := http.NewRouter()
	group.Group("/admin").Handle("GET /{anything...}", http.Static(siteFS()))
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			for prefix, h := range map[string]nethttp.Handler{"": router, "/admin": group} {
				resp := testkit.Record(h, testkit.NewRequest("GET", prefix+tt.path, "", "Sec-Fetch-Mode: "+tt.mode))
				body := resp.Body
				if resp.StatusCode != tt.status || tt.body != "" && body != tt.body {
					t.Errorf("%s: %d %q, want %d %q", prefix+tt.path, resp.StatusCode, body, tt.status, tt.body)
				}
				if strings.Contains(body, secretFile) || tt.status == 404 && strings.Contains(body, "doctype") {
					t.Errorf("%s: sent %q", prefix+tt.path, body)
				}
			}
		})
	}
}

func TestStaticRedirectsToAFolderWithARelativeLocation(t *testing.T) {
	t.Parallel()
	h := nethttp.StripPrefix("/app", http.Static(siteFS()))
	srv := testkit.StartServer(t, testkit.HTTP1, h)
	to, err := srv.Get(t, "/app/docs?x=1").Location()
	if err != nil || to.RequestURI() != "/app/docs/?x=1" {
		t.Fatalf("redirected to %v, %v", to, err)
	}
	srv.Get(t, to.RequestURI()).Want(t, 200, "<!doctype html>docs")
}

func TestStaticServesAWholeEmbedFS(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Handle("GET /ui/{path...}", http.Static(embedded))
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		index := srv.Get(t, "/ui/")
		if index.Header.Get("Cache-Control") != "no-cache" || index.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("the index has %v", index.Header)
		}
		const js = "/ui/assets/app-1a2b3c4d.js"
		resp := srv.Get(t, js)
		tag := resp.Header.Get("ETag")
		if tag == "" || tag != srv.Get(t, js).Header.Get("ETag") || resp.Header.Get("Last-Modified") != "" {
			t.Errorf("the script has %v", resp.Header)
		}
		if got := resp.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("Cache-Control of a hashed name: %q", got)
		}
		if got := srv.Get(t, "/ui/assets/plain.css").Header.Get("Cache-Control"); got != "" {
			t.Errorf("Cache-Control of a plain name: %q", got)
		}
		if resp := srv.Get(t, js, "If-None-Match: "+tag); resp.StatusCode != nethttp.StatusNotModified {
			t.Errorf("with its tag: %s", resp.Status)
		}
		if resp := srv.Get(t, js, "Range: bytes=0-6"); resp.StatusCode != nethttp.StatusPartialContent || resp.Body != "console" {
			t.Errorf("a range: %s", resp.Status)
		}
		if resp := srv.Get(t, js, "Range: bytes=0-6", `If-Range: "other"`); resp.StatusCode != nethttp.StatusOK {
			t.Errorf("a range of another version: %s", resp.Status)
		}
		if resp := srv.Get(t, js, "Range: bytes=999-"); resp.StatusCode != nethttp.StatusRequestedRangeNotSatisfiable {
			t.Errorf("a range beyond the end: %s", resp.Status)
		}
		if head := srv.Do(t, "HEAD", js, ""); head.ContentLength != int64(len(`console.log("app")`)) {
			t.Errorf("HEAD: %v, length %d", head, head.ContentLength)
		}
	})
}

func TestStaticPrecompressed(t *testing.T) {
	t.Parallel()
	h := stack(http.Compress(http.CompressConfig{MinSize: 1}), http.ETag(http.ETagConfig{}))(http.Static(siteFS()))
	tags := map[string]bool{}
	for _, tt := range []struct{ accept, coding, body string }{
		{"", "", "console.log('app')"}, {"gzip, br", "br", "br bytes"}, {"gzip", "gzip", "gz bytes"}, {"gzip, br;q=0.5", "gzip", "gz bytes"},
		{"br;q=0, identity", "", "console.log('app')"},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			resp := testkit.Record(h, testkit.NewRequest(method, "/app-1a2b3c4d.js", "", "Accept-Encoding: "+tt.accept))
			body := resp.Body
			if method == "HEAD" {
				if body = ""; resp.ContentLength != int64(len(tt.body)) {
					t.Errorf("HEAD, Accept-Encoding %q: length %d", tt.accept, resp.ContentLength)
				}
			} else if body != tt.body {
				t.Errorf("Accept-Encoding %q: body %q, want %q", tt.accept, body, tt.body)
			}
			tags[resp.Header.Get("ETag")] = true
			if resp.Header.Get("Content-Encoding") != tt.coding || resp.Header.Get("Vary") != "Accept-Encoding" ||
				resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
				t.Errorf("%s, Accept-Encoding %q: %v", method, tt.accept, resp.Header)
			}
		}
	}
	for header, value := range map[string]string{"If-Match": `"other"`, "If-Unmodified-Since": "Mon, 02 Jan 2006 15:04:05 GMT"} {
		want := nethttp.StatusOK // without a time, the condition does not apply
		if header == "If-Match" {
			want = nethttp.StatusPreconditionFailed
		}
		resp := testkit.Record(http.Static(siteFS()), testkit.NewRequest("GET", "/app-1a2b3c4d.js", "", "Accept-Encoding: br", header+": "+value))
		if resp.StatusCode != want {
			t.Errorf("%s: %s got %s, want %d", header, value, resp.Status, want)
		}
		if body := resp.Body; resp.ContentLength >= 0 && resp.ContentLength != int64(len(body)) {
			t.Errorf("%s: %s got a length of %d and %d bytes", header, value, resp.ContentLength, len(body))
		}
	}
	if len(tags) != 3 {
		t.Errorf("the three forms have the tags %v, want one each", tags)
	}
}

func TestStaticRanges(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Handle("GET /{path...}", http.Static(fstest.MapFS{
		"index.html": {}, "ten.txt": {Data: []byte("0123456789")}, "empty.txt": {},
		"coded.txt": {Data: []byte("0123456789")}, "coded.txt.gz": {Data: []byte("abcdef")},
	}))
	tests := []struct {
		path, ranges string
		status       int
		body         string // "" for an error
		content      string // Content-Range
	}{
		{"/ten.txt", "bytes=0-1", 206, "01", "bytes 0-1/10"},
		{"/ten.txt", "BYTES=0-1", 206, "01", "bytes 0-1/10"},
		{"/ten.txt", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"/ten.txt", "bytes=-0", 416, "", "bytes */10"},
		{"/ten.txt", "bytes=-0,-0", 416, "", "bytes */10"},
		{"/ten.txt", "bytes=0-0,-0", 206, "0", "bytes 0-0/10"},
		{"/ten.txt", "bytes=10-", 416, "", "bytes */10"},
		{"/ten.txt", "bytes=99999999999999999999-", 416, "", "bytes */10"},
		{"/ten.txt", "bytes=8-99999999999999999999", 206, "89", "bytes 8-9/10"},
		{"/ten.txt", "bytes=-99999999999999999999", 206, "0123456789", "bytes 0-9/10"},
		{"/ten.txt", "items=0-1", 200, "0123456789", ""},
		{"/ten.txt", "seconds=-1", 200, "0123456789", ""},
		{"/ten.txt", "bytes=5-2", 416, "", "bytes */10"},
		{"/ten.txt", "bytes=+0-+1", 416, "", "bytes */10"},
		{"/ten.txt", "bytes=0 - 1", 416, "", "bytes */10"},
		{"/ten.txt", "bytes =0-1", 200, "0123456789", ""},
		{"/empty.txt", "bytes=a-b", 200, "", ""},
		{"/ten.txt", "bytes=" + strings.Repeat("0-0,", 1000) + "1-1", 200, "0123456789", ""},
		{"/ten.txt", "bytes=" + strings.Repeat(",", 50) + "1-1", 206, "1", "bytes 1-1/10"},
		{"/ten.txt", "bytes=" + strings.Repeat(",", 900_000) + "1-1", 200, "0123456789", ""},
		{"/empty.txt", "bytes=-1", 200, "", ""},
		{"/empty.txt", "bytes=0-", 200, "", ""},
		{"/empty.txt", "bytes=0-0,-1", 200, "", ""},
		{"/coded.txt", "BYTES=0-1", 206, "ab", "bytes 0-1/6"},
		{"/coded.txt", "bytes=-0", 416, "", "bytes */6"},
	}
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range tests {
			for _, method := range []string{"GET", "HEAD"} {
				resp := srv.Do(t, method, tt.path, "", "Range: "+tt.ranges, "Accept-Encoding: gzip")
				body := resp.Body
				if method == "HEAD" { // HEAD has no ranges (RFC 9110, section 14.2)
					if resp.StatusCode != 200 || resp.Header.Get("Content-Range") != "" {
						t.Errorf("HEAD %s, Range %.60q: %s", tt.path, tt.ranges, resp.Status)
					}
					continue
				}
				if resp.StatusCode != tt.status || resp.Header.Get("Content-Range") != tt.content || method == "GET" && tt.status < 300 && body != tt.body {
					t.Errorf("%s %s, Range %.60q: %s %q, Content-Range %q; want %d %q, %q",
						method, tt.path, tt.ranges, resp.Status, body, resp.Header.Get("Content-Range"), tt.status, tt.body, tt.content)
				}
				if tt.status == 416 && (resp.Header.Get("Cache-Control") != "" || resp.Header.Get("Content-Encoding") != "") {
					t.Errorf("%s %s, Range %q: the error has %v", method, tt.path, tt.ranges, resp.Header)
				}
			}
		}
	})
}

func TestStaticFailedConditionHasNoHeadersOfTheFile(t *testing.T) {
	t.Parallel()
	files := siteFS()
	files["dist/dated.css"] = &fstest.MapFile{Data: []byte("a{}"), ModTime: time.Unix(1e9, 0)}
	chains := map[string]nethttp.Handler{
		"alone": http.Static(files),
		"chain": stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))(http.Static(files)),
	}
	for name, h := range chains {
		testkit.EachProtocol(t, h, func(t *testing.T, srv *testkit.Server) {
			for _, tt := range []struct {
				path, field, value string
				status             int
			}{
				{"/app-1a2b3c4d.js", "If-Match", `"other"`, 412}, {"/app-1a2b3c4d.js", "If-Match", `W/"weak", "other"`, 412},
				{"/app-1a2b3c4d.js", "If-Match", "*", 200}, {"/app-1a2b3c4d.js", "If-Match", "", 200},
				{"/app-1a2b3c4d.js", "If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT", 200},
				{"/dated.css", "If-Unmodified-Since", "Mon, 02 Jan 2000 15:04:05 GMT", 412},
				{"/dated.css", "If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT", 200},
				{"/dated.css", "If-Match", `"any"`, 412},
			} {
				for _, accept := range []string{"br", "gzip", "identity"} {
					resp := srv.Get(t, tt.path, "Accept-Encoding: "+accept, tt.field+": "+tt.value)
					if resp.StatusCode != tt.status {
						t.Errorf("%s: %s with %s: %s got %s", name, tt.path, tt.field, tt.value, resp.Status)
					}
					if tt.status != 412 {
						continue
					}
					for _, field := range []string{"Cache-Control", "Content-Encoding", "ETag", "Last-Modified", "Accept-Ranges"} {
						if got := resp.Header.Get(field); got != "" {
							t.Errorf("%s: %s with %s: %s got %s: %s", name, tt.path, tt.field, tt.value, field, got)
						}
					}
				}
			}
		})
	}
}

func TestStaticTypes(t *testing.T) {
	t.Parallel()
	page := "<!doctype html><p>page"
	files := fstest.MapFS{
		"index.html": {Data: []byte(page)},
		"LICENSE":    {Data: []byte("MIT License")}, "LICENSE.gz": {Data: []byte("\x1f\x8b\x08\x00")},
		"page": {Data: []byte(page)}, "page.br": {Data: []byte{0, 1, 2, 3}}, "page.zst": {Data: []byte{0x28, 0xb5, 0x2f, 0xfd}},
		"data.unknown-type": {Data: []byte("plain")}, "data.unknown-type.gz": {Data: []byte("\x1f\x8b\x08\x00")},
		"site.tar.gz": {Data: []byte("\x1f\x8b\x08\x00")},
	}
	want := map[string]string{
		"/LICENSE": "text/plain; charset=utf-8", "/page": "text/html; charset=utf-8", "/data.unknown-type": "text/plain; charset=utf-8",
		"/LICENSE.gz": "application/gzip", "/site.tar.gz": "application/gzip",
		"/a.otf": "font/otf", "/a.gltf": "model/gltf+json", "/a.glb": "model/gltf-binary", "/a.geojson": "application/geo+json",
		"/a.jsonld": "application/ld+json", "/a.atom": "application/atom+xml", "/a.rss": "application/rss+xml",
		"/a.md": "text/markdown; charset=utf-8", "/a.mov": "video/quicktime", "/a.MOV": "video/quicktime", "/a.m4a": "audio/mp4",
		"/a.mjs": "text/javascript; charset=utf-8", "/a.wasm": "application/wasm", "/a.webmanifest": "application/manifest+json",
		"/a.avif": "image/avif", "/a.woff2": "font/woff2", "/a.eot": "application/vnd.ms-fontobject", "/a.js.map": "application/json",
	}
	for path := range want {
		if name := strings.TrimPrefix(path, "/"); files[name] == nil {
			files[name] = &fstest.MapFile{Data: []byte("x")}
		}
	}
	srv := testkit.StartServer(t, testkit.HTTP1, http.Static(files))
	for path, contentType := range want {
		for _, accept := range []string{"identity", "gzip", "br", "zstd"} {
			resp := srv.Get(t, path, "Accept-Encoding: "+accept)
			if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != contentType {
				t.Errorf("%s, Accept-Encoding %s: %s %q, want %q", path, accept, resp.Status, got, contentType)
			}
		}
	}
}

func TestStaticWithoutAnIndexWarnsOnce(t *testing.T) {
	var buf testkit.Log
	before := slog.Default()
	slog.SetDefault(buf.Text())
	t.Cleanup(func() { slog.SetDefault(before) })
	h := http.Static(fstest.MapFS{"ui/dist/.gitkeep": {}})
	for range 3 {
		if resp := testkit.Record(h, testkit.NewRequest("GET", "/", "")); resp.StatusCode != 404 {
			t.Errorf("a page of a site without any: %s", resp.Status)
		}
	}
	http.Static(siteFS())
	if got := buf.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no index.html") ||
		!strings.Contains(got, "static_test.go:") || !strings.Contains(got, ".gitkeep") {
		t.Errorf("the log has %q", got)
	}
}

func TestStaticNotModifiedHasTheTagOfItsResponse(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"index.html": {Data: []byte(sample(5000))}, "app.js": {Data: []byte(sample(5000))}, "app.js.gz": {Data: []byte("gz")}}
	for name, h := range map[string]nethttp.Handler{
		"alone":    http.Static(files),
		"Compress": http.Compress(http.CompressConfig{})(http.Static(files)),
		"ETag":     http.ETag(http.ETagConfig{})(http.Static(files)),
		"both":     stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))(http.Static(files)),
		"reversed": stack(http.ETag(http.ETagConfig{}), http.Compress(http.CompressConfig{}))(http.Static(files)),
	} {
		testkit.EachProtocol(t, h, func(t *testing.T, srv *testkit.Server) {
			for _, path := range []string{"/", "/app.js"} {
				for _, accept := range []string{"gzip", "identity"} {
					tag := srv.Get(t, path, "Accept-Encoding: "+accept).Header.Get("ETag")
					for _, known := range []string{tag, `"other", ` + tag} {
						again := srv.Get(t, path, "Accept-Encoding: "+accept, "If-None-Match: "+known)
						if got := again.Header.Get("ETag"); again.StatusCode != 304 || got != tag {
							t.Errorf("%s: %s, %s: 200 with %s, then %s with %s", name, path, accept, tag, again.Status, got)
						}
					}
				}
			}
		})
	}
}

func TestStaticUnderCompressAndETag(t *testing.T) {
	t.Parallel()
	big := fstest.MapFS{"index.html": {Data: []byte(sample(5000))}}
	h := stack(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))(http.Static(big))
	resp := testkit.Record(h, testkit.NewRequest("GET", "/", "", "Accept-Encoding: gzip"))
	tag := resp.Header.Get("ETag")
	if resp.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(tag, `W/"`) || resp.Plain(t) != sample(5000) {
		t.Errorf("compressed: %v", resp.Header)
	}
	if resp := testkit.Record(h, testkit.NewRequest("GET", "/", "", "Accept-Encoding: gzip", "If-None-Match: "+tag)); resp.StatusCode != nethttp.StatusNotModified {
		t.Errorf("with its own tag: %s", resp.Status)
	}
}

func TestStaticRejectsOtherMethods(t *testing.T) {
	t.Parallel()
	resp := testkit.Record(http.Static(siteFS()), testkit.NewRequest("POST", "/", ""))
	if resp.StatusCode != nethttp.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
}

func TestStaticKeepsACacheControlSetBefore(t *testing.T) {
	t.Parallel()
	h := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Cache-Control", "private")
		http.Static(siteFS()).ServeHTTP(w, r)
	})
	if got := testkit.Record(h, testkit.NewRequest("GET", "/", "")).Header.Get("Cache-Control"); got != "private" {
		t.Errorf("Cache-Control: %q", got)
	}
}

func TestStaticMistakesPanic(t *testing.T) {
	t.Parallel()
	wantPanicMatch(t, `^http: .*static_test.go:\d+: Static: nil file system`, func() { http.Static(nil) })
	wantPanicMatch(t, `^http: .*static_test.go:\d+: Static: the root of the file system cannot be read: .*no such file`, func() { http.Static(os.DirFS(filepath.Join(t.TempDir(), "missing"))) })
}

// diskSite writes a site with symbolic links that lead out of it.
func diskSite(tb testing.TB) string {
	tb.Helper()
	top := tb.TempDir()
	root := filepath.Join(top, "root")
	for name, content := range map[string]string{
		"root/index.html": "index", "root/a/b.txt": "b", "root/.env": secretFile, "secret.txt": secretFile, "outside/x.txt": secretFile,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(content), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"out.txt": "../secret.txt", "abs.txt": filepath.Join(top, "secret.txt"), "folder": "../outside", "a/up.txt": "../../secret.txt",
		"inside.txt": "a/b.txt", "loop1": "loop2", "loop2": "loop1", "twice": "folder/x.txt", "a/round.txt": "../a/../a/b.txt",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			tb.Fatal(err)
		}
	}
	return root
}

func diskHandlers(tb testing.TB) map[string]nethttp.Handler {
	dir := diskSite(tb)
	root, err := os.OpenRoot(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { root.Close() })
	return map[string]nethttp.Handler{
		"os.DirFS": http.Static(os.DirFS(dir)), "os.Root": http.Static(root.FS()),
	}
}

func TestStaticStaysWithinTheRoot(t *testing.T) {
	t.Parallel()
	for name, h := range diskHandlers(t) {
		for path, want := range map[string]string{
			"/a/b.txt": "b", "/inside.txt": "b", "/a/round.txt": "b", "/": "index",
			"/out.txt": "", "/abs.txt": "", "/folder/x.txt": "", "/a/up.txt": "", "/loop1.txt": "", "/twice.txt": "", "/folder/": "", "/folder": "", "/folder/y/": "", "/out.txt/": "",
			"/../secret.txt": "", "/a/../../secret.txt": "", "//etc/passwd.txt": "",
		} {
			resp := testkit.Record(h, testkit.NewRequest("GET", path, ""))
			body := resp.Body
			if want == "" && resp.StatusCode != nethttp.StatusNotFound || want != "" && body != want {
				t.Errorf("%s, %s: %s %q, want %q", name, path, resp.Status, body, want)
			}
		}
	}
}

func TestStaticFilesOnDiskHaveAModificationTime(t *testing.T) {
	t.Parallel()
	for name, h := range diskHandlers(t) {
		resp := testkit.Record(h, testkit.NewRequest("GET", "/a/b.txt", ""))
		modified := resp.Header.Get("Last-Modified")
		if modified == "" || resp.Header.Get("ETag") != "" {
			t.Errorf("%s: %v", name, resp.Header)
		}
		if resp := testkit.Record(h, testkit.NewRequest("GET", "/a/b.txt", "", "If-Modified-Since: "+modified)); resp.StatusCode != nethttp.StatusNotModified {
			t.Errorf("%s: with its time %s", name, resp.Status)
		}
	}
}

func TestStaticFromAnArchive(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	f, err := zw.CreateHeader(&zip.FileHeader{Name: "dist/index.html", Method: zip.Deflate, Modified: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "zipped")
	zw.Close()
	zr, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	resp := testkit.Record(http.Static(zr), testkit.NewRequest("GET", "/any/route", "", "Range: bytes=0-2"))
	if resp.StatusCode != nethttp.StatusPartialContent || resp.Body != "zip" {
		t.Errorf("a range of a zipped file: %s", resp.Status)
	}
}

func FuzzStaticNeverLeavesTheRoot(f *testing.F) {
	for _, path := range []string{
		"/..%2f..%2fetc/passwd", "/%5c..%5c", "/C:", "/a%00b", "//x", "/.env", "/a/./b.txt", "/a/b.txt/", "/folder/x.txt",
		"/%2e%2e/secret.txt", "/a/..%2f../secret.txt", "/.well-known/../.env", "/out.txt", "/index.html", "/a//b.txt",
	} {
		f.Add(path)
	}
	handlers := diskHandlers(f)
	mapFS := siteFS()
	handlers["fs.FS"] = http.Static(struct{ fs.FS }{mapFS})
	router := http.NewRouter()
	for name, h := range handlers {
		router.Handle("GET /"+strings.ReplaceAll(name, ".", "")+"/{path...}", h)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		u, err := r.URL.Parse("http://example.com/" + strings.TrimPrefix(path, "/"))
		if err != nil {
			return
		}
		for name, h := range handlers {
			direct := r.Clone(r.Context())
			direct.URL = u
			routed := r.Clone(r.Context())
			routed.URL, err = r.URL.Parse("http://example.com/" + strings.ReplaceAll(name, ".", "") + "/" + strings.TrimPrefix(path, "/"))
			if err != nil {
				return
			}
			for _, try := range []struct {
				h nethttp.Handler
				r *nethttp.Request
			}{{h, direct}, {router, routed}} {
				rec := testkit.Record(try.h, try.r)
				if strings.Contains(rec.Body, secretFile) {
					t.Errorf("%s sent a forbidden file for %q", name, try.r.URL)
				}
				if rec.StatusCode >= 500 {
					t.Errorf("%s answered %d for %q", name, rec.StatusCode, try.r.URL)
				}
			}
		}
	})
}

func BenchmarkStatic(b *testing.B) {
	files, err := fs.Sub(embedded, "testdata/site/ui/dist")
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]nethttp.Handler{"FileServerFS": nethttp.FileServerFS(files), "Static": http.Static(embedded)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequest("GET", "/assets/app-1a2b3c4d.js", nil)
			w := new(nullWriter)
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}
