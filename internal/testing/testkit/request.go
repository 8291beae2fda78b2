package testkit

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A Response is a response whose body has been read. Its other fields are those
// of the [http.Response].
type Response struct {
	*http.Response
	Body string
}

// String returns the status code, the header and the body, for failures.
func (r *Response) String() string {
	return fmt.Sprintf("%d %v %.500q", r.StatusCode, r.Header, r.Body)
}

// Want reports an error unless the response has the status code and the body.
func (r *Response) Want(tb testing.TB, status int, body string) {
	tb.Helper()
	if r.StatusCode != status || r.Body != body {
		tb.Errorf("got %d %.500q, want %d %.500q", r.StatusCode, r.Body, status, body)
	}
}

// WantHeader reports an error unless the first value of a header field is the
// one given. An empty value means that the field is missing.
func (r *Response) WantHeader(tb testing.TB, name, value string) {
	tb.Helper()
	if got := r.Header.Get(name); got != value {
		tb.Errorf("%s is %q, want %q", name, got, value)
	}
}

// Plain returns the body, decompressed if the response has Content-Encoding: gzip.
// If it cannot be decompressed, the test ends.
func (r *Response) Plain(tb testing.TB) string {
	tb.Helper()
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r.Body
	}
	zr, err := gzip.NewReader(strings.NewReader(r.Body))
	if err != nil {
		tb.Fatalf("body %.60q: %v", r.Body, err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		tb.Fatalf("body of %d bytes: %v", len(r.Body), err)
	}
	return string(plain)
}

// NewRequest returns a request for [Do], with an absolute URL as its target, or
// for [Record], which needs only a path. Each field is a line of the header; for
// example, "Accept: text/html". It replaces earlier values of the same field.
// "Host: example.com" sets the host. NewRequest panics if a field does not contain
// ": ".
func NewRequest(method, target, body string, fields ...string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ": ")
		if !ok {
			panic("testkit: no header line: " + field)
		}
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	return r
}

// Record calls a handler without a network and returns its response. If a test
// depends on 1xx responses, flushing, hijacking, deadlines or HEAD, use a [Server]
// instead.
func Record(handler http.Handler, r *http.Request) *Response {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return Recorded(w)
}

// Recorded returns the response that a recorder has so far.
func Recorded(w *httptest.ResponseRecorder) *Response { return &Response{w.Result(), w.Body.String()} }

// Serve starts an HTTP/1.1 server for a handler, sends it one request, and stops
// it, so that the handler has returned when Serve does. The request has exactly
// the fields given; in particular, no Accept-Encoding is added. See [NewRequest].
func Serve(tb testing.TB, handler http.Handler, method, path, body string, fields ...string) *Response {
	tb.Helper()
	srv := StartServer(tb, HTTP1, handler)
	defer srv.Close() // waits for the handler
	srv.Client().Transport.(*http.Transport).DisableCompression = true
	return srv.Do(tb, method, path, body, fields...)
}

// Send sends a request and reads the response. It does not follow redirects. If
// the body cannot be read completely, Send returns the response with the part
// that was read, and the error.
func Send(client *http.Client, r *http.Request) (*Response, error) {
	r = r.Clone(r.Context())
	r.RequestURI = "" // set by httptest.NewRequest, and an error in a client
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := once.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return &Response{res, string(body)}, err
}

// Do is like [Send], but an error ends the test, and so does a response that is
// not complete after [Patience].
func Do(tb testing.TB, client *http.Client, r *http.Request) *Response {
	tb.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), Patience)
	defer cancel()
	res, err := Send(client, r.WithContext(ctx))
	if err != nil {
		tb.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return res
}

// Get sends a GET request with the given header lines. See [NewRequest] and
// [Do].
func Get(tb testing.TB, client *http.Client, url string, fields ...string) *Response {
	tb.Helper()
	return Do(tb, client, NewRequest(http.MethodGet, url, "", fields...))
}

// Get sends a GET request for a path to the server. See [Get].
func (s *Server) Get(tb testing.TB, path string, fields ...string) *Response {
	tb.Helper()
	return Get(tb, s.Client(), s.URL+path, fields...)
}

// Do sends a request with any method to the server. See [NewRequest] and [Do].
func (s *Server) Do(tb testing.TB, method, path, body string, fields ...string) *Response {
	tb.Helper()
	return Do(tb, s.Client(), NewRequest(method, s.URL+path, body, fields...))
}
