package upload

import (
	"bytes"
	"maps"
	"mime/multipart"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What Receive accepts is what mime/multipart reads: the same fields, and the same file. It
// leaves one file if it has received one, and none otherwise.
func FuzzReceive(f *testing.F) {
	for _, body := range []string{
		form(file("hello")),
		form(part{`name="a"`, "1"}, file("\r\n--b"), part{`name="b"; filename=""`, ""}),
		form(part{"name=file; filename=a\r\nContent-Transfer-Encoding: quoted-printable", "=41"}),
		form(part{`name="file"; filename="../../x"`, "x"}, part{"name=\"a\"\r\nContent-Type: multipart/mixed; boundary=c", "--c\r\n\r\nx\r\n--c--"}),
		form(file("a"), file("b")),
		form(file("x"))[:100],
	} {
		f.Add([]byte(strings.ReplaceAll(body, boundary, "b")), 100)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body []byte, piece int) {
		r := request(&pieces{body, 1 + (piece & 0x7fff)})
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		got, complete, err := Receive(r, config(Target{Dir: dir}))
		if err != nil {
			wantEmpty(t, dir)
			return
		}
		form, formErr := multipart.NewReader(bytes.NewReader(body), "b").ReadForm(1 << 30)
		if formErr != nil || !complete || len(form.File["file"]) != 1 || len(form.File) != 1 {
			t.Fatalf("received %v, complete %t; mime/multipart finds %v, %v", got, complete, form, formErr)
		}
		if !strings.Contains(strings.ToLower(string(body)), "quoted-printable") { // which is not decoded
			if !maps.EqualFunc(form.Value, got.Fields, slices.Equal) {
				t.Errorf("fields %v, want %v", got.Fields, form.Value)
			}
			if stored, err := os.ReadFile(got.Path); err != nil || !reflect.DeepEqual(stored, content(t, form.File["file"][0])) {
				t.Errorf("stored %q, %v", stored, err)
			}
		}
		if err := os.Remove(got.Path); err != nil {
			t.Error(err)
		}
		wantEmpty(t, dir)
	})
}

// content returns the content of a file in a form.
func content(t *testing.T, header *multipart.FileHeader) []byte {
	t.Helper()
	f, err := header.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, header.Size)
	if _, err := f.Read(b); err != nil && len(b) > 0 {
		t.Fatal(err)
	}
	return b
}

// pieces is a body that arrives in pieces of a fixed size.
type pieces struct {
	rest []byte
	size int
}

// Read implements [io.Reader].
func (p *pieces) Read(b []byte) (int, error) {
	n, err := bytes.NewReader(p.rest).Read(b[:min(len(b), p.size)])
	p.rest = p.rest[n:]
	return n, err
}
