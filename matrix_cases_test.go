package http_test

import (
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// A matrixCase is a row of the matrix: a handler and a request.
type matrixCase struct {
	name    string
	proto   string // if not empty, the only protocol of the case
	method  string // GET if empty
	header  nethttp.Header
	handler func(w nethttp.ResponseWriter, r *nethttp.Request, note func(string, error))

	// What else to expect.
	takesOver  bool // with HTTP/1, the handler hijacks the connection
	flushes    bool // the handler flushes before the end of the body
	panics     bool // the handler panics, but not with ErrAbortHandler
	wrote      bool // the handler writes before it panics; only a held body can be discarded
	lostStatus int  // the logged status if the client gets no response; 0 means 200
	refused    bool // the server may reject or ignore part of the body
	noHead     bool // do not add a case for HEAD

	headOf string // for HEAD, the name of the case for GET

	// late, if not nil, is called with the ResponseWriter after the handler has
	// returned and the response has arrived, while the server handles another
	// request. It is not called with the server's own writer.
	late func(t *testing.T, w nethttp.ResponseWriter)
}

// withHead adds a case for HEAD to each case for GET.
func withHead(cases []matrixCase) []matrixCase {
	for _, c := range cases {
		if c.method == "" && !c.noHead {
			c.method, c.headOf, c.name = nethttp.MethodHead, c.name, "HEAD of "+c.name
			cases = append(cases, c)
		}
	}
	return cases
}

func matrixCases(file string) []matrixCase {
	type note = func(string, error)
	write := func(w io.Writer, s string, note note) {
		_, err := io.WriteString(w, s)
		note("write", err)
	}
	return []matrixCase{
		{name: "empty handler", handler: func(nethttp.ResponseWriter, *nethttp.Request, note) {}},
		{name: "short body", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Content-Type", "text/plain")
			write(w, "short", note)
		}},
		{name: "body in many writes", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			for range 50 {
				write(w, strings.Repeat("x", 100), note)
			}
		}},
		{name: "type sniffed from small writes", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			write(w, "<!doctype html><html><p>"+strings.Repeat("y", 5000), note)
		}},
		{name: "status without body", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, _ note) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(nethttp.StatusFound)
		}},
		{name: "status twice", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.WriteHeader(nethttp.StatusTeapot)
			w.WriteHeader(nethttp.StatusOK)
			write(w, "tea", note)
		}},
		{name: "header after the status", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.WriteHeader(nethttp.StatusOK)
			w.Header().Set("X-Late", "1")
			write(w, "late", note)
		}},
		{name: "header map kept and changed after the write", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			h := w.Header()
			h.Set("X-Field", "1")
			h.Set("X-Gone", "1")
			write(w, "late", note)
			h.Set("X-Late", "1")
			h.Add("X-Field", "2")
			h.Set("Content-Type", "image/png")
			h.Del("X-Gone")
		}},
		{name: "1xx, then 404", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(nethttp.StatusEarlyHints)
			w.WriteHeader(nethttp.StatusProcessing)
			w.Header().Del("Link")
			w.WriteHeader(nethttp.StatusNotFound)
			write(w, "not here", note)
		}},
		{name: "flush first", flushes: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			note("flush", nethttp.NewResponseController(w).Flush())
			write(w, "after the flush", note)
			note("flush", nethttp.NewResponseController(w).Flush())
			write(w, "the end", note)
		}},
		{name: "flush through the interface", flushes: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			write(w, "ab", note)
			w.(nethttp.Flusher).Flush()
			write(w, "cd", note)
		}},
		{name: "flush only", flushes: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			note("flush", nethttp.NewResponseController(w).Flush())
		}},
		{name: "panic before a write", panics: true, lostStatus: 500, handler: func(nethttp.ResponseWriter, *nethttp.Request, note) {
			panic("before")
		}},
		{name: "panic after a write", panics: true, wrote: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			write(w, "some of it", note)
			panic("after")
		}},
		{name: "panic after a flush", panics: true, flushes: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			write(w, "some of it", note)
			note("flush", nethttp.NewResponseController(w).Flush())
			panic("after")
		}},
		{name: "abort before a write", lostStatus: 500, handler: func(nethttp.ResponseWriter, *nethttp.Request, note) {
			panic(nethttp.ErrAbortHandler)
		}},
		{name: "abort after a large write", noHead: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			write(w, strings.Repeat("z", 3<<20), note)
			panic(nethttp.ErrAbortHandler)
		}},
		{name: "hijack", takesOver: true, noHead: true, handler: hijacks},
		{name: "ReadFrom a file", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			f, err := os.Open(file)
			if err != nil {
				panic(err)
			}
			defer f.Close()
			n, err := io.Copy(w, f)
			note(fmt.Sprint("copied ", n), err)
		}},
		{name: "ReadFrom an empty source", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("")})
			note(fmt.Sprint("copied ", n), err)
			w.WriteHeader(nethttp.StatusAccepted)
		}},
		{name: "204", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, _ note) {
			w.WriteHeader(nethttp.StatusNoContent)
		}},
		{name: "204 with a body", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.WriteHeader(nethttp.StatusNoContent)
			write(w, "never sent", note)
		}},
		{name: "304", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(nethttp.StatusNotModified)
			_, err := w.Write([]byte("never sent"))
			note("write", err)
		}},
		{name: "204 with an empty write", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.WriteHeader(nethttp.StatusNoContent)
			_, err := w.Write(nil)
			note("write", err)
			write(w, "", note)
		}},
		{name: "HEAD", method: nethttp.MethodHead, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			write(w, "never sent", note)
		}},
		{name: "HEAD with a length", method: nethttp.MethodHead, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, _ note) {
			w.Header().Set("Content-Length", "12345")
			w.WriteHeader(nethttp.StatusOK)
		}},
		{name: "range", header: nethttp.Header{"Range": {"bytes=10-19"}}, handler: func(w nethttp.ResponseWriter, r *nethttp.Request, _ note) {
			nethttp.ServeFile(w, r, file)
		}},
		{name: "whole file", handler: func(w nethttp.ResponseWriter, r *nethttp.Request, _ note) {
			nethttp.ServeFile(w, r, file)
		}},
		// The HTTP/2 writer aborts the response.
		{name: "body longer than its length", proto: "HTTP/1.1", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Content-Length", "6")
			write(w, "abc", note)
			write(w, "def", note)
			write(w, "ghijklmnopqrst", note)
		}},
		{name: "more after a body of its length", proto: "HTTP/1.1", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Content-Length", "5000")
			write(w, strings.Repeat("0123456789", 500), note)
			write(w, "more", note)
			write(w, "", note)
		}},
		{name: "a write that is refused, then one that would fit", proto: "HTTP/1.1", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Content-Length", "5000")
			write(w, strings.Repeat("0123456789", 400), note)
			write(w, strings.Repeat("0123456789", 200), note)
			write(w, strings.Repeat("0123456789", 100), note)
		}},
		{name: "copies that are longer than the length together", refused: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Content-Length", "100000")
			w.Header().Set("Content-Type", "text/plain")
			io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("0123456789", 20000))}) // whether it returns an error depends on the Go release
		}},
		{name: "body shorter than its length", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Content-Length", "20")
			write(w, "abcdefghijkl", note)
		}},
		{name: "deadlines and full duplex", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			rc := nethttp.NewResponseController(w)
			note("write deadline", rc.SetWriteDeadline(time.Now().Add(time.Hour)))
			note("read deadline", rc.SetReadDeadline(time.Now().Add(time.Hour)))
			note("full duplex", rc.EnableFullDuplex())
			write(w, "done", note)
		}},
		{name: "trailers", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Trailer", "X-Sum")
			write(w, "body", note)
			w.Header().Set("X-Sum", "4")
			w.Header().Set(nethttp.TrailerPrefix+"X-More", "5")
		}},
		{name: "unannounced trailers", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			// The body must not fit into the server's buffer after compression.
			write(w, incompressible(64<<10), note)
			w.Header().Set(nethttp.TrailerPrefix+"X-More", "5")
		}},
		{name: "trailers before the body", noHead: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set(nethttp.TrailerPrefix+"X-More", "5")
			write(w, "body", note)
		}},
		{name: "trailers that are announced and not set", handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Trailer", "X-Sum, X-More")
			write(w, strings.Repeat("body ", 1000), note)
			w.Header().Set("X-Sum", "4")
		}},
		{name: "writer kept after return", late: usedLate, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			write(w, "in time", note)
		}},
		{name: "writer kept after a return without a response", late: usedLate, handler: func(nethttp.ResponseWriter, *nethttp.Request, note) {}},
		{name: "reader longer than Content-Length", refused: true, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note note) {
			w.Header().Set("Content-Length", "600")
			// Whether it returns an error depends on the Go release.
			io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("r", 1200))})
		}},
		{name: "If-Match with the tag", header: nethttp.Header{"If-Match": {`"v1"`}}, handler: serveTagged},
		{name: "If-Match with another tag", header: nethttp.Header{"If-Match": {`"v2"`}}, handler: serveTagged},
		{name: "If-Match without a tag", header: nethttp.Header{"If-Match": {`"v1"`}}, handler: serveDated},
		{name: "If-None-Match with the tag", header: nethttp.Header{"If-None-Match": {`"v1"`}}, handler: serveTagged},
		{name: "If-Range with the tag", header: nethttp.Header{"If-Range": {`"v1"`}, "Range": {"bytes=10-19"}}, handler: serveTagged},
		{name: "If-Range with another tag", header: nethttp.Header{"If-Range": {`"v2"`}, "Range": {"bytes=10-19"}}, handler: serveTagged},
		{name: "If-Range with the time", header: nethttp.Header{"If-Range": {dated.Format(nethttp.TimeFormat)}, "Range": {"bytes=10-19"}}, handler: serveDated},
		{name: "ranges", header: nethttp.Header{"Range": {"bytes=10-19,30-39"}}, noHead: true, handler: serveParts},
		{name: "range that is not there", header: nethttp.Header{"Range": {"bytes=99999-"}}, handler: serveTagged},
	}
}

// dated is the modification time of the content of serveDated.
var dated = time.Unix(1e9, 0).UTC()

// serveTagged serves content with an ETag.
func serveTagged(w nethttp.ResponseWriter, r *nethttp.Request, _ func(string, error)) {
	w.Header().Set("ETag", `"v1"`)
	nethttp.ServeContent(w, r, "f.txt", time.Time{}, strings.NewReader(strings.Repeat("0123456789", 500)))
}

// serveDated serves content with a modification time and without an ETag.
func serveDated(w nethttp.ResponseWriter, r *nethttp.Request, _ func(string, error)) {
	nethttp.ServeContent(w, r, "f.txt", dated, strings.NewReader(strings.Repeat("0123456789", 500)))
}

// serveParts responds as ServeContent does to a request for several ranges, but
// with a fixed boundary instead of a random one.
func serveParts(w nethttp.ResponseWriter, _ *nethttp.Request, note func(string, error)) {
	w.Header().Set("Content-Type", "multipart/byteranges; boundary=b")
	w.WriteHeader(nethttp.StatusPartialContent)
	_, err := io.WriteString(w, "--b\r\nContent-Range: bytes 10-19/5000\r\n\r\n0123456789\r\n--b--\r\n")
	note("write", err)
}

// usedLate uses the ResponseWriter after its handler has returned.
func usedLate(t *testing.T, w nethttp.ResponseWriter) {
	w.Header().Set("X-Late", "1")
	w.WriteHeader(nethttp.StatusTeapot)
	if n, err := w.Write([]byte("late")); n != 0 || err == nil {
		t.Errorf("a late Write returns %d, %v", n, err)
	}
	if n, err := io.WriteString(w, "late"); n != 0 || err == nil {
		t.Errorf("a late WriteString returns %d, %v", n, err)
	}
	if n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("late")}); n != 0 || err == nil {
		t.Errorf("a late copy returns %d, %v", n, err)
	}
	if err := nethttp.NewResponseController(w).Flush(); err == nil {
		t.Error("a late Flush returns no error")
	}
}
