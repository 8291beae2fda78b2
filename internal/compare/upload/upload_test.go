package upload

import (
	"bytes"
	"io"
	"mime/multipart"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/stanza-go/framework/pkg/http"
)

// A contender stores the file of a form at a path.
type contender struct {
	name    string
	handler func(path string) nethttp.Handler
}

func contenders() []contender {
	return []contender{
		{"stanza", func(path string) nethttp.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, ok := http.BindUpload(w, r, http.UploadConfig{Path: path, MaxSize: 100 << 20}); ok {
					w.WriteHeader(http.StatusCreated)
				}
			})
		}},
		{"net-http", func(path string) nethttp.Handler {
			return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if err := save(r, path); err != nil {
					nethttp.Error(w, err.Error(), 500)
					return
				}
				w.WriteHeader(nethttp.StatusCreated)
			})
		}},
		{"gin", func(path string) nethttp.Handler {
			gin.SetMode(gin.ReleaseMode)
			engine := gin.New()
			engine.POST("/", func(c *gin.Context) {
				file, err := c.FormFile("file")
				if err == nil {
					err = c.SaveUploadedFile(file, path)
				}
				if err != nil {
					c.String(500, err.Error())
					return
				}
				c.Request.MultipartForm.RemoveAll()
				c.Status(nethttp.StatusCreated)
			})
			return engine
		}},
	}
}

// save stores the file as programs for net/http do.
func save(r *nethttp.Request, path string) error {
	file, _, err := r.FormFile("file")
	if err != nil {
		return err
	}
	defer r.MultipartForm.RemoveAll()
	defer file.Close()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, file); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// form returns a form with a file of a size, and its type.
func form(tb testing.TB, size int) (body []byte, contentType string) {
	tb.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	part, err := w.CreateFormFile("file", "a.bin")
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := part.Write(bytes.Repeat([]byte("0123456789abcdef"), size/16)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes(), w.FormDataContentType()
}

// upload sends a form to a handler.
func upload(tb testing.TB, handler nethttp.Handler, body []byte, contentType string) {
	tb.Helper()
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != 201 {
		tb.Fatalf("%d %s", w.Code, w.Body)
	}
}

func TestContendersStoreAlike(t *testing.T) {
	t.Parallel()
	body, contentType := form(t, 1<<20)
	for _, c := range contenders() {
		path := filepath.Join(t.TempDir(), "file")
		upload(t, c.handler(path), body, contentType)
		if info, err := os.Stat(path); err != nil || info.Size() != 1<<20 {
			t.Errorf("%s: %v, %v", c.name, info, err)
		}
	}
}

func BenchmarkUpload(b *testing.B) {
	for _, file := range []struct {
		name string
		size int
	}{{"100KB", 100 << 10}, {"10MB", 10 << 20}, {"64MB", 64 << 20}} {
		body, contentType := form(b, file.size)
		for _, c := range contenders() {
			b.Run("row="+file.name+"/by="+c.name, func(b *testing.B) {
				handler := c.handler(filepath.Join(b.TempDir(), "file"))
				b.ReportAllocs()
				b.SetBytes(int64(file.size))
				for b.Loop() {
					upload(b, handler, body, contentType)
				}
			})
		}
	}
}
