package jsonbody_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
)

// A source is a body that counts the bytes read from it.
type source struct {
	io.Reader
	read int64
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.read += int64(n)
	return n, err
}

func (*source) Close() error { return nil }

func TestReadStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	readers := map[string]func(io.Reader) io.Reader{
		"plain":          func(r io.Reader) io.Reader { return r },
		"data with EOF":  iotest.DataErrReader,
		"half at a time": iotest.HalfReader,
	}
	for _, size := range []int64{0, 1, 511, 512, 4095, 4096, 4097, 100_000} {
		whole := strings.Repeat("x", int(size))
		for _, limit := range []int64{math.MinInt64, size - 1, size, size + 1, math.MaxInt64} {
			for _, announced := range []int64{-1, 0, size - 1, size, size + 1, math.MaxInt64} {
				for name, reader := range readers {
					body := &source{Reader: reader(strings.NewReader(whole))}
					got, err := jsonbody.Read(&http.Request{Body: body, ContentLength: announced}, limit)
					if fits := size <= max(limit, 0); fits && (err != nil || string(got) != whole) ||
						!fits && (err != jsonbody.ErrTooLarge || body.read != max(limit, 0)+1) {
						t.Errorf("%d bytes, %d announced, limit %d, %s: read %d, returned %d, %v",
							size, announced, limit, name, body.read, len(got), err)
					}
				}
			}
		}
	}
}

// The memory for a body depends on the number of bytes received and is not
// pooled.
func TestReadDoesNotTrustContentLength(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ size, announced, most int }{
		{2, 1 << 40, 4096},
		{4000, 1 << 40, 4096},
		{100, 100, 101},
		{100_000, 1 << 40, 2 * 100_000},
		{100_000, -1, 2 * 131_072},
		{1 << 20, 1 << 20, 1<<20 + 1},
	} {
		r := &http.Request{ContentLength: int64(tt.announced), Body: io.NopCloser(strings.NewReader(strings.Repeat("x", tt.size)))}
		body, err := jsonbody.Read(r, 1<<41)
		if err != nil || len(body) != tt.size || cap(body) > tt.most {
			t.Errorf("%d bytes, %d announced: error %v, capacity %d, want at most %d", tt.size, tt.announced, err, cap(body), tt.most)
		}
	}
}

func TestReadReturnsOtherErrorsUnchanged(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection reset")
	r := &http.Request{Body: io.NopCloser(iotest.ErrReader(cause))}
	if _, err := jsonbody.Read(r, 10); err != cause {
		t.Errorf("error %v", err)
	}
	if body, err := jsonbody.Read(new(http.Request), 10); err != nil || len(body) != 0 {
		t.Errorf("no body: %q, %v", body, err)
	}
}

func TestCloseAfterResponseLeavesHTTP2Alone(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	jsonbody.CloseAfterResponse(rec, &http.Request{ProtoMajor: 2})
	if len(rec.Header()) != 0 {
		t.Errorf("set %v", rec.Header())
	}
}
