package http_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// The handler stores images. The form also has a text field.
func ExampleBindUpload() {
	dir, err := os.MkdirTemp("", "images-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	handler := func(w http.ResponseWriter, r *http.Request) {
		upload, ok := http.BindUpload(w, r, http.UploadConfig{
			Dir:     dir,
			Field:   "image",
			MaxSize: 5 << 20,
			Types:   []string{"image/png", "image/jpeg"},
		})
		if !ok {
			return
		}
		http.WriteJSON(w, http.StatusCreated, map[string]any{
			"name": upload.Name, "type": upload.Type, "size": upload.Size, "title": upload.Fields.Get("title"),
		})
	}

	for _, content := range []string{"\x89PNG\r\n\x1a\n...", "<script>"} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		form.WriteField("title", "A cat")
		part, _ := form.CreateFormFile("image", "cat.png")
		io.WriteString(part, content)
		form.Close()

		r := httptest.NewRequest("POST", "/images", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		rec := httptest.NewRecorder()
		handler(rec, r)
		files, _ := os.ReadDir(dir)
		fmt.Println(rec.Code, rec.Body, len(files), "stored")
	}
	// Output:
	// 201 {"name":"cat.png","size":11,"title":"A cat","type":"image/png"} 1 stored
	// 415 {"error":"the file is of type text/html, which is not one of: image/png, image/jpeg"} 1 stored
}

// ReadUpload returns the error, so that the handler can choose the response.
func ExampleReadUpload() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var content bytes.Buffer
		_, err := http.ReadUpload(w, r, http.UploadConfig{Writer: &content, MaxSize: 3})
		if errors.Is(err, http.ErrBodyTooLarge) {
			http.WriteError(w, http.StatusRequestEntityTooLarge, "keep it short")
			return
		}
		fmt.Fprint(w, content.String(), " ", err)
	}

	for _, content := range []string{"abc", "abcd"} {
		body := "--x\r\nContent-Disposition: form-data; name=file; filename=a.txt\r\n\r\n" + content + "\r\n--x--\r\n"
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		rec := httptest.NewRecorder()
		handler(rec, r)
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 abc <nil>
	// 413 {"error":"keep it short"}
}

// Each user has one avatar. A new one replaces it, but only when it is complete.
func ExampleUploadConfig() {
	dir, err := os.MkdirTemp("", "avatars-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	router := http.NewRouter()
	router.HandleFunc("PUT /users/{id}/avatar", func(w http.ResponseWriter, r *http.Request) {
		id, ok := http.PathParamInt64(w, r, "id")
		if !ok {
			return
		}
		upload, ok := http.BindUpload(w, r, http.UploadConfig{Path: filepath.Join(dir, fmt.Sprint(id)), Mode: 0o644})
		if !ok {
			return
		}
		fmt.Fprintln(w, "stored as", filepath.Base(upload.Path))
	})

	for _, content := range []string{"first\r\n--x--", "second\r\n--x--", "incompl"} {
		body := "--x\r\nContent-Disposition: form-data; name=file; filename=me.png\r\n\r\n" + content
		r := httptest.NewRequest("PUT", "/users/7/avatar", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		stored, _ := os.ReadFile(filepath.Join(dir, "7"))
		fmt.Printf("%d %s: %s\n", rec.Code, strings.TrimSpace(rec.Body.String()), stored)
	}
	// Output:
	// 200 stored as 7: first
	// 200 stored as 7: second
	// 400 {"error":"the form is malformed or incomplete"}: second
}

// Detect recognizes types that DetectContentType does not, here the photos of some phones.
func ExampleUpload() {
	heic := func(head []byte) string {
		if len(head) >= 12 && string(head[4:12]) == "ftypheic" {
			return "image/heic"
		}
		return http.DetectContentType(head)
	}
	body := "--x\r\nContent-Disposition: form-data; name=file; filename=\"C:\\Photos\\IMG 1.HEIC\"\r\n\r\n" +
		"\x00\x00\x00\x18ftypheic...\r\n--x--"
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")

	upload, err := http.ReadUpload(httptest.NewRecorder(), r, http.UploadConfig{
		Writer: io.Discard,
		Types:  []string{"image/*"},
		Detect: heic,
	})
	fmt.Println(upload.Name, upload.Type, upload.Size, err)
	// Output: IMG 1.HEIC image/heic 15 <nil>
}

// The status and the message are those that BindUpload would send. The cause is for the log.
func ExampleReadUpload_error() {
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"file":"..."}`))
	r.Header.Set("Content-Type", "application/json")
	_, err := http.ReadUpload(httptest.NewRecorder(), r, http.UploadConfig{Dir: "uploads"})

	var failed *http.StatusError
	if errors.As(err, &failed) {
		fmt.Println(failed.Status, failed.Message)
	}
	// Output: 415 the Content-Type must be multipart/form-data
}
