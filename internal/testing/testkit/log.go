package testkit

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// A Log is a writer that keeps everything written to it. The zero value is ready to
// use. It is safe for concurrent use by multiple goroutines.
type Log struct {
	mu   sync.Mutex
	text []byte
}

// Write appends p.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

// String returns everything that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// Reset removes everything that was written.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = nil
}

// Lines returns the lines that were written, without line breaks.
func (l *Log) Lines() []string {
	text := strings.TrimSuffix(l.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// Records decodes the lines that a logger of [Log.JSON] wrote.
func (l *Log) Records(tb testing.TB) []map[string]any {
	tb.Helper()
	var records []map[string]any
	for _, line := range l.Lines() {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			tb.Fatalf("log line %q: %v", line, err)
		}
		records = append(records, record)
	}
	return records
}

// JSON returns a logger that writes records of every level as JSON lines. The lines
// have no time, and durations are replaced by their kind, so that the log is the same
// in each run.
func (l *Log) JSON() *slog.Logger { return slog.New(slog.NewJSONHandler(l, repeatable())) }

// Text is like [Log.JSON], but the records have the form of [slog.TextHandler].
func (l *Log) Text() *slog.Logger { return slog.New(slog.NewTextHandler(l, repeatable())) }

// repeatable returns options that make the output the same in each run.
func repeatable() *slog.HandlerOptions {
	return &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey:
				return slog.Attr{}
			case "duration":
				return slog.String(a.Key, "a "+a.Value.Kind().String())
			}
			return a
		},
	}
}
