package http_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	nethttp "net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// photoBefore is a handler that uses only net/http. It stores an image of up to 1 MiB under
// the name photo, streaming it, and leaves nothing if it fails.
func photoBefore(w nethttp.ResponseWriter, r *nethttp.Request, dir string) {
	const maxSize = 1 << 20
	end := time.Now().Add(time.Minute)
	rc := nethttp.NewResponseController(w)
	if err := errors.Join(rc.SetReadDeadline(end), rc.SetWriteDeadline(end.Add(15*time.Second))); err != nil {
		slog.Error("no deadlines", "error", err)
	}
	r.Body = nethttp.MaxBytesReader(w, r.Body, maxSize+1<<20)
	form, err := r.MultipartReader()
	if err != nil {
		nethttp.Error(w, "not a form", nethttp.StatusUnsupportedMediaType)
		return
	}
	temp := ""
	defer func() {
		if temp != "" {
			os.Remove(temp)
		}
	}()
	title, size := "", int64(0)
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			photoError(w, err)
			return
		}
		switch {
		case part.FormName() == "title":
			text, err := io.ReadAll(part)
			if err != nil {
				photoError(w, err)
				return
			}
			title = string(text)
		case part.FormName() == "photo" && part.FileName() != "" && temp == "":
			head := make([]byte, 512)
			n, err := io.ReadFull(part, head)
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				photoError(w, err)
				return
			}
			head = head[:n]
			if !strings.HasPrefix(nethttp.DetectContentType(head), "image/") {
				nethttp.Error(w, "not an image", nethttp.StatusUnsupportedMediaType)
				return
			}
			f, err := os.CreateTemp(dir, ".photo-*")
			if err != nil {
				slog.Error("create", "error", err)
				nethttp.Error(w, "internal error", nethttp.StatusInternalServerError)
				return
			}
			temp = f.Name()
			in := &photoReader{Reader: io.MultiReader(bytes.NewReader(head), part)}
			size, err = io.Copy(f, io.LimitReader(in, maxSize+1))
			closeErr := f.Close()
			switch {
			case in.err != nil:
				photoError(w, in.err)
				return
			case err != nil || closeErr != nil:
				slog.Error("write", "error", errors.Join(err, closeErr))
				nethttp.Error(w, "internal error", nethttp.StatusInternalServerError)
				return
			case size > maxSize:
				photoError(w, &nethttp.MaxBytesError{Limit: maxSize})
				return
			}
		default:
			nethttp.Error(w, "unexpected field or file", nethttp.StatusBadRequest)
			return
		}
	}
	if temp == "" {
		nethttp.Error(w, "no photo", nethttp.StatusBadRequest)
		return
	}
	if err := os.Rename(temp, filepath.Join(dir, "photo")); err != nil {
		slog.Error("rename", "error", err)
		nethttp.Error(w, "internal error", nethttp.StatusInternalServerError)
		return
	}
	temp = ""
	fmt.Fprintf(w, "%s: %d bytes", title, size)
}

// photoReader tells errors of reading the form from those of writing the file.
type photoReader struct {
	io.Reader
	err error
}

func (r *photoReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != io.EOF {
		r.err = err
	}
	return n, err
}

func photoError(w nethttp.ResponseWriter, err error) {
	var tooLarge *nethttp.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		nethttp.Error(w, "too large", nethttp.StatusRequestEntityTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		nethttp.Error(w, "too slow", nethttp.StatusRequestTimeout)
	default:
		nethttp.Error(w, "malformed form", nethttp.StatusBadRequest)
	}
}

// photoAfter is the same handler with BindUpload.
func photoAfter(w http.ResponseWriter, r *http.Request, dir string) {
	upload, ok := http.BindUpload(w, r, http.UploadConfig{
		Path: filepath.Join(dir, "photo"), Field: "photo", MaxSize: 1 << 20, Types: []string{"image/*"},
	})
	if !ok {
		return
	}
	fmt.Fprintf(w, "%s: %d bytes", upload.Fields.Get("title"), upload.Size)
}

// Both programs answer the same requests with the same status, and store the same.
func TestUploadProgramsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	const png = "\x89PNG\r\n\x1a\n"
	field := func(params, content string) string {
		return "--x\r\nContent-Disposition: form-data; " + params + "\r\n\r\n" + content + "\r\n"
	}
	photo, title := field(`name=photo; filename=a.png`, png), field("name=title", "A cat")
	for name, tt := range map[string]struct {
		contentType, body string
		status            int
	}{
		"a photo":             {"", photo + title + "--x--\r\n", 200},
		"the title first":     {"", title + photo + "--x--\r\n", 200},
		"no photo":            {"", title + "--x--\r\n", 400},
		"text":                {"", field("name=photo; filename=a.png", "text") + "--x--", 415},
		"a large photo":       {"", field("name=photo; filename=a.png", png+strings.Repeat("x", 1<<20)) + "--x--", 413},
		"a very large photo":  {"", field("name=photo; filename=a.png", png+strings.Repeat("x", 3<<20)) + "--x--", 413},
		"the end is missing":  {"", photo + title, 400},
		"half a photo":        {"", field("name=photo; filename=a.png", png+strings.Repeat("x", 2000))[:1500], 400},
		"two photos":          {"", photo + photo + "--x--", 400},
		"another field":       {"", field("name=avatar; filename=a.png", png) + "--x--", 400},
		"no form":             {"text/plain", photo, 415},
		"a path":              {"", field(`name=photo; filename="../../a.png"`, png) + "--x--", 200},
		"an empty file input": {"", field(`name=photo; filename=""`, "") + "--x--", 400},
	} {
		var answers []string
		for _, handler := range []func(nethttp.ResponseWriter, *nethttp.Request, string){photoBefore, photoAfter} {
			dir := t.TempDir()
			srv := testkit.StartServer(t, testkit.HTTP1, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { handler(w, r, dir) }))
			contentType := tt.contentType
			if contentType == "" {
				contentType = "multipart/form-data; boundary=x"
			}
			res := srv.Do(t, "POST", "/", tt.body, "Content-Type: "+contentType)
			body := res.Body
			if res.StatusCode != 200 {
				body = "" // the messages differ
			}
			entries, err := os.ReadDir(dir)
			answers = append(answers, fmt.Sprint(res.StatusCode, body, entries, err))
			srv.Close()
			if res.StatusCode != tt.status {
				t.Errorf("%s: got %v, want %d", name, res, tt.status)
			}
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: before %s, after %s", name, answers[0], answers[1])
		}
	}
}

func TestUploadProgramsAreShorter(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "upload_program_test.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var before, after int
	for _, decl := range file.Decls {
		name := ""
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			name = decl.Name.Name
		case *ast.GenDecl:
			if spec, ok := decl.Specs[0].(*ast.TypeSpec); ok {
				name = spec.Name.Name
			}
		}
		lines := fset.Position(decl.End()).Line - fset.Position(decl.Pos()).Line + 1
		switch {
		case name == "photoAfter":
			after = lines
		case slices.Contains([]string{"photoBefore", "photoReader", "photoError", "Read"}, name):
			before += lines
		}
	}
	t.Logf("%d lines before, %d after", before, after)
	if after == 0 || 5*after > before {
		t.Errorf("%d lines before, %d after, want at most a fifth", before, after)
	}
}
