package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
)

// boundary has 70 characters, the maximum (RFC 2046, section 5.1.1).
const boundary = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

// A part is a part of a form: the parameters of its Content-Disposition, and its content.
type part struct{ params, content string }

// form returns a form.
func form(parts ...part) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n", boundary, p.params, p.content)
	}
	return b.String() + "--" + boundary + "--\r\n"
}

// file returns the part of a file in the expected field.
func file(content string) part { return part{`name="file"; filename="a.txt"`, content} }

// request returns a request whose body is a form.
func request(body io.Reader) *http.Request {
	r := httptest.NewRequest("POST", "/", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return r
}

// config returns a configuration for files of up to 100 bytes.
func config(target Target) *Config {
	return &Config{Field: "file", MaxSize: 100, Detect: http.DetectContentType, Target: target}
}

// wantEmpty fails if a directory has files.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
}

func TestReceive(t *testing.T) {
	t.Parallel()
	content := "\r\n--" + boundary[1:] + "\r\n-" // almost a boundary
	for _, tt := range []struct {
		name string
		body string
		want string // name, type, size, fields
	}{
		{"a file", form(file("hello")), "a.txt, text/plain; charset=utf-8, 5, map[]"},
		{"an empty file", form(file("")), "a.txt, text/plain; charset=utf-8, 0, map[]"},
		{"a file of the maximum size", form(file(strings.Repeat("x", 100))), "a.txt, text/plain; charset=utf-8, 100, map[]"},
		{"content like a boundary", form(file(content)), fmt.Sprintf("a.txt, text/plain; charset=utf-8, %d, map[]", len(content))},
		{"fields before and after", form(part{`name="a"`, "1"}, file("x"), part{`name="a"`, "2"}, part{`name="b"`, ""}),
			"a.txt, text/plain; charset=utf-8, 1, map[a:[1 2] b:[]]"},
		{"an empty input of another file", form(part{`name="other"; filename=""`, ""}, file("x")), "a.txt, text/plain; charset=utf-8, 1, map[other:[]]"},
		{"text around the form", "preamble\r\n" + form(file("x")) + "epilogue", "a.txt, text/plain; charset=utf-8, 1, map[]"},
		{"a nested form as content", form(file("--x\r\nContent-Disposition: form-data; name=file; filename=b\r\n\r\ny\r\n--x--")),
			"a.txt, text/plain; charset=utf-8, 70, map[]"},
		{"an encoded name", form(part{`name="file"; filename*=UTF-8''%C3%BC.png`, "x"}), "ü.png, text/plain; charset=utf-8, 1, map[]"},
		{"the most parts", form(append([]part{file("x")}, make1000(999)...)...), "a.txt, text/plain; charset=utf-8, 1, map[n:[]]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, read := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
			} {
				dir := t.TempDir()
				got, complete, err := Receive(request(read(strings.NewReader(tt.body))), config(Target{Dir: dir}))
				if err != nil || !complete {
					t.Fatalf("complete %t, %v", complete, err)
				}
				for name, values := range got.Fields {
					if strings.Join(values, "") == "" {
						got.Fields[name] = nil // however many
					}
				}
				text := fmt.Sprintf("%s, %s, %d, %v", got.Name, got.Type, got.Size, got.Fields)
				if text != tt.want {
					t.Errorf("got %s, want %s", text, tt.want)
				}
				stored, readErr := os.ReadFile(got.Path)
				if readErr != nil || int64(len(stored)) != got.Size || !strings.Contains(tt.body, string(stored)) || filepath.Dir(got.Path) != dir {
					t.Errorf("stored %q in %s, %v", stored, got.Path, readErr)
				}
			}
		})
	}
}

// make1000 returns n empty fields.
func make1000(n int) []part {
	parts := make([]part, n)
	for i := range parts {
		parts[i] = part{`name="n"`, ""}
	}
	return parts
}

func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	for _, tt := range []struct {
		name   string
		body   string
		status int
		want   string
		cause  error
	}{
		{"an empty body", "", 400, "the form is malformed or incomplete", io.ErrUnexpectedEOF},
		{"an empty form", "--" + boundary + "--\r\n", 400, `the form has no file in field "file"`, http.ErrMissingFile},
		{"no form", "hello", 400, "the form is malformed or incomplete", nil},
		{"a file that is too large", form(file(long)), 413, "the file is larger than 100 bytes", jsonbody.ErrTooLarge},
		{"two files", form(file("a"), file("b")), 400, `field "file" has more than one file`, nil},
		{"a part without a name", form(part{`filename="a.txt"`, "x"}), 400, "a part of the form has no name", nil},
		{"a malformed disposition", form(part{`name="file; filename=a`, "x"}), 400, "a part of the form has no name", nil},
		{"the wrong field", form(part{`name="File"; filename="a.txt"`, long}), 400, `the file must be in field "file"`, http.ErrMissingFile},
		{"a second file in another field", form(file("x"), part{`name="b"; filename="b"`, long}), 400, `the file must be in field "file"`, http.ErrMissingFile},
		{"no file name", form(part{`name="file"`, "x"}), 400, `field "file" has no file`, http.ErrMissingFile},
		{"an empty input", form(part{`name="file"; filename=""`, ""}), 400, `field "file" has no file`, http.ErrMissingFile},
		{"a nested form without a file name", form(part{"name=file\r\nContent-Type: multipart/mixed; boundary=x", "--x\r\n\r\na\r\n--x--"}), 400,
			`field "file" has no file`, http.ErrMissingFile},
		{"a nested form with the same boundary", form(file(form(file("x")))), 400, `field "file" has more than one file`, nil},
		{"10,000 parts", form(append(make1000(9999), file("x"))...), 400, "the form has too many parts", nil},
		{"one part too many", form(append(make1000(1000), file("x"))...), 400, "the form has too many parts", nil},
		{"10,001 headers", form(part{"name=a" + strings.Repeat("\r\nX: y", 10001), ""}), 400, "the form is malformed or incomplete", nil},
		{"large fields", form(part{"name=a", strings.Repeat("x", 600<<10)}, file("x"), part{"name=a", strings.Repeat("x", 600<<10)}), 413,
			"the form is too large, not counting the file", jsonbody.ErrTooLarge},
		{"a large header", form(part{"name=a\r\nX: " + strings.Repeat("x", 2<<20), ""}, file("x")), 413,
			"the form is too large, not counting the file", jsonbody.ErrTooLarge},
		{"much after the form", form(file("x")) + strings.Repeat("x", 2<<20), 413, "the form is too large, not counting the file", jsonbody.ErrTooLarge},
		{"much before the form", strings.Repeat("x\r\n", 1<<20) + form(file("x")), 413, "the form is too large, not counting the file", jsonbody.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := request(strings.NewReader(tt.body))
			r.ContentLength = -1
			_, _, err := Receive(r, config(Target{Dir: dir}))
			switch {
			case err == nil:
				t.Fatal("it was received")
			case err.Status != tt.status || err.Message != tt.want:
				t.Errorf("got %d %s, want %d %s; %v", err.Status, err.Message, tt.status, tt.want, err.Err)
			case tt.cause != nil && !errors.Is(err.Err, tt.cause):
				t.Errorf("the cause is %v, want %v", err.Err, tt.cause)
			}
			wantEmpty(t, dir)
		})
	}
}

// The boundary comes from the client.
func TestBoundaries(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]int{1: 0, 70: 0, 71: 0, 4000: 0, 4096: 400, 100_000: 400} { // the status of the error
		b := strings.Repeat("b", length)
		r := request(strings.NewReader(strings.ReplaceAll(form(file("hello")), boundary, b)))
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+b)
		_, _, err := Receive(r, config(Target{Writer: io.Discard}))
		if (err == nil) != (want == 0) || err != nil && err.Status != want {
			t.Errorf("a boundary of %d characters: %v, want status %d", length, err, want)
		}
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]int{
		"":                                415,
		"text/plain":                      415,
		"application/json":                415,
		"multipart/form-data":             400,
		"multipart/form-data; boundary=":  415, // malformed
		"multipart/mixed; boundary=x":     400, // whose parts have no names
		"multipart/related; boundary=x":   415,
		"multipart/form-data; boundary=y": 400, // which is not that of the body
	} {
		r := request(strings.NewReader("--x\r\n\r\nhello\r\n--x--"))
		r.Header.Set("Content-Type", contentType)
		if _, _, err := Receive(r, config(Target{Writer: io.Discard})); err == nil || err.Status != want {
			t.Errorf("%q: got %v, want %d", contentType, err, want)
		}
	}
	r := request(nil)
	r.Body = nil // of a client's request
	if _, _, err := Receive(r, config(Target{Writer: io.Discard})); err == nil || err.Status != 415 {
		t.Errorf("no body: got %v", err)
	}
}

// A limit that the handler has set applies too.
func TestMaxBytesReader(t *testing.T) {
	t.Parallel()
	r := request(strings.NewReader(form(file("hello"))))
	r.ContentLength = -1
	r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, 150)
	_, _, err := Receive(r, config(Target{Writer: io.Discard}))
	var maxBytes *http.MaxBytesError
	if err == nil || err.Status != 413 || !errors.Is(err.Err, jsonbody.ErrTooLarge) || !errors.As(err.Err, &maxBytes) {
		t.Errorf("got %v, want 413", err)
	}
}

// A form that ends before its final boundary is never taken for a complete one.
func TestEveryTruncationIsAnError(t *testing.T) {
	t.Parallel()
	body := form(part{`name="a"`, "1"}, file("hello"), part{`name="b"`, "2"})
	end := strings.LastIndex(body, "--") + len("--")
	dir := t.TempDir()
	for n := range end {
		if got, _, err := Receive(request(strings.NewReader(body[:n])), config(Target{Dir: dir})); err == nil {
			t.Errorf("%q was received: %v", body[:n], got)
		}
	}
	wantEmpty(t, dir)
	if _, _, err := Receive(request(strings.NewReader(body[:end])), config(Target{Writer: new(bytes.Buffer)})); err != nil {
		t.Errorf("without the last line break: %v", err)
	}
}

func TestNamesAreCleaned(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.txt":                         "a.txt",
		"über uns.pdf":                  "über uns.pdf",
		"../../etc/passwd":              "passwd",
		`..\..\boot.ini`:                "boot.ini",
		"/":                             "file",
		"..":                            "_",
		"a/..":                          "_",
		".htaccess":                     "_htaccess",
		"C:evil.exe":                    "C_evil.exe",
		"a\x00b\r\nc\x1b[31m\u202egpj":  "a_b__c_[31m_gpj",
		"bad\xff":                       "bad_",
		"dir/":                          "file",
		strings.Repeat("ü", 1000):       strings.Repeat("ü", 100),
		"a.txt\x00.png":                 "a.txt_.png",
		"https://example.com/x?y=1.png": "x_y=1.png",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("cleanName(%q) = %q, want %q", name, got, want)
		}
	}
}

// What the client calls a file never decides where it is stored.
func TestNamesAreNotPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../evil", "/etc/evil", `..\evil`, "a/b/evil", "%2e%2e%2fevil", "evil"} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "a")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		got, _, err := Receive(request(strings.NewReader(form(part{`name="file"; filename="` + name + `"`, "x"}))), config(Target{Dir: dir}))
		if err != nil {
			t.Fatal(err)
		}
		entries, readErr := os.ReadDir(parent)
		if readErr != nil || len(entries) != 1 || filepath.Dir(got.Path) != dir || len(filepath.Base(got.Path)) != 26 {
			t.Errorf("%q is stored in %s, %v", name, got.Path, readErr)
		}
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	const png = "\x89PNG\r\n\x1a\n"
	for _, tt := range []struct {
		types   []string
		content string
		want    string // the error, or ""
	}{
		{nil, "anything", ""},
		{[]string{"image/png"}, png, ""},
		{[]string{"image/jpeg", "IMAGE/PNG"}, png, ""},
		{[]string{"image/*"}, png, ""},
		{[]string{"text/plain"}, "", ""},
		{[]string{"text/plain"}, "text with a charset", ""},
		{[]string{"image/jpeg"}, png, "the file is of type image/png, which is not one of: image/jpeg"},
		{[]string{"image/png", "image/gif"}, "<html>", "the file is of type text/html, which is not one of: image/png, image/gif"},
		{[]string{"image/*"}, "", "the file is of type text/plain, which is not one of: image/*"},
		{[]string{"image/*"}, strings.Repeat(" ", 512) + png, "the file is of type text/plain, which is not one of: image/*"},
	} {
		dir := t.TempDir()
		c := config(Target{Dir: dir})
		c.Types, c.MaxSize = tt.types, 1000
		body := form(part{"name=file; filename=a.png\r\nContent-Type: image/png", tt.content}) // declared, which must not matter
		_, complete, err := Receive(request(strings.NewReader(body)), c)
		switch {
		case tt.want == "":
			if err != nil {
				t.Errorf("%v refuse %q: %v", tt.types, tt.content, err)
			}
		case err == nil || err.Status != 415 || err.Message != tt.want || complete && len(body) > readAhead:
			t.Errorf("%v and %q: got %v, want 415 %s", tt.types, tt.content, err, tt.want)
		default:
			wantEmpty(t, dir)
		}
	}
}

func TestAPatternNeedsASubtype(t *testing.T) {
	t.Parallel()
	for _, detected := range []string{"image/", "image", ""} {
		if allowed([]string{"image/*"}, detected) {
			t.Errorf("image/* allows %q", detected)
		}
	}
}

func TestValidType(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"image/png": true, "image/*": true, "application/vnd.ms-excel": true, "image/svg+xml": true,
		"": false, "image": false, "image/": false, "/png": false, "*/*": false, "*/png": false, "image/p*": false,
		"text/plain; charset=utf-8": false, "image/png/x": false, " image/png": false, ".png": false,
	} {
		if got := ValidType(text); got != want {
			t.Errorf("ValidType(%q) = %t, want %t", text, got, want)
		}
	}
}

func TestDetectGetsTheHeadOfTheFile(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		var got int
		var stored strings.Builder
		c := config(Target{Writer: &stored})
		c.MaxSize = 1 << 20
		c.Detect = func(head []byte) string { got = len(head); clear(head); return "image/heic" }
		c.Types = []string{"image/heic"}
		file, _, err := Receive(request(iotest.OneByteReader(strings.NewReader(form(file(strings.Repeat("x", size)))))), c)
		if err != nil || file.Type != "image/heic" || got != min(size, 512) || stored.String() != strings.Repeat("x", size) {
			t.Errorf("of %d bytes, it got %d, type %s, %v", size, got, file.Type, err)
		}
	}
}
