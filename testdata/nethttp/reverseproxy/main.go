// Command reverseproxy balances requests over two backends, and prints what a
// client sees through it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// balancer sends requests to its backends in turn.
type balancer struct {
	backends []*url.URL
	next     atomic.Uint64
}

func (b *balancer) rewrite(pr *httputil.ProxyRequest) {
	target := b.backends[(b.next.Add(1)-1)%uint64(len(b.backends))]
	pr.SetURL(target)
	pr.SetXForwarded()
	pr.Out.URL.Path = strings.TrimPrefix(pr.Out.URL.Path, "/api")
	pr.Out.Host = "backend.example"
}

func backend(name string) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello/{who}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Powered-By", "something old")
		fmt.Fprintf(w, "%s greets %s for %s (%s)", name, r.PathValue("who"), r.Host, r.Header.Get("X-Forwarded-Proto"))
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Count")
		n, err := io.Copy(w, http.MaxBytesReader(w, r.Body, 16))
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			w.Header().Set("X-Count", fmt.Sprintf("over %d", tooLarge.Limit))
			return
		}
		w.Header().Set("X-Count", fmt.Sprint(n))
	})
	mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return httptest.NewServer(mux)
}

// newProxy returns a proxy that reaches every backend through its own
// transport and answers in its own words when a backend fails.
func newProxy(b *balancer) http.Handler {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	proxy := &httputil.ReverseProxy{
		Rewrite: b.rewrite,
		Transport: &http.Transport{
			Proxy:               nil,
			DialContext:         dialer.DialContext,
			MaxIdleConnsPerHost: http.DefaultMaxIdleConnsPerHost,
		},
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Del("X-Powered-By")
			resp.Header.Set("Via", "1.1 proxy")
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.Canceled) {
				return
			}
			http.Error(w, "backend failed", http.StatusBadGateway)
		},
	}
	return proxy
}

func main() {
	one, two := backend("one"), backend("two")
	defer one.Close()
	defer two.Close()
	b := &balancer{}
	for _, srv := range []*httptest.Server{one, two} {
		u, err := url.Parse(srv.URL)
		check(err)
		b.backends = append(b.backends, u)
	}

	mux := http.NewServeMux()
	proxy := newProxy(b)
	mux.Handle("/api/", http.TimeoutHandler(proxy, time.Minute, "took too long"))
	mux.Handle("/api/slow", http.TimeoutHandler(proxy, 10*time.Millisecond, "took too long"))
	mux.Handle("/", http.NotFoundHandler())
	front := httptest.NewServer(mux)
	defer front.Close()

	for _, path := range []string{"/api/hello/ada", "/api/hello/bob", "/api/none", "/api/abort", "/api/slow", "/other"} {
		resp, err := http.Get(front.URL + path)
		show(path, resp, err)
	}
	resp, err := http.Post(front.URL+"/api/echo", "text/plain", strings.NewReader("short"))
	show("/api/echo", resp, err)
	resp, err = http.Post(front.URL+"/api/echo", "text/plain", strings.NewReader("longer than the limit allows"))
	show("/api/echo", resp, err)
	resp, err = http.Head(front.URL + "/api/hello/eve")
	show("/api/hello/eve", resp, err)
}

// show prints and closes a response.
func show(path string, resp *http.Response, err error) {
	check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(err)
	fmt.Printf("%s: %s %q via=%q powered=%q count=%q\n", path, resp.Status, body,
		resp.Header.Get("Via"), resp.Header.Get("X-Powered-By"), resp.Trailer.Get("X-Count"))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
