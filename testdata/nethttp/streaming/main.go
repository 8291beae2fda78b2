// Command streaming uses what a ResponseWriter can do beyond its interface,
// reads an upload, and speaks HTTP/2; it prints what its client got.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// states counts the states that a server's connections have been in.
type states struct {
	mu   sync.Mutex
	seen map[http.ConnState]bool
}

func (s *states) note(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[state] = true
}

func stream(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	check(rc.SetWriteDeadline(time.Now().Add(time.Minute)))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, word := range []string{"one", "two", "three"} {
		fmt.Fprintln(w, word)
		check(rc.Flush())
	}
	_, flusher := w.(http.Flusher)
	_, hijacker := w.(http.Hijacker)
	_, pusher := w.(http.Pusher)
	fmt.Fprintf(w, "HTTP/%d flusher=%t hijacker=%t pusher=%t\n", r.ProtoMajor, flusher, hijacker, pusher)
	if p, ok := w.(http.Pusher); ok {
		err := p.Push("/style.css", &http.PushOptions{Method: http.MethodGet, Header: http.Header{}})
		fmt.Fprintln(w, "push refused:", errors.Is(err, http.ErrNotSupported))
	}
	w.Header().Set(http.TrailerPrefix+"X-Words", "3")
}

func upload(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	file, head, err := r.FormFile("file")
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, fmt.Sprintf("over %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, http.ErrMissingFile):
		http.Error(w, "no file", http.StatusBadRequest)
		return
	case errors.Is(err, http.ErrNotMultipart):
		http.Error(w, "not a form", http.StatusUnsupportedMediaType)
		return
	}
	check(err)
	defer file.Close()
	content, err := io.ReadAll(file)
	check(err)
	fmt.Fprintf(w, "%s: %d bytes of %s", head.Filename, len(content), http.DetectContentType(content))
}

func takeOver(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	check(err)
	defer conn.Close()
	_, err = w.Write([]byte("too late"))
	fmt.Fprintf(rw, "HTTP/1.1 418 %s\r\nContent-Length: 0\r\nX-Hijacked: %t\r\n\r\n",
		http.StatusText(http.StatusTeapot), errors.Is(err, http.ErrHijacked))
	check(rw.Flush())
}

func form(field, content string) (contentType string, body io.Reader) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	part, err := w.CreateFormFile(field, "page.html")
	check(err)
	_, err = io.WriteString(part, content)
	check(err)
	check(w.Close())
	return w.FormDataContentType(), &buf
}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stream", stream)
	mux.Handle("POST /upload", http.NewCrossOriginProtection().Handler(http.HandlerFunc(upload)))
	mux.HandleFunc("/takeover", takeOver)
	mux.Handle("/semicolons", http.AllowQuerySemicolons(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.FormValue("b"), r.Context().Value(http.ServerContextKey) != nil, r.Context().Value(http.LocalAddrContextKey) != nil)
	})))
	mux.HandleFunc("/content", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.txt", time.Unix(0, 0), strings.NewReader("0123456789"))
	})

	s := &states{seen: make(map[http.ConnState]bool)}
	plain := httptest.NewUnstartedServer(mux)
	plain.Config.ConnState = s.note
	plain.Start()
	secure := httptest.NewUnstartedServer(mux)
	secure.EnableHTTP2 = true
	secure.StartTLS()

	for _, srv := range []*httptest.Server{plain, secure} {
		visit(srv.Client(), srv.URL)
	}
	show(plain.Client().Get(plain.URL + "/takeover"))
	plain.Close()
	secure.Close()
	s.mu.Lock()
	for _, state := range []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateHijacked} {
		fmt.Println(state, s.seen[state])
	}
	s.mu.Unlock()
	raw()
}

func visit(client *http.Client, base string) {
	show(client.Get(base + "/stream"))
	show(client.Get(base + "/semicolons?a=1;b=2"))
	show(client.Get(base + "/content"))

	contentType, body := form("file", "<!DOCTYPE html><p>hi")
	show(client.Post(base+"/upload", contentType, body))
	contentType, body = form("other", "x")
	show(client.Post(base+"/upload", contentType, body))
	show(client.Post(base+"/upload", "text/plain", strings.NewReader("x")))
	contentType, body = form("file", strings.Repeat("x", 2<<10))
	show(client.Post(base+"/upload", contentType, body))

	req, err := http.NewRequest(http.MethodPost, base+"/upload", http.NoBody)
	check(err)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	show(client.Do(req))
}

// raw reads and writes messages without a connection.
func raw() {
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n")))
	check(err)
	major, minor, ok := http.ParseHTTPVersion(req.Proto)
	fmt.Println(req.Method, req.Host, major, minor, ok)
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")), req)
	check(err)
	date, err := http.ParseTime(resp.Header.Get("Date"))
	fmt.Println(resp.StatusCode, date.Unix(), err)

	files := &http.Client{Transport: http.NewFileTransport(http.Dir("testdata"))}
	show(files.Get("file:///missing"))
	fmt.Println(http.ListenAndServe("256.0.0.1:0", nil) != nil)
}

// show prints and closes a response.
func show(resp *http.Response, err error) {
	check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(err)
	fmt.Printf("%s %s %q words=%q hijacked=%q\n", resp.Proto, resp.Status, body,
		resp.Trailer.Get("X-Words"), resp.Header.Get("X-Hijacked"))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
