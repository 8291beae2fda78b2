package http_test

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A framingProgram is a request and a sequence of calls that its handler makes.
// Programs are made from bytes, which can be random or come from a fuzzer.
type framingProgram struct {
	method  string
	version string // of HTTP/1
	header  [][2]string
	body    int  // length of the request's body, negative if it has none
	chunked bool // the request has no Content-Length
	expect  bool // it has Expect: 100-continue, but sends the body immediately
	content string
	steps   []framingStep
	total   int // length of all writes

	lateTrailer bool // a trailer is set that was not declared
	output      bool // an earlier step writes, flushes or sets the status
	helped      bool // a step so far calls a helper that responds
	closes      bool // the server may close the connection after the response
	mislabeled  bool // Content-Length may be wrong
	readsFrom   bool // a part of the body is copied from a reader
	lateHijack  bool // the connection may be hijacked after some output
	panics      bool
}

// A framingStep is one call that the handler makes.
type framingStep struct {
	text string
	do   func(*framingRun)
}

// A framingRun is one run of a program.
type framingRun struct {
	program *framingProgram
	w       http.ResponseWriter
	r       *http.Request
	kept    http.Header // the map at the start
	offset  int         // position in the program's content
	notes   []string    // results of the calls
	done    bool
}

// choices are bytes that make decisions. When all bytes are used, the first
// alternative is chosen.
type choices struct{ data []byte }

func (c *choices) n(limit int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % limit
}

func choose[T any](c *choices, from ...T) T { return from[c.n(len(from))] }

func newFramingProgram(c *choices) *framingProgram {
	p := &framingProgram{body: -1}
	p.method = choose(c, "GET", "GET", "HEAD", "POST", "GET")
	p.version = choose(c, "1.1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.0")
	if accept := choose(c, "", "gzip", "gzip", "identity;q=0, gzip", "br"); accept != "" {
		p.header = append(p.header, [2]string{"Accept-Encoding", accept})
	}
	if f := choose(c, [2]string{}, [2]string{}, [2]string{"Range", "bytes=2-5"}, [2]string{"If-None-Match", `"own"`}, [2]string{"If-Match", `"own"`},
		[2]string{"If-Range", `"own"`}, [2]string{"If-Modified-Since", framingTime.Format(http.TimeFormat)}); f[0] != "" {
		p.header = append(p.header, f)
		if f[0] == "If-Range" {
			p.header = append(p.header, [2]string{"Range", "bytes=0-1"})
		}
	}
	if p.method == "POST" {
		p.body = choose(c, 0, 5, 3000, 70000, 300000)
		p.chunked, p.expect = c.n(3) == 2, c.n(4) == 3
	}
	connection := choose(c, "", "", "", "", "", "", "close", "keep-alive")
	if connection != "" {
		p.header = append(p.header, [2]string{"Connection", connection})
	}
	p.content = choose(c, framingContents()...)
	p.closes = p.version == "1.0" || connection == "close"
	for range c.n(12) {
		p.steps = append(p.steps, p.step(c))
	}
	if p.closes && p.body > 0 || p.body > 100000 {
		// If a server closes a connection that has unread bytes, the client may
		// or may not receive the response.
		p.steps = slices.Insert(p.steps, 0, p.read(&choices{}))
	}
	return p
}

// framingContents returns the texts that programs write.
var framingContents = sync.OnceValue(func() []string {
	return []string{sample(100000), "<html><body>" + sample(50000), "<", "\x89PNG\x0d\x0a\x1a\x0a" + sample(20000), incompressible(80000)}
})

// String describes the program for error messages.
func (p *framingProgram) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/%s %q, body %d (chunked %v, expect %v), content %.12q:", p.method, p.version, p.header, p.body, p.chunked, p.expect, p.content)
	for _, s := range p.steps {
		fmt.Fprintf(&b, "\n\t\t%s", s.text)
	}
	return b.String()
}

// step makes the next step.
func (p *framingProgram) step(c *choices) framingStep {
	switch c.n(19) {
	case 3, 4, 5:
		return p.field(c)
	case 6, 7:
		return p.length(c)
	case 8, 9:
		return p.status(c)
	case 10:
		p.output = true
		return step("flush", func(x *framingRun) { x.note("flush", http.NewResponseController(x.w).Flush()) })
	case 11, 12:
		return p.trailer(c)
	case 13:
		if !p.output { // later, it depends on buffers whether the body can be read
			return p.read(c)
		}
	case 14:
		return p.control(c)
	case 15:
		return p.end(c)
	case 16:
		return p.late(c)
	case 17, 18:
		if !p.output { // a helper reads the header, which a stage may have changed
			return p.helper(c)
		}
	}
	return p.write(c)
}

func step(text string, do func(*framingRun)) framingStep { return framingStep{text, do} }

// write writes a part of the content.
func (p *framingProgram) write(c *choices) framingStep {
	n := choose(c, 10, 0, 1, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049, 5000, 33000, 70000, 100, 20)
	if n == 70000 && c.n(16) == 15 {
		n = 1<<20 + 1
	}
	p.total += n
	p.output = true
	if p.helped { // the helper has set Content-Length
		p.closes, p.mislabeled = true, true
	}
	how := choose(c, "Write", "WriteString", "ReadFrom", "Write")
	p.readsFrom = p.readsFrom || how == "ReadFrom"
	return step(fmt.Sprint(how, " ", n), func(x *framingRun) {
		data := x.next(n)
		var m int64
		var k int
		var err error
		switch how {
		case "Write":
			k, err = x.w.Write([]byte(data))
		case "WriteString":
			k, err = io.WriteString(x.w, data)
		case "ReadFrom":
			m, err = io.Copy(x.w, struct{ io.Reader }{strings.NewReader(data)})
		}
		x.note(fmt.Sprint(how, " ", m+int64(k)), err)
	})
}

// next returns the next n bytes of the program's content.
func (x *framingRun) next(n int) string {
	var b strings.Builder
	for b.Len() < n {
		content := x.program.content
		from := x.offset % len(content)
		part := content[from:min(len(content), from+n-b.Len())]
		b.WriteString(part)
		x.offset += len(part)
	}
	return b.String()
}

func (x *framingRun) note(what string, err error) {
	x.notes = append(x.notes, what+": "+framingKind(err))
}

// framingKind is like kind, with shorter names.
func framingKind(err error) string {
	switch text := kind(err); text {
	case kind(nil):
		return "ok"
	case http.ErrContentLength.Error():
		return "too long"
	default:
		return text
	}
}

// field adds a step that sets or deletes a field.
func (p *framingProgram) field(c *choices) framingStep {
	f := choose(c,
		[2]string{"X-Field", "1"}, [2]string{"Content-Type", "text/plain"}, [2]string{"Content-Type", "image/png"},
		[2]string{"Content-Type", "application/problem+json"}, [2]string{"Content-Type", "text/event-stream"},
		[2]string{"Content-Encoding", "br"}, [2]string{"Etag", `"own"`}, [2]string{"Accept-Ranges", "bytes"},
		[2]string{"Cache-Control", "no-transform"}, [2]string{"Vary", "Cookie"}, [2]string{"Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"},
		[2]string{"Set-Cookie", "a=b"}, [2]string{"Connection", "close"}, [2]string{"Link", "</a.css>; rel=preload"},
		[2]string{"Location", "/elsewhere"}, [2]string{"X-Field", "2"},
	)
	p.closes = p.closes || f[0] == "Connection"
	switch c.n(8) {
	case 6:
		return step("delete "+f[0], func(x *framingRun) { x.w.Header().Del(f[0]) })
	case 7:
		return step(f[0]+" = nil", func(x *framingRun) { x.w.Header()[f[0]] = nil })
	}
	return step(f[0]+" = "+f[1], func(x *framingRun) { x.w.Header().Set(f[0], f[1]) })
}

// length sets Content-Length to the length of all writes, to another value, or to
// nil.
func (p *framingProgram) length(c *choices) framingStep {
	kind := choose(c, "right", "right", "right", "short", "long", "nil", "zero")
	if p.output || kind != "right" && kind != "nil" {
		p.closes, p.mislabeled = true, true
	}
	return step("Content-Length: "+kind, func(x *framingRun) {
		n := x.program.total
		switch kind {
		case "short":
			n = max(0, n-7)
		case "long":
			n += 7
		case "nil":
			x.w.Header()["Content-Length"] = nil
			return
		case "zero":
			n = 0
		}
		x.w.Header().Set("Content-Length", strconv.Itoa(n))
	})
}

// status writes a status code, which may be 1xx.
func (p *framingProgram) status(c *choices) framingStep {
	code := choose(c, 200, 200, 201, 202, 204, 206, 302, 304, 404, 416, 500, 103, 102, 205)
	p.output = true
	return step(fmt.Sprint("WriteHeader ", code), func(x *framingRun) { x.w.WriteHeader(code) })
}

// trailer declares or sets trailers.
func (p *framingProgram) trailer(c *choices) framingStep {
	f := choose(c, [2]string{"Trailer", "X-Sum"}, [2]string{"X-Sum", "5"}, [2]string{http.TrailerPrefix + "X-More", "6"}, [2]string{"Trailer", "X-Sum, X-Last"})
	p.lateTrailer = p.lateTrailer || strings.HasPrefix(f[0], http.TrailerPrefix)
	return step(f[0]+" = "+f[1], func(x *framingRun) { x.w.Header().Set(f[0], f[1]) })
}

// read reads the request's body, or a part of it.
func (p *framingProgram) read(c *choices) framingStep {
	if c.n(2) == 0 {
		return step("read all", func(x *framingRun) {
			n, err := io.Copy(io.Discard, x.r.Body)
			x.note(fmt.Sprint("read ", n), err)
		})
	}
	return step("read 3", func(x *framingRun) {
		n, err := io.ReadFull(x.r.Body, make([]byte, 3))
		x.note(fmt.Sprint("read ", n), err)
	})
}

// control calls a method of the ResponseController.
func (p *framingProgram) control(c *choices) framingStep {
	what := choose(c, "write deadline", "read deadline", "full duplex", "hijack")
	switch {
	case what == "full duplex" && p.output: // would change how the request's body is read
		what = "write deadline"
	case what == "hijack":
		p.lateHijack = p.lateHijack || p.output
		p.closes = true
	}
	return step(what, func(x *framingRun) {
		rc := http.NewResponseController(x.w)
		switch what {
		case "write deadline":
			x.note(what, rc.SetWriteDeadline(time.Now().Add(time.Hour)))
		case "read deadline":
			x.note(what, rc.SetReadDeadline(time.Now().Add(time.Hour)))
		case "full duplex":
			x.note(what, rc.EnableFullDuplex())
		case "hijack":
			x.hijack(rc)
		}
	})
}

func (x *framingRun) hijack(rc *http.ResponseController) {
	conn, rw, err := rc.Hijack()
	x.note("hijack", err)
	if err != nil {
		return
	}
	_, err = x.w.Write([]byte("x"))
	x.note("write after hijack", err)
	io.WriteString(rw, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
	rw.Flush()
	conn.Close()
	x.done = true
}

// end adds a step that returns early or panics.
func (p *framingProgram) end(c *choices) framingStep {
	switch c.n(3) {
	case 1:
		p.panics = true
		return step("panic", func(*framingRun) { panic("oops") })
	case 2:
		p.panics = true
		return step("abort", func(*framingRun) { panic(http.ErrAbortHandler) })
	}
	return step("return", func(x *framingRun) { x.done = true })
}

// framingTime is the modification time of the content that helpers serve.
var framingTime = time.Unix(1e9, 0).UTC()

// helper responds with a function of net/http or of this package.
func (p *framingProgram) helper(c *choices) framingStep {
	p.output, p.helped = true, true
	what := choose(c, "ServeContent", "ServeContent", "WriteJSON", "WriteError", "Error", "Redirect")
	n := choose(c, 3000, 10, 70000)
	return step(fmt.Sprint(what, " ", n), func(x *framingRun) {
		switch what {
		case "ServeContent":
			http.ServeContent(x.w, x.r, "f", framingTime, strings.NewReader(x.next(n)))
		case "WriteJSON":
			http.WriteJSON(x.w, 200, x.next(n))
		case "WriteError":
			http.WriteError(x.w, 404, x.next(min(n, 3000)))
		case "Error":
			http.Error(x.w, x.next(min(n, 3000)), 500)
		case "Redirect":
			http.Redirect(x.w, x.r, "/elsewhere", 302)
		}
	})
}

// late changes the header map that the handler got at the start.
func (p *framingProgram) late(c *choices) framingStep {
	f := choose(c, [2]string{"X-Kept", "1"}, [2]string{"Content-Type", "text/css"}, [2]string{"Etag", `"late"`})
	return step("kept map: "+f[0]+" = "+f[1], func(x *framingRun) { x.kept.Set(f[0], f[1]) })
}

// run is the program as a handler. It sets notes when it ends, even if it panics.
func (p *framingProgram) run(w http.ResponseWriter, r *http.Request, notes *[]string) {
	x := &framingRun{program: p, w: w, r: r, kept: w.Header()}
	defer func() { *notes = x.notes }()
	for _, s := range p.steps {
		if s.do(x); x.done {
			return
		}
	}
}
