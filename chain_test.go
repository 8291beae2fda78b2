package http_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	stanza "github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testkit"
)

// answer200 answers with 200 bytes of JSON, as one small object of an API.
func answer200() http.Handler {
	value := struct {
		Text string `json:"text"`
	}{strings.Repeat("x", 200-len(`{"text":""}`))}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { stanza.WriteJSON(w, http.StatusOK, &value) })
}

// served returns a function that has h answer one request to a writer that
// forgets the response, and its allocations.
func served(h http.Handler) func() {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.1:1234"
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Origin", "https://app.example")
	w := &nullWriter{header: http.Header{}}
	return func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// What each middleware costs a small answer, alone and all in a row, beside
// what the handler does itself.
func TestChainAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	cors := stanza.CORSConfig{AllowOrigins: []string{"https://app.example"}, AllowCredentials: true}
	links := []struct {
		name string
		mw   stanza.Middleware
		most float64
	}{
		{"RequestID", stanza.RequestID(stanza.RequestIDConfig{}), 5},
		{"Metrics", stanza.NewMetrics().Middleware(), 1},
		{"RequestLogger", stanza.RequestLogger(logger), 1 + slogAllocations(logger)},
		{"Compress", stanza.Compress(stanza.CompressConfig{}), 0},
		{"ETag", stanza.ETag(stanza.ETagConfig{}), 2},
		{"SecureHeaders", stanza.SecureHeaders(stanza.SecureHeadersConfig{}), 1},
		{"MaxBody", stanza.MaxBody(2 << 20), 1},
		{"CORS", stanza.CORS(cors), 1},
		{"Recovery", stanza.Recovery(nil), 1},
		{"RateLimit", stanza.RateLimit(stanza.RateLimitConfig{Limit: 1e9, Window: time.Hour}), 3},
	}
	bare := testing.AllocsPerRun(200, served(answer200()))
	var table strings.Builder
	fmt.Fprintf(&table, "%-15s %5s %9s\n%-15s %5.0f\n", "", "alone", "in a row", "handler", bare)
	var chain stanza.Middleware
	before := bare
	for i, l := range links {
		alone := testing.AllocsPerRun(200, served(l.mw(answer200()))) - bare
		var all []stanza.Middleware
		for _, l := range links[:i+1] {
			all = append(all, l.mw)
		}
		chain = stanza.Chain(all...)
		row := testing.AllocsPerRun(200, served(chain(answer200())))
		fmt.Fprintf(&table, "%-15s %5.0f %9.0f\n", l.name, alone, row-before)
		if alone > l.most {
			t.Errorf("%s allocates %v times, want %v at most", l.name, alone, l.most)
		}
		before = row
		if l.name == "Recovery" && row > 6 {
			t.Errorf("the documented chain allocates %v times, want 6 at most", row)
		}
	}
	t.Logf("allocations of a 200-byte answer, %v in all:\n%s", before, table.String())
}

// slogAllocations returns what slog itself allocates for such a line.
func slogAllocations(logger *slog.Logger) float64 {
	attrs := []slog.Attr{
		slog.String("method", "GET"), slog.String("path", "/"), slog.Int("status", 200), slog.Duration("duration", 1),
		slog.Int("bytes", 200), slog.String("remote_ip", "192.0.2.1"), slog.String("request_id", "abc"),
	}
	return testing.AllocsPerRun(200, func() {
		logger.LogAttrs(context.Background(), slog.LevelInfo, "http request", attrs...)
	})
}

func BenchmarkDocumentedChain(b *testing.B) {
	once := served(documentedChain()(answer200()))
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}
