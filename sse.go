package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// ErrInvalidEvent is what the methods of [SSEWriter] return, wrapped, for what
// cannot be sent as an event. Nothing was sent then, and the stream goes on.
var ErrInvalidEvent = errors.New("http: invalid event")

// errStreamEnded is the error of a stream whose handler has returned.
var errStreamEnded = errors.New("http: event stream used after its handler returned")

// An SSEWriter sends a stream of server-sent events, for EventSource in a
// browser to read (WHATWG HTML §9.2). Each event leaves with one write and one
// flush; events of more than 32 KB take several writes. Its methods are safe
// for concurrent use by multiple goroutines while the handler runs. An error
// that is not [ErrInvalidEvent] ends the stream: later calls return it too,
// and the handler should return.
type SSEWriter struct {
	w  ResponseWriter
	rc *ResponseController

	mu     sync.Mutex
	err    error  // of a write; the stream is over
	buf    []byte // of the event before, reused by this stream alone
	stream *response.Stream
}

// NewSSEWriter begins an event stream as the response to a request. It sets
// Content-Type: text/event-stream, Cache-Control: no-cache, X-Accel-Buffering:
// no, which keeps nginx from holding events back, and on HTTP/1 Connection:
// keep-alive. Of these it leaves alone what w.Header() has already, except a
// Content-Type of another kind. It sends the header at once, so set other
// fields before.
//
// The server's write timeout no longer applies; if a client takes none of an
// event for 30 seconds, the stream ends with an error (see
// [SSEWriter.SetWriteTimeout]). If beginning the stream fails, or the server's
// writer cannot flush, the first method called returns the error.
//
// The request's context ends when the client leaves and when [Server.Stop]
// begins. From then on a write fails if the client takes nothing for 5
// seconds. Stop waits for the handler to return.
//
// Every middleware's ResponseWriter should have an Unwrap method, as
// [ResponseController] asks. Behind one that has none, a stream works the same
// if a [Server] or middleware of this package is around it; otherwise the
// server's write timeout ends the stream, and NewSSEWriter logs a warning that
// names the writer's type.
func NewSSEWriter(w ResponseWriter) *SSEWriter {
	s := &SSEWriter{w: w, rc: NewResponseController(w)}
	cw := response.Find(w)
	keepAlive := response.Hijackable(w) // a good guess: of HTTP/1 only
	if cw != nil {
		keepAlive = cw.Request().ProtoMajor == 1
	}
	setStreamHeader(w.Header(), keepAlive)
	// HTTP/2 resets a stream whose deadline passes, written to or not, so the
	// server's own must go.
	setDeadline := s.rc.SetWriteDeadline
	err := setDeadline(time.Time{})
	hidden := errors.Is(err, ErrNotSupported)
	switch {
	case cw != nil && cw.Ended():
		s.err = errStreamEnded
		return s
	case hidden:
		setDeadline = nil
		response.Mark(w.Header())
	case err != nil:
		s.err = err
		return s
	}
	s.stream = response.OpenStream(cw, setDeadline)
	if cw != nil {
		cw.OnDone(s.end)
	}
	s.begin()
	if hidden && !response.Unmark(w.Header()) {
		warnHidden(w, cw)
	}
	return s
}

// begin sends the header.
func (s *SSEWriter) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if s.err = s.stream.Begin(); s.err != nil {
		return
	}
	s.w.WriteHeader(StatusOK)
	s.err = cmp.Or(s.rc.Flush(), s.stream.End())
	if errors.Is(s.err, ErrNotSupported) {
		s.err = fmt.Errorf("http: event stream: %T cannot flush: %w", response.Innermost(s.w), s.err)
	}
}

// warnHidden tells whoever runs the server that nothing keeps its write
// timeout from ending a stream.
func warnHidden(w ResponseWriter, cw *response.Writer) {
	wrapper := response.Innermost(w)
	if !response.Hides(wrapper) {
		return // the writer of a test, which has no deadlines
	}
	ctx := context.Background()
	if cw != nil {
		ctx = cw.Request().Context()
	}
	LoggerFromContext(ctx).WarnContext(ctx, "http: the server's write timeout will end an event stream: "+
		"a middleware's ResponseWriter has no Unwrap method; add one that returns the writer it wraps",
		slog.String("type", fmt.Sprintf("%T", wrapper)))
}

// setStreamHeader sets the fields of an event stream that are not set in h.
func setStreamHeader(h Header, keepAlive bool) {
	values := [4]string{"text/event-stream", "no-cache", "no", "keep-alive"}
	for i, name := range [4]string{"Content-Type", "Cache-Control", "X-Accel-Buffering", "Connection"} {
		_, set := h[name]
		switch {
		case name == "Content-Type" && !isEventStream(h):
		case name == "Connection" && !keepAlive, set:
			continue
		}
		h[name] = values[i : i+1 : i+1]
	}
	delete(h, "Content-Length")
}

// isEventStream reports whether h has the type of an event stream, with or
// without parameters.
func isEventStream(h Header) bool {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "text/event-stream")
}

// Event sends an event of the given name, which the client gets with
// addEventListener(name, ...). An empty name is that of [SSEWriter.Data]. Data
// may have several lines. A name with a line break or NUL, and text that is
// not UTF-8, give ErrInvalidEvent.
func (s *SSEWriter) Event(name, data string) error {
	return s.send(func(b []byte) ([]byte, error) {
		b, err := appendField(b, "event", name)
		if err != nil {
			return b, err
		}
		return appendLines(b, "data", data)
	})
}

// Data sends an event without a name, which the client gets with onmessage.
func (s *SSEWriter) Data(data string) error { return s.Event("", data) }

// EventWithID is [SSEWriter.Event] for an event with an id, which the client
// remembers and sends when it reconnects: see [LastEventID]. An empty id makes
// it forget. An id with a line break or NUL gives ErrInvalidEvent.
func (s *SSEWriter) EventWithID(id, name, data string) error {
	return s.send(func(b []byte) ([]byte, error) {
		b, err := appendID(b, id)
		if err != nil {
			return b, err
		}
		if b, err = appendField(b, "event", name); err != nil {
			return b, err
		}
		return appendLines(b, "data", data)
	})
}

// ID makes the client remember an id without an event.
func (s *SSEWriter) ID(id string) error {
	return s.send(func(b []byte) ([]byte, error) { return appendID(b, id) })
}

// Comment sends text that the client skips. One every half minute keeps
// proxies from taking a silent stream for a dead one.
func (s *SSEWriter) Comment(text string) error {
	return s.send(func(b []byte) ([]byte, error) { return appendLines(b, "", text) })
}

// Retry tells the client to wait ms milliseconds before it reconnects. A
// negative number gives ErrInvalidEvent.
func (s *SSEWriter) Retry(ms int) error {
	return s.send(func(b []byte) ([]byte, error) {
		if ms < 0 {
			return b, fmt.Errorf("%w: retry of %d ms", ErrInvalidEvent, ms)
		}
		b = append(b, "retry: "...)
		b = strconv.AppendInt(b, int64(ms), 10)
		return append(b, '\n'), nil
	})
}

// SetWriteTimeout sets how long the client may take none of an event before the
// stream ends, 30 seconds if it is not called. Zero or less means no limit. It
// has no effect behind a ResponseWriter without an Unwrap method.
func (s *SSEWriter) SetWriteTimeout(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.stream.SetTimeout(d)
	}
}

// LastEventID returns the id of the last event that the client has seen of an
// earlier stream, or "" on its first visit. Clients send what they like;
// expect anything.
func LastEventID(r *Request) string { return r.Header.Get("Last-Event-ID") }

// maxEventBuffer is the largest buffer that is kept between events.
const maxEventBuffer = 64 << 10

// send writes and flushes what fill appends to a buffer, and an empty line.
func (s *SSEWriter) send(fill func([]byte) ([]byte, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	b, err := fill(s.buf[:0])
	if cap(b) <= maxEventBuffer {
		s.buf = b
	}
	if err != nil {
		return err
	}
	s.err = s.write(append(b, '\n'))
	return s.err
}

// maxPiece is how much of an event is written at once. Each piece that the
// client takes counts as a sign of life, so that a slow client may take long
// for a large event.
const maxPiece = 32 << 10

// write writes and flushes b.
func (s *SSEWriter) write(b []byte) error {
	for len(b) > maxPiece {
		if err := s.writePiece(b[:maxPiece], false); err != nil {
			return err
		}
		b = b[maxPiece:]
	}
	return s.writePiece(b, true)
}

func (s *SSEWriter) writePiece(b []byte, last bool) error {
	if err := s.stream.Begin(); err != nil {
		return err
	}
	_, err := s.w.Write(b)
	if err == nil && last {
		err = s.rc.Flush()
	}
	return cmp.Or(err, s.stream.End())
}

// end closes the stream when its handler returns: the writer is the server's
// again.
func (s *SSEWriter) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = errStreamEnded
	}
}

// appendID appends an id, empty or not.
func appendID(b []byte, id string) ([]byte, error) {
	if id == "" {
		return append(b, "id:\n"...), nil
	}
	return appendField(b, "id", id)
}

// appendField appends a field that must be one line, unless it is empty.
func appendField(b []byte, name, value string) ([]byte, error) {
	switch {
	case value == "":
		return b, nil
	case endOfLine(value) >= 0 || strings.IndexByte(value, 0) >= 0:
		return b, fmt.Errorf("%w: %s %q has a line break or NUL", ErrInvalidEvent, name, value)
	case !utf8.ValidString(value):
		return b, fmt.Errorf("%w: %s %q is not UTF-8", ErrInvalidEvent, name, value)
	}
	return appendLine(b, name, value), nil
}

// appendLines appends a field for each line of text, as CRLF, LF and CR end
// them: the client ends lines at all three.
func appendLines(b []byte, name, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return b, fmt.Errorf("%w: text is not UTF-8", ErrInvalidEvent)
	}
	for {
		i := endOfLine(text)
		if i < 0 {
			return appendLine(b, name, text), nil
		}
		b = appendLine(b, name, text[:i])
		if strings.HasPrefix(text[i:], "\r\n") {
			i++
		}
		text = text[i+1:]
	}
}

// endOfLine returns the index of the first CR or LF in s, or -1. Two searches
// by vector instructions are faster than one byte by byte.
func endOfLine(s string) int {
	i := strings.IndexByte(s, '\n')
	if i >= 0 {
		s = s[:i]
	}
	if j := strings.IndexByte(s, '\r'); j >= 0 {
		return j
	}
	return i
}

// appendLine appends one line. The client takes away the space.
func appendLine(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, '\n')
}
