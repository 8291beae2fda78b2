package reqbody_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/reqbody"
	"github.com/stanza-go/framework/pkg/http/internal/testkit"
)

func TestReadStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		for _, tt := range []struct {
			limit int64
			want  error
		}{
			{int64(size) + 1, nil},
			{int64(size), nil},
			{int64(size) - 1, reqbody.ErrTooLarge},
			{math.MaxInt64, nil},
			{math.MinInt64, reqbody.ErrTooLarge},
		} {
			if size == 0 && tt.want != nil {
				continue
			}
			source := strings.Repeat("x", size)
			for name, reader := range map[string]io.Reader{
				"plain":          strings.NewReader(source),
				"data with EOF":  iotest.DataErrReader(strings.NewReader(source)),
				"half at a time": iotest.HalfReader(strings.NewReader(source)),
			} {
				dst := &bufpool.Buffer{B: []byte("before ")}
				err := reqbody.Read(dst, &http.Request{Body: io.NopCloser(reader)}, tt.limit)
				if err != tt.want {
					t.Errorf("%d bytes, limit %d, %s: %v", size, tt.limit, name, err)
				}
				if read := len(dst.B) - len("before "); err == nil && read != size || err != nil && int64(read) != max(tt.limit, 0)+1 {
					t.Errorf("%d bytes, limit %d, %s: read %d", size, tt.limit, name, read)
				}
			}
		}
	}
}

func TestReadDoesNotTrustContentLength(t *testing.T) {
	t.Parallel()
	dst := new(bufpool.Buffer)
	r := &http.Request{ContentLength: 1 << 40, Body: io.NopCloser(strings.NewReader("{}"))}
	if err := reqbody.Read(dst, r, 1<<41); err != nil || cap(dst.B) > 4096 {
		t.Errorf("error %v, capacity %d", err, cap(dst.B))
	}
}

func TestReadPassesOtherErrorsOn(t *testing.T) {
	t.Parallel()
	cause := errors.New("gone")
	r := &http.Request{Body: io.NopCloser(iotest.ErrReader(cause))}
	if err := reqbody.Read(new(bufpool.Buffer), r, 10); err != cause {
		t.Errorf("error %v", err)
	}
	if err := reqbody.Read(new(bufpool.Buffer), new(http.Request), 10); err != nil {
		t.Errorf("no body: %v", err)
	}
}

// The body that Abandon leaves behind works by what net/http makes of it. A
// toolchain that thinks otherwise shows here.
func TestAbandonClosesTheConnectionThoughLittleIsLeft(t *testing.T) {
	t.Parallel()
	for _, wrapped := range []bool{false, true} {
		srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wrapped {
				r.Body = struct{ io.ReadCloser }{r.Body}
			}
			reqbody.Abandon(r, 0)
		}))
		for _, framing := range []string{"Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"} {
			conn := testkit.Dial(t, srv.Addr())
			conn.Send("POST / HTTP/1.1\r\nHost: x\r\n" + framing)
			if res := conn.ReadResponse("POST"); !res.Close || conn.ReadAll() != "" {
				t.Errorf("wrapped %v: the connection stays open after %q: %v", wrapped, framing, res.Header)
			}
		}
	}
}

func TestCloseAfterReplyLeavesHTTP2Alone(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	reqbody.CloseAfterReply(rec, &http.Request{ProtoMajor: 2})
	if len(rec.Header()) != 0 {
		t.Errorf("set %v", rec.Header())
	}
}
