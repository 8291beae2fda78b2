package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

var errSecret = errors.New("password=hunter2")

func TestReturnedErrorsDecideTheStatus(t *testing.T) {
	t.Parallel()
	readJSON := func(body string, limit int64) error {
		var v struct{ Age int }
		return http.ReadJSONLimit(testkit.NewRequest("POST", "/", body), &v, limit)
	}
	_, _, noFile := testkit.NewRequest("POST", "/", "--b--\r\n", "Content-Type: multipart/form-data; boundary=b").FormFile("f")
	_, noMultipart := testkit.NewRequest("POST", "/", "").MultipartReader()
	_, noBoundary := testkit.NewRequest("POST", "/", "", "Content-Type: multipart/form-data").MultipartReader()
	tests := []struct {
		name   string
		err    error
		status int
		body   string
		level  string // of the log line, or ""
	}{
		{"no error", nil, 200, "", ""},
		{"any error", errSecret, 500, `{"error":"internal server error"}`, "ERROR"},
		{"status", http.Errorf(404, "no user %d", 7), 404, `{"error":"no user 7"}`, ""},
		{"status with a cause", http.Errorf(404, "no user %d: %w", 7, errSecret), 404, `{"error":"no user 7"}`, "DEBUG"},
		{"only a cause", http.Errorf(409, "%w", errSecret), 409, `{"error":"conflict"}`, "DEBUG"},
		{"two causes", http.Errorf(400, "bad: %w, %w", errSecret, io.EOF), 400, `{"error":"bad: ,"}`, "DEBUG"},
		{"padded cause", http.Errorf(400, "bad: %30w", errSecret), 400, `{"error":"bad"}`, "DEBUG"},
		{"quoted cause", http.Errorf(400, "bad: %w", fmt.Errorf("%q", "a\nb")), 400, `{"error":"bad"}`, "DEBUG"},
		{"empty cause", http.Errorf(400, "bad: %w", errors.New("")), 400, `{"error":"bad: "}`, "DEBUG"},
		{"nil cause", http.Errorf(400, "bad: %w", error(nil)), 400, `{"error":"bad: %!w(\u003cnil\u003e)"}`, ""},
		{"cause that is a nil pointer", http.Errorf(400, "bad: %w", (*json.SyntaxError)(nil)), 400, `{"error":"bad"}`, "DEBUG"},
		{"wrapped status", fmt.Errorf("%w (%w)", http.Errorf(404, "no user"), errSecret), 404, `{"error":"no user"}`, "DEBUG"},
		{"server error with a status", &http.StatusError{Status: 502, Message: "no bank", Err: errSecret}, 502, `{"error":"no bank"}`, "ERROR"},
		{"server error without a cause", http.Errorf(503, "closed"), 503, `{"error":"closed"}`, "ERROR"},
		{"status without a message", &http.StatusError{Status: 404}, 404, `{"error":"not found"}`, ""},
		{"unknown status", &http.StatusError{Status: 799}, 799, `{"error":"error"}`, "ERROR"},
		{"zero status", &http.StatusError{Err: errSecret}, 500, `{"error":"internal server error"}`, "ERROR"},
		{"status of four digits", &http.StatusError{Status: 1000, Message: "odd"}, 500, `{"error":"odd"}`, "ERROR"},
		{"status of a success", http.Errorf(204, "odd"), 500, `{"error":"odd"}`, "ERROR"},
		{"nil pointer", (*http.StatusError)(nil), 500, `{"error":"internal server error"}`, "ERROR"},
		{"wrapped nil pointer", fmt.Errorf("x: %w", (*http.StatusError)(nil)), 500, `{"error":"internal server error"}`, "ERROR"},
		{"body too large", readJSON("{}   ", 2), 413, `{"error":"request body too large"}`, ""},
		{"limited reader", fmt.Errorf("copy: %w", &nethttp.MaxBytesError{Limit: 1}), 413, `{"error":"request body too large"}`, ""},
		{"JSON of a wrong type", fmt.Errorf("user: %w", readJSON(`{"age":"x"}`, 100)), 400, "", "DEBUG"},
		{"fields", fmt.Errorf("user: %w", http.FieldErrors{"b": "is bad", "a": "is odd"}), 400, `{"error":"a: is odd; b: is bad","fields":{"a":"is odd","b":"is bad"}}`, ""},
		{"joined fields", errors.Join(http.FieldErrors{"b": "is bad"}, http.FieldErrors{"a": "is odd"}), 400, `{"error":"a: is odd; b: is bad","fields":{"a":"is odd","b":"is bad"}}`, ""},
		{"fields that only As finds", fmt.Errorf("user: %w", problems{"a": "is odd"}), 400, `{"error":"a: is odd","fields":{"a":"is odd"}}`, ""},
		{"fields of a body that is too large", errors.Join(http.FieldErrors{"a": "is odd"}, http.ErrBodyTooLarge), 413, `{"error":"request body too large","fields":{"a":"is odd"}}`, ""},
		{"status with fields", http.Errorf(422, "bad user: %w", http.FieldErrors{"a": "is odd"}), 422, `{"error":"bad user","fields":{"a":"is odd"}}`, "DEBUG"},
		{"server error with fields of another server", http.Errorf(502, "no bank: %w", http.FieldErrors{"a": "hunter2"}), 502, `{"error":"no bank"}`, "ERROR"},
		{"form of a wrong type", http.ReadForm(testkit.NewRequest("POST", "/", "a=1"), new(eight)), 415,
			`{"error":"the Content-Type must be application/x-www-form-urlencoded or multipart/form-data"}`, "DEBUG"},
		{"own check of the type", fmt.Errorf("import: %w", http.ErrContentType), 415, `{"error":"unsupported Content-Type"}`, ""},
		{"errors of UnmarshalText", readJSONOf(&struct{ Level failingLevel }{}), 400, `{"error":"field \"Level\" has a string that is not valid"}`, "DEBUG"},
		{"no fields", http.FieldErrors{}, 500, `{"error":"internal server error"}`, "ERROR"},
		{"empty body", readJSON("", 100), 400, "", "DEBUG"},
		{"no file", noFile, 400, `{"error":"file is missing"}`, ""},
		{"no multipart", noMultipart, 415, `{"error":"request is not multipart/form-data"}`, ""},
		{"no boundary", noBoundary, 400, `{"error":"multipart body has no boundary"}`, ""},
		{"feed closed", http.ErrFeedClosed, 503, `{"error":"server is shutting down"}`, "ERROR"},
		{"time-out of a query", fmt.Errorf("query: %w", context.DeadlineExceeded), 503, `{"error":"request timed out"}`, "ERROR"},
		{"time-out of the handler", fmt.Errorf("stream: %w", http.ErrHandlerTimeout), 503, `{"error":"request timed out"}`, "ERROR"},
		{"cancelled by the program", context.Canceled, 500, `{"error":"internal server error"}`, "ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log testkit.Log
			r := testkit.NewRequest("POST", "/users/7", "")
			r = r.WithContext(http.ContextWithLogger(r.Context(), log.JSON()))
			got := testkit.Record(http.HandlerErrorFunc(func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("ETag", `"1"`)
				return tt.err
			}), r)
			if got.StatusCode != tt.status || tt.body != "" && got.Body != tt.body {
				t.Errorf("got %d %s, want %d %s", got.StatusCode, got.Body, tt.status, tt.body)
			}
			if strings.Contains(got.Body, "hunter2") {
				t.Errorf("the client gets the cause: %s", got.Body)
			}
			if tt.err != nil && got.Header.Get("ETag") != "" {
				t.Error("the error has the ETag of another body")
			}
			wantLevel(t, log.String(), tt.level)
			if strings.Contains(log.String(), `"error":null`) {
				t.Errorf("the log line has no error: %s", log.String())
			}
		})
	}
}

// problems is an error of a program that is FieldErrors for errors.As.
type problems map[string]string

func (p problems) Error() string { return "validation failed" }

func (p problems) As(target any) bool {
	fields, ok := target.(*http.FieldErrors)
	if ok {
		*fields = http.FieldErrors(p)
	}
	return ok
}

// wantLevel fails if the log has no line of the level, or if it has a line and the level is
// empty.
func wantLevel(t *testing.T, log, level string) {
	t.Helper()
	if log == "" != (level == "") || !strings.Contains(log, level) {
		t.Errorf("logged %q, want level %q", log, level)
	}
}

// A failingLevel cannot be decoded.
type failingLevel int

func (*failingLevel) UnmarshalText([]byte) error {
	return errors.Join(http.Errorf(422, "must be low"), http.FieldErrors{"level": "must be low"})
}

// readJSONOf returns the error of reading a level.
func readJSONOf(dst any) error {
	return http.ReadJSON(testkit.NewRequest("POST", "/", `{"level":"x"}`), dst)
}

func TestReturnedErrorOfAClientThatIsGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var log testkit.Log
	r := testkit.NewRequest("GET", "/", "").WithContext(http.ContextWithLogger(ctx, log.JSON()))
	metrics := http.NewMetrics()
	got := testkit.Record(metrics.Middleware()(http.HandlerErrorFunc(func(_ http.ResponseWriter, r *http.Request) error {
		return fmt.Errorf("query: %w", r.Context().Err())
	})), r)
	if got.StatusCode != 499 || !strings.Contains(log.String(), `"level":"DEBUG"`) || metrics.Stats().Status4xx != 1 {
		t.Errorf("status %d, logged %q", got.StatusCode, log.String())
	}
}

// A client whose stream is stopped before it has begun is still there.
func TestReturnedErrorOfAStreamThatTheServerStops(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	router := http.NewRouter()
	router.With(http.Streaming()).Handle("GET /", http.HandlerErrorFunc(func(_ http.ResponseWriter, r *http.Request) error {
		close(entered)
		<-r.Context().Done()
		return r.Context().Err()
	}))
	addr, log := testkit.FreeAddress(t), new(testkit.Log)
	srv := http.NewServer(http.RequestLogger(log.Text())(router), http.WithAddr(addr))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := testkit.Dial(t, addr)
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	testkit.Receive(t, entered, "the request")
	if err := srv.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	conn.Response("GET").Want(t, 503, `{"error":"server is shutting down"}`)
}

func TestReturnedErrorAfterTheResponseHasBegun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerErrorFunc
		bare    string // what the client gets without middleware; "" if the connection is aborted
		chained string // with middleware that holds bodies
	}{
		{"part of the body", func(w http.ResponseWriter, r *http.Request) error {
			io.WriteString(w, "part")
			return errSecret
		}, "", `500 {"error":"internal server error"}`},
		{"flushed", func(w http.ResponseWriter, r *http.Request) error {
			io.WriteString(w, "part")
			http.NewResponseController(w).Flush()
			return errSecret
		}, "", ""},
		{"complete", func(w http.ResponseWriter, r *http.Request) error {
			http.WriteError(w, 404, "gone")
			return errSecret
		}, `404 {"error":"gone"}`, `404 {"error":"gone"}`},
		{"without content", func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(204)
			return errSecret
		}, "204 ", "204 "},
		{"early hints", func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(103)
			return http.Errorf(404, "gone")
		}, `404 {"error":"gone"}`, `404 {"error":"gone"}`},
		{"shorter than declared", func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "part")
			return errSecret
		}, "", `500 {"error":"internal server error"}`},
		{"abort", func(w http.ResponseWriter, r *http.Request) error { return http.ErrAbortHandler }, "", ""},
	}
	hold := http.Chain(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))
	for _, tt := range tests {
		for wrapped, handler := range map[bool]http.Handler{false: tt.handler, true: hold(tt.handler)} {
			want := tt.bare
			if wrapped {
				want = tt.chained
			}
			testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
				got := "" // for an aborted response
				r, _ := nethttp.NewRequest("GET", srv.URL, nil)
				if resp, err := testkit.Send(srv.Client(), r); err == nil {
					got = fmt.Sprintf("%d %s", resp.StatusCode, resp.Body)
				}
				if got != want {
					t.Errorf("%s (in a chain: %v): got %q, want %q", tt.name, wrapped, got, want)
				}
			})
		}
	}
}

func TestReturnedErrorAfterADeadlineIsLoggedAsTheServers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	var log testkit.Log
	r := testkit.NewRequest("GET", "/", "").WithContext(http.ContextWithLogger(ctx, log.JSON()))
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("panic %v, want ErrAbortHandler", v)
		}
		wantLevel(t, log.String(), "ERROR") // the client has not disconnected
	}()
	testkit.Record(http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		io.WriteString(w, "part")
		return r.Context().Err()
	}), r)
}

func TestReturnedErrorOfATooLargeBodyClosesTheConnection(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerErrorFunc{
		"limited reader": func(_ http.ResponseWriter, r *http.Request) error {
			_, err := io.ReadAll(r.Body)
			return err
		},
		"status": func(http.ResponseWriter, *http.Request) error { return http.Errorf(413, "request body too large") },
	} {
		srv := testkit.StartServer(t, testkit.HTTP1, http.MaxBody(10)(handler))
		got := srv.Do(t, "POST", "/", strings.Repeat("x", 1000))
		got.Want(t, 413, `{"error":"request body too large"}`)
		if !got.Close {
			t.Errorf("%s: the connection stays open", name)
		}
	}
}

func TestReturnedErrorOfAWriteToAClientThatIsGone(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	returned := make(chan error, 1)
	handler := http.RequestLogger(log.JSON())(http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				returned <- err
				return fmt.Errorf("send: %w", err)
			}
		}
	}))
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.Close()
	testkit.Receive(t, returned, "the error of the write")
	srv.Close() // waits for the handler
	if got := log.Records(t)[0]; got["level"] != "DEBUG" || !strings.HasPrefix(fmt.Sprint(got["error"]), "send: ") {
		t.Errorf("logged %s", log.String())
	}
}

func TestReturnedErrorAfterAHijack(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		return errSecret
	}))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := conn.ReadAll(); !strings.HasSuffix(got, "ok") {
		t.Errorf("got %q", got)
	}
}

func TestRecoveryHandlesPanicsOfFunctionsThatReturnErrors(t *testing.T) {
	t.Parallel()
	handler := http.Recovery(func(any, []byte) {})(http.HandlerErrorFunc(func(http.ResponseWriter, *http.Request) error { panic("boom") }))
	testkit.Serve(t, handler, "GET", "/", "").Want(t, 500, `{"error":"internal server error"}`)
}

func TestWriteProblem(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		problem http.Problem
		status  int
		body    string
	}{
		{"zero", http.Problem{}, 500, `{"status":500,"title":"Internal Server Error"}`},
		{"status", http.Problem{Status: 404}, 404, `{"status":404,"title":"Not Found"}`},
		{"type without a title", http.Problem{Status: 403, Type: "/p"}, 403, `{"status":403,"type":"/p"}`},
		{"escapes", http.Problem{Status: 400, Title: "<a>", Detail: "\"\n"}, 400, `{"status":400,"title":"\u003ca\u003e","detail":"\"\n"}`},
		{"extensions", http.Problem{Status: 400, Extensions: map[string]any{"z": 1, "a": []int{2}}}, 400, `{"status":400,"title":"Bad Request","a":[2],"z":1}`},
		{"extension that cannot be encoded", http.Problem{Status: 400, Extensions: map[string]any{"f": func() {}}}, 500, `{"error":"internal server error"}`},
		{"no content", http.Problem{Status: 304}, 304, ""},
		{"unknown status", http.Problem{Status: 799}, 799, `{"status":799}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"1"`)
				http.WriteProblem(w, tt.problem)
			}), "GET", "/", "")
			want := tt.body
			got.Want(t, tt.status, want)
			if got.Header.Get("ETag") != "" {
				t.Error("the problem has the ETag of another body")
			}
		})
	}
	wantPanicMatch(t, `errors_test.go:\d+: WriteProblem: the extension "status"`, func() {
		http.WriteProblem(new(nullWriter), http.Problem{Extensions: map[string]any{"status": 1}})
	})
}
