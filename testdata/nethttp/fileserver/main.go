// Command fileserver serves a directory behind ordinary middleware, asks
// itself for a few things, and prints what it got.
package main

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// statusWriter remembers the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type middleware func(http.Handler) http.Handler

// logged prints a line for each request that has been answered.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(sw, r)
		fmt.Printf("%s %s: %d %s\n", r.Method, r.URL.Path, sw.status, http.StatusText(sw.status))
	})
}

// locked asks for a password under /private/.
func locked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if strings.HasPrefix(r.URL.Path, "/private/") && subtle.ConstantTimeCompare([]byte(password), []byte("sesame")) == 0 {
			w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
			http.Error(w, "no entry", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func wrap(h http.Handler, outermostFirst ...middleware) http.Handler {
	for i := len(outermostFirst) - 1; i >= 0; i-- {
		h = outermostFirst[i](h)
	}
	return h
}

// noListings is a FileSystem that hides directories without an index.
type noListings struct{ http.FileSystem }

func (fsys noListings) Open(name string) (http.File, error) {
	file, err := fsys.FileSystem.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		index, err := fsys.FileSystem.Open(strings.TrimSuffix(name, "/") + "/index.html")
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		return file, index.Close()
	}
	return file, nil
}

func site() string {
	dir, err := os.MkdirTemp("", "fileserver")
	check(err)
	for name, content := range map[string]string{
		"index.html":       "<h1>Home</h1>",
		"notes.txt":        "one two three four",
		"private/plan.txt": "attack at dawn",
		"empty/.keep":      "",
	} {
		path := filepath.Join(dir, name)
		check(os.MkdirAll(filepath.Dir(path), 0o755))
		check(os.WriteFile(path, []byte(content), 0o644))
		day := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
		check(os.Chtimes(path, day, day))
		check(os.Chtimes(filepath.Dir(path), day, day))
	}
	return dir
}

func ask(method, url string, header http.Header) {
	req, err := http.NewRequest(method, url, http.NoBody)
	check(err)
	for key, values := range header {
		req.Header[http.CanonicalHeaderKey(key)] = values
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(err)
	fmt.Printf("  %s %q\n", resp.Status, body)
	for _, key := range []string{"Content-Type", "Content-Range", "Last-Modified", "Location", "WWW-Authenticate"} {
		if value := resp.Header.Get(key); value != "" {
			fmt.Printf("  %s: %s\n", key, value)
		}
	}
}

func main() {
	dir := site()
	defer os.RemoveAll(dir)

	http.Handle("GET /", http.FileServer(noListings{http.Dir(dir)}))
	http.Handle("GET /fs/", http.StripPrefix("/fs", http.FileServerFS(os.DirFS(dir))))
	http.Handle("GET /old", http.RedirectHandler("/notes.txt", http.StatusMovedPermanently))
	http.HandleFunc("GET /one/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(dir, r.PathValue("name")))
	})

	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { log.Fatal(http.Serve(l, wrap(http.DefaultServeMux, logged, locked))) }()
	base := "http://" + l.Addr().String()

	ask(http.MethodGet, base+"/", nil)
	ask(http.MethodHead, base+"/notes.txt", nil)
	ask(http.MethodGet, base+"/notes.txt", http.Header{"range": {"bytes=4-6"}})
	ask(http.MethodGet, base+"/notes.txt", http.Header{"If-Modified-Since": {time.Now().UTC().Format(http.TimeFormat)}})
	ask(http.MethodGet, base+"/private/plan.txt", nil)
	ask(http.MethodGet, base+"/private/plan.txt", http.Header{"Authorization": {"Basic OnNlc2FtZQ=="}})
	ask(http.MethodGet, base+"/empty/", nil)
	ask(http.MethodGet, base+"/fs/private/", http.Header{"Authorization": {"Basic OnNlc2FtZQ=="}})
	ask(http.MethodGet, base+"/one/notes.txt", nil)
	ask(http.MethodGet, base+"/old", nil)
	ask(http.MethodPost, base+"/notes.txt", nil)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
