package http_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// errorOf returns the message of a JSON error response.
func errorOf(t *testing.T, body string) string {
	t.Helper()
	var v struct{ Error *string }
	if err := json.Unmarshal([]byte(body), &v); err != nil || v.Error == nil {
		t.Fatalf("the body %q is not a JSON error: %v", body, err)
	}
	return *v.Error
}

func TestPathParamInt64(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value string
		want  int64
		ok    bool
	}{
		{"7", 7, true},
		{"-7", -7, true},
		{"9223372036854775807", 9223372036854775807, true},
		{"9223372036854775808", 0, false},
		{"abc", 0, false},
		{"1.5", 0, false},
		{"1e3", 0, false},
		{"0x10", 0, false},
		{"%20", 0, false},
	}
	for _, tt := range tests {
		var id int64
		var ok bool
		router := http.NewRouter()
		router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			id, ok = http.PathParamInt64(w, r, "id")
		})
		rec := testkit.Record(router, testkit.NewRequest("GET", "/users/"+tt.value, ""))
		if id != tt.want || ok != tt.ok {
			t.Errorf("%q: %d, %v; want %d, %v", tt.value, id, ok, tt.want, tt.ok)
		}
		if tt.ok {
			continue
		}
		if got := errorOf(t, rec.Body); rec.StatusCode != 400 || !strings.Contains(got, `"id"`) {
			t.Errorf("%q: answered %d %q, want 400 and the parameter's name", tt.value, rec.StatusCode, got)
		}
	}
}

func TestPathParamOfAMissingWildcardIsEmpty(t *testing.T) {
	t.Parallel()
	if got := http.PathParam(testkit.NewRequest("GET", "/", ""), "id"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestQueryParamsWithFallback(t *testing.T) {
	t.Parallel()
	r := testkit.NewRequest("GET", "/?name=a+b&empty=&n=-5&big=99999999999999999999&word=x&n=6", "")
	if got := http.QueryParam(r, "name"); got != "a b" {
		t.Errorf("name is %q", got)
	}
	for name, want := range map[string]string{"name": "a b", "empty": "fallback", "missing": "fallback"} {
		if got := http.QueryParamOr(r, name, "fallback"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]int{"n": -5, "big": 42, "word": 42, "empty": 42, "missing": 42} {
		if got := http.QueryParamInt(r, name, 42); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	if got := http.QueryParam(new(http.Request), "name"); got != "" {
		t.Errorf("a request without a URL has %q", got)
	}
}

func TestQueryParamSortReturnsOnlyWhatTheProgramListed(t *testing.T) {
	t.Parallel()
	allowed := []string{"id", "email", "createdAt", "u.name"}
	tests := []struct{ query, column, direction string }{
		{"", "id", "DESC"},
		{"sort=email", "email", "DESC"},
		{"sort=EMAIL&order=asc", "email", "ASC"},
		{"sort=createdat&order=AsC", "createdAt", "ASC"},
		{"sort=CREATEDAT&order=desc", "createdAt", "DESC"},
		{"sort=U.Name", "u.name", "DESC"},
		{"sort=email+&order=+asc", "id", "DESC"},
		{"sort=email;drop&order=asc;", "id", "DESC"},
		{"sort=id,email", "id", "DESC"},
		{"sort=password&order=ASC", "id", "ASC"},
		{"order=up", "id", "DESC"},
		{"sort=&order=", "id", "DESC"},
		{"sort=%00&order=%00", "id", "DESC"},
	}
	for _, tt := range tests {
		column, direction := http.QueryParamSort(testkit.NewRequest("GET", "/?"+tt.query, ""), allowed, "id", "desc")
		if column != tt.column || direction != tt.direction {
			t.Errorf("%s: %q %q, want %q %q", tt.query, column, direction, tt.column, tt.direction)
		}
	}
}

func TestQueryParamSortPanicsForAnUnknownDefaultDirection(t *testing.T) {
	t.Parallel()
	got := panicText(func() { http.QueryParamSort(testkit.NewRequest("GET", "/?order=asc", ""), nil, "id", "down") })
	if !strings.Contains(got, "request_test.go:") || !strings.Contains(got, `"down"`) {
		t.Errorf("panicked with %q", got)
	}
}

func TestParsePaginationLimitsItsResults(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt
	tests := []struct {
		query         string
		limit, offset int
	}{
		{"", 50, 0},
		{"limit=20&offset=40", 20, 40},
		{"limit=100", 100, 0},
		{"limit=101", 100, 0},
		{"limit=1", 1, 0},
		{"limit=0", 1, 0},
		{"limit=-1&offset=-1", 1, 0},
		{"limit=1e9", 50, 0},
		{"limit=1000000000", 100, 0},
		{"limit=abc&offset=abc", 50, 0},
		{"limit=99999999999999999999&offset=99999999999999999999", 50, 0},
		{"offset=" + strconv.Itoa(most), 50, most},
		{"offset=-9223372036854775808", 50, 0},
		{"limit=&offset=", 50, 0},
	}
	for _, tt := range tests {
		got := http.ParsePagination(testkit.NewRequest("GET", "/?"+tt.query, ""), 50, 100)
		if want := (http.Pagination{Limit: tt.limit, Offset: tt.offset}); got != want {
			t.Errorf("%s: %+v, want %+v", tt.query, got, want)
		}
	}
	for _, bounds := range [][3]int{{200, 100, 100}, {0, 100, 1}, {50, 0, 1}, {-5, -5, 1}} {
		if got := http.ParsePagination(testkit.NewRequest("GET", "/", ""), bounds[0], bounds[1]); got.Limit != bounds[2] {
			t.Errorf("default %d, most %d: limit %d, want %d", bounds[0], bounds[1], got.Limit, bounds[2])
		}
	}
}

func TestCheckBulkIDs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ids  []int64
		want string
	}{
		{nil, "ids must not be empty"},
		{[]int64{}, "ids must not be empty"},
		{[]int64{1}, ""},
		{[]int64{1, 2, 3}, ""},
		{[]int64{1, 2, 3, 4}, "too many ids: at most 3 are allowed"},
	}
	for _, tt := range tests {
		rec := httptest.NewRecorder()
		ok := http.CheckBulkIDs(rec, tt.ids, 3)
		if ok != (tt.want == "") || ok != (rec.Body.Len() == 0) {
			t.Errorf("%v: %v, body %q", tt.ids, ok, rec.Body)
		}
		if !ok && (rec.Code != 400 || errorOf(t, rec.Body.String()) != tt.want) {
			t.Errorf("%v: answered %d %q, want 400 %q", tt.ids, rec.Code, rec.Body, tt.want)
		}
	}
}

func TestBindJSONAnswersBadBodiesWith400(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"empty", "", "the request body is empty"},
		{"malformed", `{"a":}`, "malformed JSON: unexpected character '}' at offset 5"},
		{"trailing data", `{"a":1}{"a":2}`, "trailing data after the JSON value, at offset 7"},
		{"wrong type", `{"a":"x"}`, `field "a" has a string where an integer is expected (before offset 8)`},
		{"too deep", strings.Repeat("[", 100_000), "the JSON value is nested too deeply, at offset 10000"},
		{"too large", `"` + strings.Repeat("x", 1<<20) + `"`, "request body too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var dst struct {
				A int `json:"a"`
			}
			rec := httptest.NewRecorder()
			if http.BindJSON(rec, testkit.NewRequest("POST", "/", tt.body), &dst) {
				t.Fatal("BindJSON returned true")
			}
			if rec.Code != 400 || rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("answered %d %v", rec.Code, rec.Header())
			}
			if got := errorOf(t, rec.Body.String()); got != tt.want {
				t.Errorf("the client got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBindJSONLeavesTheResponseAloneOnSuccess(t *testing.T) {
	t.Parallel()
	var dst struct{ Name string }
	rec := httptest.NewRecorder()
	r := testkit.NewRequest("POST", "/", ` {"name":"Ada","unknown":[1,2]} `+"\n")
	if !http.BindJSON(rec, r, &dst) || dst.Name != "Ada" {
		t.Errorf("bound %+v, answered %q", dst, rec.Body)
	}
	if len(rec.Header()) != 0 || rec.Body.Len() != 0 {
		t.Errorf("wrote %v %q", rec.Header(), rec.Body)
	}
}

func TestReadJSONLimitCountsEveryByte(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body  string
		limit int64
		ok    bool
	}{
		{`"abc"`, 5, true},
		{`"abc"`, 4, false},
		{`12345`, 5, true},
		{`true`, 4, true},
		{`{"a":1}`, 7, true},
		{`{"a":1}`, 6, false},
		{`{"a":1}   `, 10, true},
		{`{"a":1}    `, 10, false}, // white space counts too
		{`1`, 0, false},
		{`1`, -1, false},
		{`"` + strings.Repeat("x", 100_000) + `"`, 100_002, true},
		{`"` + strings.Repeat("x", 100_000) + `"`, 100_001, false},
		{`1`, 1<<63 - 1, true},
	}
	for _, tt := range tests {
		for name, body := range map[string]io.Reader{
			"at once":      strings.NewReader(tt.body),
			"byte by byte": iotest{strings.NewReader(tt.body)},
		} {
			var v any
			err := http.ReadJSONLimit(httptest.NewRequest("POST", "/", body), &v, tt.limit)
			if (err == nil) != tt.ok || !tt.ok && err != http.ErrBodyTooLarge {
				t.Errorf("%.20q of %d bytes, limit %d, %s: %v", tt.body, len(tt.body), tt.limit, name, err)
			}
		}
	}
	var v any
	exact := `"` + strings.Repeat("x", 1<<20-2) + `"`
	if err := http.ReadJSON(testkit.NewRequest("POST", "/", exact), &v); err != nil {
		t.Errorf("a body of exactly 1 MB: %v", err)
	}
	if err := http.ReadJSON(testkit.NewRequest("POST", "/", exact+" "), &v); err != http.ErrBodyTooLarge {
		t.Errorf("a body of 1 MB and a byte: %v", err)
	}
}

// iotest reads one byte at a time.
type iotest struct{ r io.Reader }

func (o iotest) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestReadJSONReportsTheLimitOfAMaxBytesReader(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(io.ReadCloser) io.ReadCloser{
		"bare":          func(r io.ReadCloser) io.ReadCloser { return r },
		"wrapped error": func(r io.ReadCloser) io.ReadCloser { return wrappedErrors{r} },
	} {
		r := testkit.NewRequest("POST", "/", `{"a":1}`)
		r.Body = wrap(http.MaxBytesReader(httptest.NewRecorder(), r.Body, 3))
		var v any
		if err := http.ReadJSON(r, &v); !errors.Is(err, http.ErrBodyTooLarge) {
			t.Errorf("%s: %v, want ErrBodyTooLarge", name, err)
		}
	}
}

type wrappedErrors struct{ io.ReadCloser }

func (w wrappedErrors) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("decompress: %w", err)
	}
	return n, err
}

func TestReadJSONOfABodyThatFails(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection reset by 10.1.2.3")
	r := testkit.NewRequest("POST", "/", "")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"a":`), errorReader{cause}))
	var v any
	err := http.ReadJSON(r, &v)
	if !errors.Is(err, cause) || strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("error %v, want one around the cause that keeps its text", err)
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

func TestReadJSONOfARequestWithoutABody(t *testing.T) {
	t.Parallel()
	var v any
	for _, r := range []*http.Request{new(http.Request), {Body: http.NoBody}} {
		if err := http.ReadJSON(r, &v); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("error %v", err)
		}
	}
}

func TestReadJSONKeepsTheUnderlyingError(t *testing.T) {
	t.Parallel()
	var dst struct{ A int }
	err := http.ReadJSON(testkit.NewRequest("POST", "/", `{"A":"x"}`), &dst)
	if typeError, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok || typeError.Field != "A" {
		t.Errorf("error %#v", err)
	}
	err = http.ReadJSON(testkit.NewRequest("POST", "/", `{`), &dst)
	if _, ok := errors.AsType[*json.SyntaxError](err); !ok || !strings.HasPrefix(err.Error(), "http: ") {
		t.Errorf("error %#v", err)
	}
}

// keeper retains the argument of UnmarshalJSON, which a type should not do, but might.
type keeper []byte

func (k *keeper) UnmarshalJSON(b []byte) error { *k = b; return nil }

func TestReadJSONDoesNotReuseTheMemoryOfABody(t *testing.T) {
	t.Parallel()
	bodies := []string{`{"A":"first"}`, `{"A":"other"}`, `{"A":"` + strings.Repeat("x", 10_000) + `"}`, `[`, `{"A":1}x`}
	kept := make([]struct{ A keeper }, len(bodies))
	for i, body := range bodies {
		_ = http.ReadJSON(testkit.NewRequest("POST", "/", body), &kept[i]) // the last two are malformed
	}
	for i, body := range bodies[:3] {
		if got := string(kept[i].A); got != body[5:len(body)-1] {
			t.Errorf("the value of %.20s became %.20s", body, got)
		}
	}
}

// Reading allocates no more than the size of the body in addition to json.Unmarshal.
// The test is not parallel, because other tests allocate too.
func TestReadJSONOfABadBodyAllocatesLittle(t *testing.T) {
	if testkit.Race {
		t.Skip("slow, and there is nothing to race here")
	}
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	const size = 1 << 20
	for name, body := range map[string]string{
		"malformed":         `["` + strings.Repeat("x", size-3) + `"`,
		"of the wrong type": "[" + strings.Repeat("1,", (size-4)/2) + `""]`,
		"over the limit":    strings.Repeat(" ", 3*size),
	} {
		for _, chunked := range []bool{false, true} {
			r := testkit.NewRequest("POST", "/", body)
			if chunked {
				r.ContentLength = -1
			}
			var errs [2]error
			plain := allocated(func() { errs[0] = json.Unmarshal([]byte(body), new([]int)) }) // with a copy of the body
			ours := allocated(func() { errs[1] = http.ReadJSON(r, new([]int)) })
			if errs[0] == nil || errs[1] == nil {
				t.Errorf("a body that is %s was accepted", name)
			}
			if most := 2*max(plain, size) + 64<<10; ours > most {
				t.Errorf("a body that is %s (chunked %t): %d bytes allocated, want at most %d", name, chunked, ours, most)
			}
		}
	}
}

func TestReadJSONPanicsForADestinationThatIsNotAPointer(t *testing.T) {
	t.Parallel()
	for _, dst := range []any{nil, struct{}{}, map[string]int{}, (*int)(nil)} {
		for name, f := range map[string]func(){
			"ReadJSON": func() { _ = http.ReadJSON(testkit.NewRequest("POST", "/", "1"), dst) }, // panics
			"BindJSON": func() { http.BindJSON(httptest.NewRecorder(), testkit.NewRequest("POST", "/", "1"), dst) },
		} {
			if got := panicText(f); !strings.Contains(got, "request_test.go:") || !strings.Contains(got, "pointer") {
				t.Errorf("%s into %T panicked with %q", name, dst, got)
			}
		}
	}
}

// TestOversizedBodyClosesTheConnection sends a body over the limit, followed by another
// request, through different middleware. The client must get the whole response and
// then the end of the connection. If only net/http knows the connection, the server may
// respond to the other request instead, but must not read the body as a request.
func TestOversizedBodyClosesTheConnection(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	bind := func(w http.ResponseWriter, r *http.Request) {
		var v any
		http.BindJSON(w, r, &v)
	}
	read := func(w http.ResponseWriter, r *http.Request) {
		var v any
		if err := http.ReadJSON(r, &v); err != nil {
			http.WriteError(w, http.StatusBadRequest, err.Error())
		}
	}
	copied := func(h http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r.WithContext(r.Context())) })
	}
	opaque := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bind(struct{ http.ResponseWriter }{w}, r)
	})
	limited := func(h http.HandlerFunc, n int64) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, n)
			h(w, r)
		})
	}
	state := proxies(t, "1.1.1.1/32")
	stages := http.Chain(http.Compress(http.CompressConfig{MinSize: 1}), http.ETag(http.ETagConfig{}))
	timeout := func(h http.HandlerFunc) http.Handler { return nethttp.TimeoutHandler(h, time.Hour, "") }
	handlers := []struct {
		name    string
		handler http.Handler
		mayKeep bool // the connection
	}{
		{"BindJSON", http.HandlerFunc(bind), false},
		{"BindJSON with a copied request", copied(bind), false},
		{"BindJSON behind middleware", state(copied(bind)), false},
		{"BindJSON behind stages", state(stages(copied(bind))), false},
		{"BindJSON with an opaque writer", opaque, false},
		{"BindJSON behind a smaller limit", limited(bind, limit/2), false},
		{"BindJSON behind a larger limit", limited(bind, 2*limit), false},
		{"ReadJSON", http.HandlerFunc(read), true},
		{"ReadJSON with a copied request", copied(read), true},
		{"ReadJSON behind middleware", state(copied(read)), false},
		{"ReadJSON behind stages", state(stages(copied(read))), false},
		{"ReadJSON behind a timeout behind middleware", state(timeout(read)), false},
		{"ReadJSON behind MaxBody", http.MaxBody(2 * limit)(copied(read)), false},
		{"ReadJSON behind a smaller limit", limited(read, limit/2), false},
		{"ReadJSON behind a larger limit", limited(read, 2*limit), true},
	}
	for _, tt := range handlers {
		srv := testkit.StartServer(t, testkit.HTTP1, tt.handler)
		for _, excess := range []int{1, 450 << 10, 3 << 20} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d over/chunked %v", tt.name, excess, chunked), func(t *testing.T) {
					t.Parallel()
					sendOversized(t, srv, limit+excess, chunked, tt.mayKeep)
				})
			}
		}
	}
}

// sendOversized sends a JSON string that is longer than the limit.
func sendOversized(t *testing.T, srv *testkit.Server, size int, chunked, mayKeep bool) {
	conn := testkit.Dial(t, srv.Addr())
	body := `"` + strings.Repeat("x", size-2) + `"`
	message := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body)
	if chunked {
		message = fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn.Conn, message+"GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") // the server stops reading
	}()
	res := conn.ReadResponse("POST")
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 400 || !strings.Contains(errorOf(t, string(answer)), "too large") {
		t.Errorf("answered %d %q, %v", res.StatusCode, answer, err)
	}
	if !res.Close && !mayKeep {
		t.Errorf("the response does not announce that the connection closes: %v", res.Header)
	}
	rest := conn.ReadAll() // the second response is to a request without a body
	if kept := mayKeep && !res.Close; kept && !strings.Contains(rest, "body is empty") || !kept && rest != "" {
		t.Errorf("the connection was used again: %q", rest)
	}
	conn.Close()
	<-sent
}

// A handler that continues after http.TimeoutHandler has responded must not change the
// response, which another goroutine has sent, or the next one.
func TestLateOversizedReadJSONLeavesTheConnectionAlone(t *testing.T) {
	t.Parallel()
	answered, done := make(chan struct{}), make(chan struct{})
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/late" {
			return
		}
		defer close(done)
		<-answered
		r.Body = io.NopCloser(strings.NewReader("{}"))
		if err := http.ReadJSONLimit(r, new(any), 1); err != http.ErrBodyTooLarge {
			t.Errorf("ReadJSONLimit: %v", err)
		}
	})
	chain := http.Chain(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(slog.New(slog.DiscardHandler)))
	srv := testkit.StartServer(t, testkit.HTTP1, chain(nethttp.TimeoutHandler(late, 50*time.Millisecond, "")))
	conn := testkit.Dial(t, srv.Addr())
	for _, target := range []string{"/late", "/next", "/next"} {
		conn.Send("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
		res := conn.ReadResponse("GET")
		if _, err := io.ReadAll(res.Body); err != nil || res.Close {
			t.Errorf("%s: the connection closes (%v)", target, err)
		}
		if target == "/late" {
			close(answered)
			<-done
		}
	}
}

func TestAcceptedBodyKeepsTheConnection(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v any
		if http.BindJSON(w, r, &v) {
			http.WriteJSON(w, http.StatusOK, v)
		}
	}))
	conn := testkit.Dial(t, srv.Addr())
	for _, body := range []string{`{"a":1}`, `{"a":`, ``, `[1] x`, `"` + strings.Repeat("x", 1<<20-2) + `"`} {
		conn.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		res := conn.ReadResponse("POST")
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.Close {
			t.Fatalf("%.10q: the connection closes (%v)", body, err)
		}
	}
}

func TestOversizedBodyInHTTP2(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"BindJSON": func(w http.ResponseWriter, r *http.Request) {
			var v any
			http.BindJSON(w, r, &v)
		},
		"ReadJSON": func(w http.ResponseWriter, r *http.Request) {
			var v any
			if err := http.ReadJSON(r, &v); err == http.ErrBodyTooLarge {
				http.WriteError(w, http.StatusBadRequest, "too large")
			}
		},
	} {
		srv := testkit.StartServer(t, testkit.HTTP2, handler)
		for range 2 {
			res, err := srv.Client().Post(srv.URL, "application/json", bytes.NewReader(make([]byte, 3<<20)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 400 || res.Header.Get("Connection") != "" {
				t.Errorf("%s: answered %d %q %v, %v", name, res.StatusCode, body, res.Header, err)
			}
			res.Body.Close()
		}
	}
}

func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{
		``, ` `, `null`, `{"a":1,"b":["x"],"c":{"d":1.5}}`, `{"a":"x"}`, `{"a":1}{"a":2}`, `[[[[`, `"abc"`, `{"a":1e999}`,
		"\ufeff{}", `{"a":1,"a":2}`, `{"b":[1,2]}`, `{"c":{"d":"x"}}`,
	} {
		f.Add([]byte(s))
	}
	type target struct {
		A int
		B []string
		C map[string]float64
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want target
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		err, wantErr := http.ReadJSONLimit(r, &got, int64(len(body))), json.Unmarshal(body, &want)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("ReadJSON(%q) = %v, %+v; Unmarshal = %v, %+v", body, err, got, wantErr, want)
		}
		if len(body) == 0 {
			return
		}
		r = httptest.NewRequest("POST", "/", bytes.NewReader(body))
		if err := http.ReadJSONLimit(r, &got, int64(len(body))-1); err != http.ErrBodyTooLarge {
			t.Errorf("one byte over the limit: %v", err)
		}
	})
}

func BenchmarkQueryParam(b *testing.B) {
	r := testkit.NewRequest("GET", "/?sort=created_at&order=desc&limit=20&offset=40&q=a+b", "")
	b.Run("QueryParam", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = http.QueryParam(r, "offset")
		}
	})
	b.Run("url.Query.Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = r.URL.Query().Get("offset")
		}
	})
	b.Run("ParsePagination+QueryParamSort", func(b *testing.B) {
		b.ReportAllocs()
		allowed := []string{"id", "email", "created_at"}
		for b.Loop() {
			_ = http.ParsePagination(r, 50, 100)
			_, _ = http.QueryParamSort(r, allowed, "id", "DESC")
		}
	})
	b.Run("by hand from one url.Query", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var q url.Values = r.URL.Query()
			_, _, _, _ = q.Get("limit"), q.Get("offset"), q.Get("sort"), q.Get("order")
		}
	})
}

func BenchmarkReadJSON(b *testing.B) {
	body := []byte(`{"name":"Ada Lovelace","email":"ada@example.com","tags":["a","b","c"],"age":36}`)
	type user struct {
		Name, Email string
		Tags        []string
		Age         int
	}
	reader := bytes.NewReader(body)
	r := httptest.NewRequest("POST", "/", nil)
	r.Body = io.NopCloser(reader)
	b.Run("ReadJSON", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			reader.Reset(body)
			var u user
			if err := http.ReadJSON(r, &u); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json.Decoder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			reader.Reset(body)
			var u user
			if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&u); err != nil {
				b.Fatal(err)
			}
		}
	})
}
