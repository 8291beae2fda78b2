package http_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// fieldsOf returns the fields of a JSON error response, and checks its form.
func fieldsOf(t *testing.T, res *testkit.Response) map[string]string {
	t.Helper()
	var v struct {
		Error  string
		Fields map[string]string
	}
	if err := json.Unmarshal([]byte(res.Body), &v); err != nil || v.Error == "" || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the body %q is not a JSON error: %v", res.Body, err)
	}
	for name, problem := range v.Fields {
		if !strings.Contains(v.Error, name+": "+problem) {
			t.Errorf("the error %q does not contain the problem of %s: %s", v.Error, name, problem)
		}
	}
	return v.Fields
}

func TestTypedParamsOverTheNetwork(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := http.PathParamAs[uint32](w, r, "id")
		if !ok {
			return
		}
		addr, ok := http.QueryParamAs[netip.Addr](w, r, "addr")
		if !ok {
			return
		}
		wait, ok := http.QueryParamAsOr(w, r, "wait", time.Minute)
		if !ok {
			return
		}
		days, ok := http.QueryParamsAs[*int](w, r, "day")
		if !ok {
			return
		}
		fmt.Fprintln(w, id, addr, wait, len(days))
	})
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		srv.Get(t, "/users/7?addr=::1&day=1&day=2").Want(t, 200, "7 ::1 1m0s 2\n")
		srv.Get(t, "/users/%37?addr=%3A%3A1&wait=5s&wait=x&day=").Want(t, 200, "7 ::1 5s 0\n")
		for path, want := range map[string]map[string]string{
			"/users/abc?addr=::1":                             {"id": "must be an integer"},
			"/users/-1?addr=::1":                              {"id": "must be an integer from 0 to 4294967295"},
			"/users/4294967296":                               {"id": "must be an integer from 0 to 4294967295"},
			"/users/7":                                        {"addr": "is required"},
			"/users/7?addr=&addr=::1":                         {"addr": "is required"},
			"/users/7?addr=%zz&addr=::1":                      {"addr": "is not percent-encoded correctly"},
			"/users/7?addr=::1;wait=5":                        {"addr": "is not percent-encoded correctly"},
			"/users/7?addr=::1&wait=5":                        {"wait": "must be a duration such as 1m30s"},
			"/users/7?addr=::1&wait=%f":                       {"wait": "is not percent-encoded correctly"},
			"/users/7?addr=::1&day=1&day=x&day=y":             {"day": "value 2 must be an integer"},
			"/users/7?addr=::1&day=1&day=%zz":                 {"day": "is not percent-encoded correctly"},
			"/users/7?addr=::1" + strings.Repeat("&", 10_000): nil,
		} {
			res := srv.Get(t, path)
			if got := fieldsOf(t, res); res.StatusCode != 400 || !reflect.DeepEqual(got, want) {
				t.Errorf("%.60s: %d %s, want %v", path, res.StatusCode, res.Body, want)
			}
		}
	})
}

func TestTypedParamsPanicForUnsupportedTypes(t *testing.T) {
	t.Parallel()
	w, r := httptest.NewRecorder(), testkit.NewRequest("GET", "/", "")
	for name, f := range map[string]func(){
		"PathParamAs":    func() { http.PathParamAs[struct{}](w, r, "a") },
		"QueryParamAs":   func() { http.QueryParamAs[[]byte](w, r, "a") },
		"QueryParamAsOr": func() { http.QueryParamAsOr(w, r, "a", map[string]int{}) },
		"QueryParamsAs":  func() { http.QueryParamsAs[any](w, r, "a") },
	} {
		if got := panicText(f); !strings.Contains(got, "bind_test.go:") || !strings.Contains(got, name+": the type") {
			t.Errorf("%s panicked with %q", name, got)
		}
	}
	if w.Body.Len() > 0 {
		t.Errorf("wrote %q", w.Body)
	}
}

// eight has fields of eight types.
type eight struct {
	Page   int           `query:"page" form:"page"`
	Limit  uint16        `query:"limit" form:"limit"`
	Sort   string        `query:"sort" form:"sort"`
	Desc   bool          `query:"desc" form:"desc"`
	Min    float64       `query:"min" form:"min"`
	Max    *float32      `query:"max" form:"max"`
	Within time.Duration `query:"within" form:"within"`
	Tags   []string      `query:"tag" form:"tag"`
}

func TestBindQueryOverTheNetwork(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var query eight
		if http.BindQuery(w, r, &query) {
			http.WriteJSON(w, 200, query)
		}
	})
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		srv.Get(t, "/?page=2&limit=50&sort=a+b%26&desc=on&min=-1.5&max=2&within=1s&tag=a&tag=b,c&extra=%zz").
			Want(t, 200, `{"Page":2,"Limit":50,"Sort":"a b\u0026","Desc":true,"Min":-1.5,"Max":2,"Within":1000000000,"Tags":["a","b,c"]}`)
		srv.Get(t, "/").Want(t, 200, `{"Page":0,"Limit":0,"Sort":"","Desc":false,"Min":0,"Max":null,"Within":0,"Tags":null}`)
		srv.Get(t, "/?page=x&limit=70000&sort=%ff&desc=2&min=NaN&max=1e99&within=1&tag=%80").Want(t, 400,
			`{"error":"desc: must be true or false; limit: must be an integer from 0 to 65535; max: is out of range; min: must be a number; `+
				`page: must be an integer; sort: must be valid UTF-8; tag: value 1 must be valid UTF-8; within: must be a duration such as 1m30s",`+
				`"fields":{"desc":"must be true or false","limit":"must be an integer from 0 to 65535","max":"is out of range","min":"must be a number",`+
				`"page":"must be an integer","sort":"must be valid UTF-8","tag":"value 1 must be valid UTF-8","within":"must be a duration such as 1m30s"}}`)
		srv.Get(t, "/?"+strings.Repeat("tag=x&", 1000)).Want(t, 200,
			`{"Page":0,"Limit":0,"Sort":"","Desc":false,"Min":0,"Max":null,"Within":0,"Tags":[`+strings.Repeat(`"x",`, 999)+`"x"]}`)
		srv.Get(t, "/?"+strings.Repeat("a=1&", 10_001)).Want(t, 400, `{"error":"too many query parameters"}`)
	})
}

// eightRequest returns a request with values for most fields of eight, and others.
func eightRequest() *http.Request {
	return testkit.NewRequest("GET", "/?page=2&limit=50&sort=created_at&desc=true&min=1.5&within=5m&extra=1&other=x", "")
}

// The test is not parallel, because other tests allocate too.
func TestBindQueryAllocatesLittle(t *testing.T) {
	plain := eightRequest()
	escaped := testkit.NewRequest("GET", "/?page=%32&limit=5%30&sort=created%5Fat+%26&desc=%74rue&min=%2B1.5&within=%35m&%65xtra=+", "")
	for r, most := range map[*http.Request]float64{
		plain:   1, // the struct
		escaped: 2, // and the decoded text
	} {
		if n := testing.AllocsPerRun(200, func() {
			var query eight
			if !http.BindQuery(nil, r, &query) || query.Page != 2 || query.Within != 5*time.Minute {
				t.Errorf("%+v", query)
			}
		}); n > most {
			t.Errorf("%s: %v allocations, want %v", r.URL, n, most)
		}
	}
}

func TestBindPanicsForWrongDestinations(t *testing.T) {
	t.Parallel()
	r := testkit.NewRequest("GET", "/", "")
	for _, dst := range []any{nil, eight{}, (*eight)(nil), new(int), new(map[string]string), new(*eight), new(any)} {
		for name, f := range map[string]func(){
			"BindQuery": func() { http.BindQuery(httptest.NewRecorder(), r, dst) },
			"BindForm":  func() { http.BindForm(httptest.NewRecorder(), r, dst) },
			"ReadQuery": func() { _ = http.ReadQuery(r, dst) }, // panics
			"ReadForm":  func() { _ = http.ReadForm(r, dst) },  // panics
		} {
			if got := panicText(f); !strings.Contains(got, "bind_test.go:") || !strings.Contains(got, "non-nil pointer to a struct") {
				t.Errorf("%s into %T panicked with %q", name, dst, got)
			}
		}
	}
	type Wrong struct {
		A int `query:"a,min=3"`
		B any `query:"b"`
	}
	got := panicText(func() { http.BindQuery(httptest.NewRecorder(), r, new(Wrong)) })
	if !strings.Contains(got, "bind_test.go:") || !strings.Contains(got, `Wrong.A: unknown option "min=3"`) || !strings.Contains(got, "Wrong.B: the type") {
		t.Errorf("panicked with %q", got)
	}
	got = panicText(func() { http.BindForm(httptest.NewRecorder(), r, new(Wrong)) })
	if !strings.Contains(got, "no field of http_test.Wrong has a tag such as form:") {
		t.Errorf("panicked with %q", got)
	}
}

// multipartForm returns a multipart body and its type. Names that start with @ are files.
func multipartForm(t *testing.T, pairs ...string) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	form := multipart.NewWriter(&buf)
	for i := 0; i < len(pairs); i += 2 {
		var part io.Writer
		var err error
		if name, ok := strings.CutPrefix(pairs[i], "@"); ok {
			part, err = form.CreateFormFile(name, "file.txt")
		} else {
			part, err = form.CreateFormField(name)
		}
		if err == nil {
			_, err = io.WriteString(part, pairs[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String(), form.FormDataContentType()
}

const urlencoded = "application/x-www-form-urlencoded"

func TestBindFormOverTheNetwork(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var form eight
		if http.BindForm(w, r, &form) {
			fmt.Fprintf(w, "%d %s %t %q", form.Page, form.Sort, form.Desc, form.Tags)
		}
	})
	multi, multiType := multipartForm(t, "page", "2", "sort", "a+b%26ü", "desc", "on", "tag", "x", "@upload", "data", "", "none", "tag", "y", "page", "3")
	wrong, wrongType := multipartForm(t, "page", "x", "sort", "\xff", "@page", "5")
	const shortType = "multipart/form-data; boundary=b"
	parts := func(n int) string {
		return strings.Repeat("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", n) + "--b--"
	}
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range []struct {
			name, contentType, body string
			status                  int
			want                    string
		}{
			{"URL-encoded", urlencoded, "page=2&sort=a+b%26&desc=on&tag=x&tag=y", 200, `2 a b& true ["x" "y"]`},
			{"charset", urlencoded + "; charset=utf-8", "page=2", 200, `2  false []`},
			{"empty", urlencoded, "", 200, `0  false []`},
			{"brackets", urlencoded, "a[b][c]=1&tag[]=1&tag[0]=2", 200, `0  false []`},
			{"exactly the limit", urlencoded, "page=2&x=" + strings.Repeat("x", 1<<20-9), 200, `2  false []`},
			{"too large", urlencoded, "page=2&x=" + strings.Repeat("x", 1<<20-8), 400, `{"error":"request body too large"}`},
			{"too many", urlencoded, strings.Repeat("a&", 10_000), 400, `{"error":"too many form fields"}`},
			{"wrong", urlencoded, "page=x&sort=%zz", 400,
				`{"error":"page: must be an integer; sort: is not percent-encoded correctly","fields":{"page":"must be an integer","sort":"is not percent-encoded correctly"}}`},
			{"multipart", multiType, multi, 200, `2 a+b%26ü true ["x" "y"]`},
			{"wrong multipart", wrongType, wrong, 400,
				`{"error":"page: must be an integer; sort: must be valid UTF-8","fields":{"page":"must be an integer","sort":"must be valid UTF-8"}}`},
			{"most parts", shortType, parts(10_000), 200, `0  false []`},
			{"too many parts", shortType, parts(10_001), 400, `{"error":"too many form fields"}`},
			{"truncated multipart", multiType, multi[:len(multi)-10], 400, `{"error":"malformed multipart form"}`},
			{"multipart truncated in a header", shortType, parts(1)[:len(parts(1))-2] + "\r\nContent-Disposition: form-data; na", 400, `{"error":"malformed multipart form"}`},
			{"multipart truncated before a header", shortType, parts(1)[:len(parts(1))-2] + "\r\n", 400, `{"error":"malformed multipart form"}`},
			{"empty multipart", multiType, "", 400, `{"error":"malformed multipart form"}`},
			{"no boundary", "multipart/form-data", multi, 400, `{"error":"malformed multipart form"}`},
			{"no type", "", "page=2", 415, `{"error":"the Content-Type must be application/x-www-form-urlencoded or multipart/form-data"}`},
			{"JSON", "application/json", `{"page":2}`, 415, `{"error":"the Content-Type must be application/x-www-form-urlencoded or multipart/form-data"}`},
			{"multipart of another kind", "multipart/mixed; boundary=x", "", 415, `{"error":"the Content-Type must be application/x-www-form-urlencoded or multipart/form-data"}`},
		} {
			for _, method := range []string{"POST", "DELETE"} {
				res := srv.Do(t, method, "/?page=9&sort=%zz&x;y", tt.body, "Content-Type: "+tt.contentType)
				if res.StatusCode != tt.status || res.Body != tt.want {
					t.Errorf("%s %s: %d %s\nwant %d %s", method, tt.name, res.StatusCode, res.Body, tt.status, tt.want)
				}
			}
		}
	})
}

func TestBindFormLeavesTheBodyToOtherReaders(t *testing.T) {
	t.Parallel()
	multi, multiType := multipartForm(t, "page", "2", "token", "secret", "@upload", "data")
	for name, prepare := range map[string]func(*http.Request) error{
		"BindForm first":           func(*http.Request) error { return nil },
		"FormValue first":          func(r *http.Request) error { r.FormValue("token"); return nil },
		"ParseForm first":          func(r *http.Request) error { return r.ParseForm() },
		"ParseMultipartForm first": func(r *http.Request) error { r.ParseMultipartForm(1 << 20); return nil }, //
	} {
		srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := prepare(r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			var form struct {
				Page int `form:"page,required"`
			}
			for range 2 {
				if !http.BindForm(w, r, &form) {
					return
				}
			}
			_, file, err := r.FormFile("upload")
			fmt.Fprintln(w, form.Page, r.FormValue("token"), err == nil && file.Size == 4)
		}))
		srv.Do(t, "POST", "/", multi, "Content-Type: "+multiType).Want(t, 200, "2 secret true\n")
		srv.Do(t, "PUT", "/", "page=2&token=secret", "Content-Type: "+urlencoded).Want(t, 200, "2 secret false\n")
	}
}

// An oversized form closes the connection, as an oversized JSON body does, and other
// invalid forms do not. A limit of outer middleware has the same effect.
// ParseForm reads the body only of POST, PUT and PATCH requests.
func TestBindFormReadsABodyThatParseFormHasIgnored(t *testing.T) {
	t.Parallel()
	r := testkit.NewRequest("DELETE", "/", "page=2", "Content-Type: "+urlencoded)
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	var form struct {
		Page int `form:"page,required"`
	}
	if err := http.ReadForm(r, &form); err != nil || form.Page != 2 {
		t.Errorf("page %d, %v", form.Page, err)
	}
}

func TestOversizedFormClosesTheConnection(t *testing.T) {
	t.Parallel()
	bind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.BindForm(w, r, new(eight))
	})
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.ReadForm(r, new(eight)); err != nil {
			http.WriteError(w, http.StatusBadRequest, err.Error())
		}
	})
	for name, handler := range map[string]http.Handler{
		"BindForm": bind, "BindForm in the documented chain": documentedChain()(bind), "BindForm behind MaxBody": http.MaxBody(1 << 19)(bind),
		"ReadForm in the documented chain": documentedChain()(read), "ReadForm behind MaxBody": http.MaxBody(1 << 19)(read),
	} {
		srv := testkit.StartServer(t, testkit.HTTP1, handler)
		for body, closes := range map[string]bool{"page=x": false, strings.Repeat("x", 1<<20+1): true} {
			conn := testkit.Dial(t, srv.Addr())
			conn.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", urlencoded, len(body), body))
			res := conn.ReadResponse("POST")
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 400 || res.Close != closes {
				t.Errorf("%s, %d bytes: %d, closes: %t, %v", name, len(body), res.StatusCode, res.Close, err)
			}
		}
	}
}

func TestReadFormOfABodyThatFails(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection reset by 10.1.2.3")
	r := testkit.NewRequest("POST", "/", "", "Content-Type: "+urlencoded)
	r.Body = io.NopCloser(errorReader{cause})
	err := http.ReadForm(r, new(eight))
	if !errors.Is(err, cause) || strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("error %v", err)
	}
	r.Body = http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader("page=1")), 3)
	if err := http.ReadForm(r, new(eight)); !errors.Is(err, http.ErrBodyTooLarge) {
		t.Errorf("error %v", err)
	}
	r.Body = nil
	if err := http.ReadForm(r, new(eight)); err != nil {
		t.Errorf("without a body: %v", err)
	}
}

// checked has a Validate method that returns an error of the test.
type checked struct {
	A     int `query:"a" form:"a" json:"a"`
	err   error
	calls int
}

func (c *checked) Validate() error { c.calls++; return c.err }

// byValue has a Validate method with a value receiver.
type byValue struct {
	A int `query:"a" form:"a" json:"a"`
}

func (v byValue) Validate() error {
	if v.A != 1 {
		return http.FieldErrors{"a": "must be 1"}
	}
	return http.FieldErrors{}
}

// binders returns the Bind functions, each with a request for a.
func binders(a string) map[string]func(w http.ResponseWriter, dst any) bool {
	body := func(contentType, text string) *http.Request {
		return testkit.NewRequest("POST", "/", text, "Content-Type: "+contentType)
	}
	object := `{"a":` + a + `}`
	return map[string]func(w http.ResponseWriter, dst any) bool{
		"BindQuery": func(w http.ResponseWriter, dst any) bool {
			return http.BindQuery(w, testkit.NewRequest("GET", "/?a="+url.QueryEscape(a), ""), dst)
		},
		"BindForm":      func(w http.ResponseWriter, dst any) bool { return http.BindForm(w, body(urlencoded, "a="+a), dst) },
		"BindJSON":      func(w http.ResponseWriter, dst any) bool { return http.BindJSON(w, body("", object), dst) },
		"BindJSONLimit": func(w http.ResponseWriter, dst any) bool { return http.BindJSONLimit(w, body("", object), dst, 100) },
		"BindJSONStrict": func(w http.ResponseWriter, dst any) bool {
			return http.BindJSONStrict(w, body("application/json", object), dst, 100)
		},
	}
}

func TestBindCallsValidate(t *testing.T) {
	t.Parallel()
	wrong := http.FieldErrors{"b": "must be set", "a": "must be 2"}
	for _, tt := range []struct {
		err  error
		want string // the body, or "" for success
	}{
		{nil, ""},
		{http.FieldErrors{}, ""},
		{http.FieldErrors(nil), ""},
		{errors.New("too \"late\""), `{"error":"too \"late\""}`},
		{wrong, `{"error":"a: must be 2; b: must be set","fields":{"a":"must be 2","b":"must be set"}}`},
		{fmt.Errorf("user: %w", wrong), `{"error":"user: a: must be 2; b: must be set","fields":{"a":"must be 2","b":"must be set"}}`},
		{
			errors.Join(wrong, errors.New("too late"), fmt.Errorf("more: %w", http.FieldErrors{"b": "is odd", "c": "is bad"})),
			`{"error":"a: must be 2; b: must be set; too late; more: b: is odd; c: is bad","fields":{"a":"must be 2","b":"must be set; is odd","c":"is bad"}}`,
		},
		{errors.Join(http.FieldErrors{}, http.FieldErrors(nil)), ""},
		{errors.Join(http.FieldErrors{}, errors.Join(http.FieldErrors{}, errors.New("too late"))), `{"error":"too late"}`},
		{http.Errorf(409, "taken: %w", errSecret), `{"error":"taken"}`},
		{fmt.Errorf("user: %w", &http.StatusError{Err: errors.Join(errSecret, wrong)}),
			`{"error":"internal server error","fields":{"a":"must be 2","b":"must be set"}}`},
		{(*http.StatusError)(nil), `{"error":"http: nil *StatusError"}`},
		{problems{"a": "must be 2"}, `{"error":"validation failed","fields":{"a":"must be 2"}}`},
		{
			errors.Join(http.FieldErrors{"a": "is odd"}, http.FieldErrors{"a": "is odd"}),
			`{"error":"a: is odd; a: is odd","fields":{"a":"is odd"}}`,
		},
		{fmt.Errorf("no: %w", http.ErrBodyTooLarge), `{"error":"no: http: request body too large"}`},
	} {
		for name, bind := range binders("1") {
			dst, rec := &checked{err: tt.err}, httptest.NewRecorder()
			ok := bind(rec, dst)
			if ok != (tt.want == "") || rec.Body.String() != tt.want || !ok && rec.Code != 400 || dst.A != 1 || dst.calls != 1 {
				t.Errorf("%s, %v: %t, %d %s, %d calls; want %s", name, tt.err, ok, rec.Code, rec.Body, dst.calls, tt.want)
			}
		}
	}
	for name, bind := range binders("2") {
		rec := httptest.NewRecorder()
		if bind(rec, new(byValue)) || rec.Body.String() != `{"error":"a: must be 1","fields":{"a":"must be 1"}}` {
			t.Errorf("%s: %s", name, rec.Body)
		}
	}
	for _, name := range []string{"BindJSON", "BindJSONLimit", "BindJSONStrict"} {
		rec, dst := httptest.NewRecorder(), new(*byValue)
		if binders("2")[name](rec, &dst) || rec.Code != 400 {
			t.Errorf("%s into a pointer: %d", name, rec.Code)
		}
		if !http.BindJSON(rec, testkit.NewRequest("POST", "/", "null"), &dst) || dst != nil {
			t.Errorf("%s: null into a pointer: %v", name, dst)
		}
		rec = httptest.NewRecorder()
		var boxed any = new(byValue)
		if binders("2")[name](rec, &boxed) || rec.Code != 400 {
			t.Errorf("%s into a pointer in an interface: %d", name, rec.Code)
		}
	}
	for name, bind := range binders(`"x"`) {
		dst := new(checked)
		if bind(httptest.NewRecorder(), dst) || dst.calls != 0 {
			t.Errorf("%s: Validate was called %d times although a is wrong", name, dst.calls)
		}
	}
}

// A circular is a pointer that can only point to another one.
type circular *circular

func TestEndlessPointersAreNotSupported(t *testing.T) {
	t.Parallel()
	r := testkit.NewRequest("GET", "/?a=1", "")
	wantPanicMatch(t, `bind_test.go:\d+: struct.A: the type http_test.circular is not supported`, func() {
		http.BindQuery(httptest.NewRecorder(), r, &struct {
			A circular `query:"a"`
		}{})
	})
	wantPanicMatch(t, `bind_test.go:\d+: .*http_test.circular`, func() { http.QueryParamAs[circular](httptest.NewRecorder(), r, "a") })
}

func TestReadDoesNotCallValidate(t *testing.T) {
	t.Parallel()
	dst := &checked{err: errors.New("invalid")}
	for name, err := range map[string]error{
		"ReadQuery":      http.ReadQuery(testkit.NewRequest("GET", "/?a=1", ""), dst),
		"ReadForm":       http.ReadForm(testkit.NewRequest("POST", "/", "a=1", "Content-Type: "+urlencoded), dst),
		"ReadJSON":       http.ReadJSON(testkit.NewRequest("POST", "/", `{"a":1}`), dst),
		"ReadJSONLimit":  http.ReadJSONLimit(testkit.NewRequest("POST", "/", `{"a":1}`), dst, 10),
		"ReadJSONStrict": http.ReadJSONStrict(testkit.NewRequest("POST", "/", `{"a":1}`, "Content-Type: application/json"), dst, 10),
	} {
		if err != nil || dst.calls != 0 {
			t.Errorf("%s: %v, %d calls", name, err, dst.calls)
		}
	}
}

func TestBindJSONLimitAndStrictOverTheNetwork(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("POST /limit", func(w http.ResponseWriter, r *http.Request) {
		var v struct{ A int }
		if http.BindJSONLimit(w, r, &v, 10) {
			fmt.Fprint(w, v.A)
		}
	})
	router.HandleFunc("POST /strict", func(w http.ResponseWriter, r *http.Request) {
		var v struct{ A int }
		if http.BindJSONStrict(w, r, &v, 30) {
			fmt.Fprint(w, v.A)
		}
	})
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		const kind = "Content-Type: "
		srv.Do(t, "POST", "/limit", `{"a":1}   `).Want(t, 200, "1")
		srv.Do(t, "POST", "/limit", `{"a":1}    `).Want(t, 400, `{"error":"request body too large"}`)
		srv.Do(t, "POST", "/limit", `{"A":1,"a":2,"x":3}`[:10], kind+"text/plain").
			Want(t, 400, `{"error":"malformed JSON: the text ends too early, at offset 10"}`)
		for _, contentType := range []string{"application/json", "application/json; charset=UTF-8", "application/merge-patch+json"} {
			srv.Do(t, "POST", "/strict", `{"a":1}`, kind+contentType).Want(t, 200, "1")
		}
		for _, contentType := range []string{"", "text/plain", urlencoded, "json"} {
			srv.Do(t, "POST", "/strict", `{"a":1}`, kind+contentType).Want(t, 415, `{"error":"the Content-Type must be application/json"}`)
		}
		srv.Do(t, "POST", "/strict", `{"a":1}`, kind+"application/json; charset=latin1").
			Want(t, 415, `{"error":"the charset in the Content-Type must be UTF-8"}`)
		srv.Do(t, "POST", "/strict", `{"a":1,"b":2}`, kind+"application/json").Want(t, 400, `{"error":"unknown field \"b\" at offset 7"}`)
		srv.Do(t, "POST", "/strict", `{"a":1,"A":2}`, kind+"application/json").Want(t, 400, `{"error":"duplicate field \"A\" at offset 7"}`)
		srv.Do(t, "POST", "/strict", strings.Repeat(" ", 31), kind+"application/json").Want(t, 400, `{"error":"request body too large"}`)
	})
}

// Whatever the client sends, binding needs little more memory than the input has. The
// test is not parallel, because other tests allocate too.
func TestBindingHostileInputNeedsLittleMemory(t *testing.T) {
	type lists struct {
		A []string `query:"a,comma" form:"a,comma"`
		B []int8   `query:"b" form:"b"`
		C string   `query:"c" form:"c"`
	}
	const size = 1 << 20
	for name, input := range map[string]string{
		"commas":            "a=" + strings.Repeat(",", size-2),
		"elements":          "a=" + strings.Repeat("1,", size/2-1),
		"encoded commas":    "a=" + strings.Repeat("%2C", size/3-1),
		"wrong elements":    "b=" + strings.Repeat("x", size-2),
		"a long number":     "b=" + strings.Repeat("9", size-2),
		"pairs":             strings.Repeat("a=1&", size/4),
		"escaped":           "c=" + strings.Repeat("%20", size/3-1),
		"invalid UTF-8":     "c=" + strings.Repeat("%FF", size/3-1),
		"escaped keys":      strings.Repeat("%63", size/3),
		"malformed escapes": "c=" + strings.Repeat("%", size-2),
		"semicolons":        strings.Repeat(";c=1", size/4),
		"equals signs":      strings.Repeat("c=", size/2),
	} {
		query := testkit.NewRequest("GET", "/", "")
		query.URL.RawQuery = input
		form := testkit.NewRequest("POST", "/", input, "Content-Type: "+urlencoded)
		var errs [2]error
		if n := allocated(func() { errs[0] = http.ReadQuery(query, new(lists)) }); n > 3*size {
			t.Errorf("%s in a query: %d bytes allocated, %v", name, n, errs[0])
		}
		if n := allocated(func() { errs[1] = http.ReadForm(form, new(lists)) }); n > 6*size {
			t.Errorf("%s in a form: %d bytes allocated, %v", name, n, errs[1])
		}
		if len(fmt.Sprint(errs)) > 300 {
			t.Errorf("%s: the errors have %d bytes", name, len(fmt.Sprint(errs)))
		}
	}
}

// FuzzReadForm compares ReadForm with what net/http finds in the same body.
func FuzzReadForm(f *testing.F) {
	f.Add("A=x&B=1&B=2&C=5", false)
	f.Add("A=%zz&C=x", false)
	f.Add("--b\r\nContent-Disposition: form-data; name=A\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"C\"\r\n\r\n5\r\n--b--", true)
	f.Add("--b\r\nContent-Disposition: form-data; name=A; filename=x\r\n\r\nx\r\n--b--\r\n", true)
	f.Add("--b\n", true)
	f.Fuzz(func(t *testing.T, body string, isMultipart bool) {
		contentType := urlencoded
		if isMultipart {
			contentType = "multipart/form-data; boundary=b"
		}
		var got struct {
			A string   `form:"A"`
			B []string `form:"B"`
			C int      `form:"C"`
		}
		err := http.ReadForm(testkit.NewRequest("POST", "/", body, "Content-Type: "+contentType), &got)
		r := testkit.NewRequest("POST", "/", body, "Content-Type: "+contentType)
		parse := r.ParseForm
		if isMultipart {
			parse = func() error { return r.ParseMultipartForm(1 << 20) }
		}
		parseErr := parse()
		fields, isFields := errors.AsType[http.FieldErrors](err)
		if isMultipart && err != nil && !isFields && !strings.Contains(body, "--b--") {
			return // net/http accepts some forms without an end
		}
		if isMultipart && (parseErr != nil) != (err != nil && !isFields) {
			t.Fatalf("%q: %v; net/http: %v", body, err, parseErr)
		}
		if parseErr != nil {
			return
		}
		if a := r.PostForm.Get("A"); fields["A"] == "" && got.A != a {
			t.Errorf("%q: A is %q, want %q", body, got.A, a)
		}
		b := slices.DeleteFunc(r.PostForm["B"], func(s string) bool { return s == "" })
		if fields["B"] == "" && !slices.Equal(got.B, b) {
			t.Errorf("%q: B is %q, want %q", body, got.B, b)
		}
		c, numberErr := strconv.Atoi(r.PostForm.Get("C"))
		if wrong := numberErr != nil && r.PostForm.Get("C") != ""; wrong != (fields["C"] != "") || !wrong && got.C != c {
			t.Errorf("%q: C is %d, %v; want %d, %v", body, got.C, fields, c, numberErr)
		}
	})
}

func BenchmarkBindQuery(b *testing.B) {
	r := eightRequest()
	b.ReportAllocs()
	for b.Loop() {
		var query eight
		if !http.BindQuery(nil, r, &query) {
			b.Fatal("not bound")
		}
	}
}

func BenchmarkQueryParamAsOr(b *testing.B) {
	r := eightRequest()
	b.ReportAllocs()
	for b.Loop() {
		if limit, ok := http.QueryParamAsOr(nil, r, "limit", 10); !ok || limit != 50 {
			b.Fatal(limit)
		}
	}
}
