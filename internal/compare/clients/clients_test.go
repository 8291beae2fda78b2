// Package clients_test sends requests to a server with the documented chain
// from other clients: curl, Node's fetch, and Go's http.Client.
package clients_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A site is a running server with the documented chain.
type site struct {
	url string
	ca  string // file with the certificate, if the server uses TLS
}

// start serves bodies of any type and length at /body until the test ends. If
// encoders is true, it offers zstd and brotli as well as gzip. If secure is
// true, it uses TLS and therefore HTTP/2.
func start(t *testing.T, encoders, secure bool) site {
	t.Helper()
	config := http.CompressConfig{}
	if encoders {
		config.Encoders = []http.CompressEncoder{
			{Name: "zstd", New: newZstd, Reuse: true},
			{Name: "br", New: func() http.CompressWriter { return brotli.NewWriterLevel(nil, 4) }, Reuse: true},
		}
	}
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(http.NewMetrics().Middleware())
	router.Use(http.RequestLogger(slog.New(slog.DiscardHandler)))
	router.Use(http.Compress(config))
	router.Use(http.ETag(http.ETagConfig{}))
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))
	router.Use(http.MaxBody(2 << 20))
	router.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example"}}))
	router.Use(http.Recovery(nil))
	router.HandleFunc("GET /body", serveBody)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := site{url: "http://" + l.Addr().String()}
	options := []http.ServerOption{http.WithListener(l)}
	if secure {
		cert, key, _ := testkit.KeyPair(t)
		s.url, s.ca = "https://"+l.Addr().String(), cert
		options = append(options, http.WithTLS(cert, key))
	}
	srv := http.NewServer(router, options...)
	if err := srv.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newZstd() http.CompressWriter {
	zw, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // an option is invalid
	}
	return zw
}

// serveBody responds with the type and number of bytes that the query asks for,
// written in the way that it asks for.
func serveBody(w http.ResponseWriter, r *http.Request) {
	body := sample(http.QueryParamInt(r, "size", 0))
	if mediaType := http.QueryParam(r, "type"); mediaType != "" {
		w.Header().Set("Content-Type", mediaType)
	}
	switch http.QueryParam(r, "way") {
	case "chunks":
		for len(body) > 0 {
			n := min(len(body), 1000)
			if _, err := w.Write(body[:n]); err != nil {
				return
			}
			body = body[n:]
		}
	case "flush":
		if _, err := w.Write(body[:len(body)/2]); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		body = body[len(body)/2:]
		fallthrough
	default:
		_, _ = w.Write(body) // if the client has disconnected, the test fails elsewhere
	}
}

// text returns a body that compresses about as well as prose. Shorter bodies
// are prefixes of it.
var text = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 10<<20; i++ {
		sum := sha256.Sum256([]byte(strconv.Itoa(i / 4)))
		fmt.Fprintf(&b, "line %d, %x\n", i, sum[:12])
	}
	return b.Bytes()
})

// sample returns the first n bytes of text.
func sample(n int) []byte { return text()[:n:n] }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// A question is one request for a body, and whether the response should be
// compressed.
type question struct {
	mediaType, way string
	size           int
}

func (q question) path() string {
	return "/body?" + url.Values{"type": {q.mediaType}, "way": {q.way}, "size": {strconv.Itoa(q.size)}}.Encode()
}

// compressed reports whether the response must be compressed if the client
// accepts an encoding.
func (q question) compressed() bool {
	text := q.mediaType != "image/png" && q.mediaType != "application/octet-stream"
	return text && (q.size >= 1024 || q.way == "flush" && q.size > 1)
}

func questions() (all []question) {
	types := []string{
		"", "text/html; charset=utf-8", "text/css", "text/plain", "application/json", "application/javascript",
		"application/xml", "application/xhtml+xml", "image/svg+xml", "image/png", "application/octet-stream",
	}
	for _, mediaType := range types {
		for _, way := range []string{"whole", "chunks", "flush"} {
			for _, size := range []int{0, 1, 1023, 1024, 1025, 64 << 10} {
				all = append(all, question{mediaType, way, size})
			}
		}
	}
	for _, way := range []string{"whole", "chunks", "flush"} {
		all = append(all, question{"text/plain", way, 10 << 20}, question{"image/png", way, 10 << 20})
	}
	return all
}

// An answer is the response as reported by a client.
type answer struct {
	Status int    `json:"status"`
	Coding string `json:"coding"`
	Digest string `json:"digest"`
}

func (q question) check(t *testing.T, got answer, accepts bool) {
	t.Helper()
	if want := digest(sample(q.size)); got.Status != 200 || got.Digest != want {
		t.Errorf("%+v: status %d, body %s, want 200 and %s", q, got.Status, got.Digest, want)
	}
	if compressed := got.Coding != ""; compressed != (accepts && q.compressed()) {
		t.Errorf("%+v: Content-Encoding %q", q, got.Coding)
	}
}

func TestGoReadsTheSameBodies(t *testing.T) {
	t.Parallel()
	s := start(t, false, false)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for _, q := range questions() {
		for _, accept := range []string{"", "gzip"} {
			var fields []string
			if accept != "" {
				fields = []string{"Accept-Encoding: " + accept}
			}
			res := testkit.Get(t, client, s.url+q.path(), fields...)
			q.check(t, answer{res.StatusCode, res.Header.Get("Content-Encoding"), digest([]byte(res.Plain(t)))}, accept != "")
		}
	}
}

func TestCurlReadsTheSameBodies(t *testing.T) {
	t.Parallel()
	curl := newCurl(t)
	for _, secure := range []bool{false, true} {
		for _, encoders := range []bool{false, true} {
			s := start(t, encoders, secure)
			for _, compressed := range []bool{false, true} {
				if encoders && !compressed {
					continue // the client does not request any of them
				}
				name := fmt.Sprintf("TLS %v, zstd and br %v, --compressed %v", secure, encoders, compressed)
				t.Run(name, func(t *testing.T) { curl.askAll(t, s, compressed) })
			}
		}
	}
}

// A curl is the program's path and the output of its option --version.
type curl struct{ path, version string }

func newCurl(t *testing.T) curl {
	t.Helper()
	path := tools.Require(t, "curl")
	version, err := exec.Command(path, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.40s...", version)
	return curl{path, string(version)}
}

// speaksHTTP2 reports whether curl supports HTTP/2.
func (c curl) speaksHTTP2() bool { return regexp.MustCompile(`\bHTTP2\b`).MatchString(c.version) }

// run runs curl with options and returns its output.
func (c curl) run(t *testing.T, s site, options ...string) string {
	t.Helper()
	common := []string{"-q", "--silent", "--show-error", "--fail-early", "--noproxy", "*", "--max-time", "60"}
	if s.ca != "" {
		common = append(common, "--cacert", s.ca)
	}
	cmd := exec.Command(c.path, append(common, options...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %q: %v: %s", options, err, stderr.String())
	}
	return string(out)
}

// askAll asks all questions in one run of curl over one connection.
func (c curl) askAll(t *testing.T, s site, compressed bool) {
	dir := t.TempDir()
	var config strings.Builder
	all := questions()
	for i, q := range all {
		if i > 0 {
			config.WriteString("next\n")
		}
		fmt.Fprintf(&config, "url = %q\noutput = %q\n", s.url+q.path(), filepath.Join(dir, strconv.Itoa(i)))
		fmt.Fprintf(&config, "write-out = \"%%{http_version} %%{http_code} [%%header{content-encoding}]\\n\"\n")
		fmt.Fprintf(&config, "silent\nshow-error\nnoproxy = \"*\"\n")
		if s.ca != "" {
			fmt.Fprintf(&config, "cacert = %q\n", s.ca)
		}
		if compressed {
			config.WriteString("compressed\n")
		}
	}
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(c.run(t, site{}, "--config", file)), "\n")
	if len(lines) != len(all) {
		t.Fatalf("curl asked %d times, want %d", len(lines), len(all))
	}
	codings := map[string]int{}
	for i, q := range all {
		var version string
		var got answer
		if _, err := fmt.Sscanf(lines[i], "%s %d [%s", &version, &got.Status, &got.Coding); err != nil {
			t.Fatalf("curl wrote %q: %v", lines[i], err)
		}
		got.Coding = strings.TrimSuffix(got.Coding, "]")
		if want := s.version(c); version != want {
			t.Fatalf("curl spoke HTTP/%s, want %s", version, want)
		}
		// If the body is empty, curl does not create a file.
		body, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		got.Digest = digest(body)
		q.check(t, got, compressed)
		codings[version+" "+got.Coding]++
	}
	t.Logf("%d bodies by HTTP version and coding: %v", len(all), codings)
}

// version returns the HTTP version that curl must use with the site.
func (s site) version(c curl) string {
	if s.ca != "" && c.speaksHTTP2() {
		return "2"
	}
	return "1.1"
}

func TestCurlRevalidatesByETag(t *testing.T) {
	t.Parallel()
	curl := newCurl(t)
	for _, secure := range []bool{false, true} {
		s := start(t, true, secure)
		for _, coding := range []string{"identity", "gzip", "br", "zstd"} {
			t.Run(fmt.Sprintf("TLS %v, %s", secure, coding), func(t *testing.T) {
				dir := t.TempDir()
				tag, head := filepath.Join(dir, "etag"), filepath.Join(dir, "head")
				ask := func(size, option string) string {
					line := curl.run(t, s, option, tag, "--header", "Accept-Encoding: "+coding, "--output", filepath.Join(dir, "body"),
						"--dump-header", head, "--write-out", "%{http_version} %{http_code} etag=%header{etag} "+
							"coding=%header{content-encoding} type=%header{content-type} bytes=%{size_download}",
						s.url+"/body?type=text/plain&size="+size)
					fields, err := os.ReadFile(head)
					if err != nil {
						t.Fatal(err)
					}
					// curl's variable contains only the first of several lines.
					if !regexp.MustCompile(`(?im)^vary: .*accept-encoding`).Match(fields) {
						t.Errorf("no Vary: Accept-Encoding in\n%s", fields)
					}
					return line
				}
				first := ask("20000", "--etag-save")
				saved, err := os.ReadFile(tag)
				if err != nil {
					t.Fatal(err)
				}
				second, changed := ask("20000", "--etag-compare"), ask("20001", "--etag-compare")
				t.Logf("saved: %s\n\tsame:    %s\n\tchanged: %s", first, second, changed)
				sentCoding := strings.TrimPrefix(coding, "identity")
				etag := strings.TrimSpace(string(saved))
				prefix := s.version(curl) + " "
				if want := fmt.Sprintf("%s200 etag=%s coding=%s type=text/plain bytes=", prefix, etag, sentCoding); !strings.HasPrefix(first, want) {
					t.Errorf("the first answer is %q, want %q...", first, want)
				}
				if want := fmt.Sprintf("%s304 etag=%s coding= type= bytes=0", prefix, etag); second != want {
					t.Errorf("the second answer is %q, want %q", second, want)
				}
				if want := fmt.Sprintf("%s200 etag=", prefix); !strings.HasPrefix(changed, want) || strings.Contains(changed, etag) {
					t.Errorf("after a change the answer is %q, want %q and another tag", changed, want)
				}
			})
		}
	}
}

// fetchAll is a program for Node that fetches each URL from its standard input
// and prints the response.
const fetchAll = `
const crypto = require('crypto');
(async () => {
	const urls = JSON.parse(require('fs').readFileSync(0, 'utf8'));
	const answers = [];
	for (const url of urls) {
		const r = await fetch(url);
		const body = Buffer.from(await r.arrayBuffer());
		answers.push({
			status: r.status,
			coding: r.headers.get('content-encoding') || '',
			digest: crypto.createHash('sha256').update(body).digest('hex').slice(0, 16),
		});
	}
	console.log(JSON.stringify(answers));
})().catch(err => { console.error(err); process.exit(1); });
`

func TestNodeFetchReadsTheSameBodies(t *testing.T) {
	t.Parallel()
	node := tools.Require(t, "node")
	version, err := exec.Command(node, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("node %s", version)
	for _, encoders := range []bool{false, true} {
		t.Run(fmt.Sprintf("zstd and br %v", encoders), func(t *testing.T) {
			s := start(t, encoders, false)
			all := questions()
			urls := make([]string, len(all))
			for i, q := range all {
				urls[i] = s.url + q.path()
			}
			input, err := json.Marshal(urls)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(node, "-e", fetchAll)
			cmd.Stdin = bytes.NewReader(input)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("node: %v: %s", err, stderr.String())
			}
			var answers []answer
			if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(all) {
				t.Fatalf("node printed %q, %v", out, err)
			}
			codings := map[string]int{}
			for i, q := range all {
				q.check(t, answers[i], true)
				codings[answers[i].Coding]++
			}
			t.Logf("%d bodies by coding: %v", len(all), codings)
		})
	}
}
