package stacks_test

import (
	"bufio"
	"bytes"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// A stream is a ResponseWriter like an HTTP/1 server's, but without a
// connection.
type stream struct {
	writer
	sent    *bytes.Buffer // if nil, writes are discarded
	flushed int           // number of flushes
}

func newStream(sent *bytes.Buffer) *stream { return &stream{writer{header: nethttp.Header{}}, sent, 0} }

// Write writes to sent.
func (s *stream) Write(p []byte) (int, error) {
	if s.sent == nil {
		return len(p), nil
	}
	return s.sent.Write(p)
}

// WriteString writes to sent.
func (s *stream) WriteString(p string) (int, error) {
	if s.sent == nil {
		return len(p), nil
	}
	return s.sent.WriteString(p)
}

// Flush counts the flush.
func (s *stream) Flush() { s.flushed++ }

// FlushError counts the flush.
func (s *stream) FlushError() error {
	s.flushed++
	return nil
}

// SetWriteDeadline does nothing.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// Hijack exists because the writers of HTTP/1 servers have it.
func (s *stream) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, nethttp.ErrNotSupported
}

// event parses a stream with one event. It supports the parts of the HTML
// standard that the contestants use.
func event(text string) (name, data string, ok bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return name, strings.TrimSuffix(data, "\n"), true
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		}
	}
	return "", "", false
}

// eventData is the data of the events.
var eventData = strings.Repeat("0123456789", 10)

func TestStreamersSendAlike(t *testing.T) {
	for _, s := range stacks.Streamers() {
		var sent bytes.Buffer
		w := newStream(&sent)
		send := s.Open(w)
		for i := range 3 {
			sent.Reset()
			w.flushed = 0
			if err := send("tick", eventData); err != nil {
				t.Error(err)
			}
			if name, data, ok := event(sent.String()); !ok || name != "tick" || data != eventData || w.flushed != 1 {
				t.Errorf("%s sends %q as event %d, and flushes it %d times", s.Name, sent.String(), i, w.flushed)
			}
			if want := "event: tick\ndata: " + eventData + "\n\n"; s.Name != "gin" && sent.String() != want {
				t.Errorf("%s sends %q, want %q", s.Name, sent.String(), want)
			}
		}
		if w.header.Get("Cache-Control") != "no-cache" || !strings.HasPrefix(w.header.Get("Content-Type"), "text/event-stream") {
			t.Errorf("%s sends the header %v", s.Name, w.header)
		}
	}
}

func BenchmarkSSE(b *testing.B) {
	for _, s := range stacks.Streamers() {
		b.Run("row=event-100B/by="+s.Name, func(b *testing.B) {
			b.ReportAllocs()
			send := s.Open(newStream(nil))
			for b.Loop() {
				if err := send("tick", eventData); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
