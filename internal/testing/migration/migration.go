// Package migration contains the requests for the programs in docs/migrating.md and the
// expected responses. The tests in internal/compare/docs send the requests to the programs
// that use other packages. The tests in internal/testing/docs send the same requests to the
// migrated programs. Only test files import it.
package migration

import (
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A Response is an expected response.
type Response struct {
	Status int
	Type   string // media type, without parameters
	Body   string // without white space at the end
}

// An Exchange is a request and the response of both programs.
type Exchange struct {
	Request string // method and target
	Body    string // of the request, in JSON
	Header  string // "Name: value", or ""
	Response
	// Original is the response of the original program if it differs. Only error responses
	// may differ.
	Original *Response
}

const (
	plain      = "text/plain"
	javaScript = "text/javascript"
	jsonType   = "application/json"
)

// script is the file that the programs with static files serve.
const script = "export {};"

// guarded are the exchanges of the programs with a route for admins.
var guarded = []Exchange{
	{Request: "GET /admin/stats", Header: "Authorization: admin", Response: Response{200, plain, "stats"}},
	{Request: "GET /admin/stats", Response: Response{401, jsonType, `{"error":"admin required"}`}},
}

// NetHTTP are the exchanges of the programs for net/http.
var NetHTTP = []Exchange{
	{Request: "GET /users/7", Response: Response{200, jsonType, `{"id":7}`}},
	{Request: "GET /users/-7", Response: Response{200, jsonType, `{"id":-7}`}},
	{Request: "GET /users/x",
		Response: invalid("id: must be an integer", `"id":"must be an integer"`),
		Original: &Response{400, plain, "bad id"}},
}

// Chi are the exchanges of the programs for chi.
var Chi = append([]Exchange{
	{Request: "GET /users/ada", Response: Response{200, plain, "ada"}},
	{Request: "GET /debug/pprof/cmdline", Response: Response{200, plain, strings.Join(os.Args, "\x00")}},
}, guarded...)

// Gorilla are the exchanges of the programs for gorilla.
var Gorilla = append([]Exchange{
	{Request: "GET /users/7", Response: Response{200, plain, "7"}},
	{Request: "GET /users/x",
		Response: invalid("id: must be an integer", `"id":"must be an integer"`),
		Original: &Response{404, plain, "404 page not found"}},
	{Request: "GET /assets/app.js", Response: Response{200, javaScript, script}},
}, guarded...)

// Echo are the exchanges of the programs for echo.
var Echo = append([]Exchange{
	{Request: "POST /users/acme", Body: `{"id":7,"name":"Ada"}`, Response: Response{201, jsonType, `{"id":7,"name":"Ada"}`}},
	{Request: "POST /users/acme", Body: `{"name":"taken"}`,
		Response: Response{409, jsonType, `{"error":"name is taken"}`},
		Original: &Response{409, jsonType, `{"message":"name is taken"}`}},
	{Request: "POST /users/acme", Body: `{"name":7}`,
		Response: Response{400, jsonType, `{"error":"field \"name\" has a number where a string is expected (before offset 9)"}`},
		Original: &Response{400, jsonType, `{"message":"Bad Request"}`}},
	{Request: "GET /app.js", Response: Response{200, javaScript, script}},
	{Request: "GET /missing.js",
		Response: Response{404, jsonType, `{"error":"not found"}`},
		Original: &Response{404, jsonType, `{"message":"Not Found"}`}},
}, guarded...)

// Gin are the exchanges of the programs for gin.
var Gin = append([]Exchange{
	{Request: "GET /users/7", Response: Response{200, jsonType, `{"id":7,"view":"table"}`}},
	{Request: "GET /users/7?view=list", Response: Response{200, jsonType, `{"id":7,"view":"list"}`}},
	{Request: "GET /users/x",
		Response: invalid("id: must be an integer", `"id":"must be an integer"`),
		Original: &Response{400, jsonType, `{"error":"bad id"}`}},
	{Request: "GET /users?role=admin", Response: Response{200, jsonType, `{"page":1,"role":"admin"}`}},
	{Request: "GET /users?page=2&role=admin", Response: Response{200, jsonType, `{"page":2,"role":"admin"}`}},
	{Request: "GET /users?page=x",
		Response: invalid("page: must be an integer; role: is required", `"page":"must be an integer","role":"is required"`),
		Original: &Response{400, jsonType, `{"error":"strconv.ParseInt: parsing \"x\": invalid syntax"}`}},
	{Request: "POST /users", Body: `{"id":7,"name":"Ada"}`, Response: Response{201, jsonType, `{"id":7,"name":"Ada"}`}},
	{Request: "POST /users", Body: `{"id":7`,
		Response: Response{400, jsonType, `{"error":"malformed JSON: the text ends too early, at offset 7"}`},
		Original: &Response{400, jsonType, `{"error":"unexpected EOF"}`}},
}, guarded...)

// invalid returns a response of this package about fields with invalid values.
func invalid(message, fields string) Response {
	return Response{400, jsonType, `{"error":"` + message + `","fields":{` + fields + `}}`}
}

// Prepare changes to a new working directory with the static files of the programs.
func Prepare(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("dist", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("dist/app.js", []byte(script+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
}

// CheckOriginal waits until the original program serves at an address, sends the requests,
// and checks the responses.
func CheckOriginal(t *testing.T, address string, exchanges []Exchange) {
	t.Helper()
	waitFor(t, address)
	for _, e := range exchanges {
		want := e.Response
		if e.Original != nil {
			if e.Status < 400 || e.Original.Status < 400 {
				t.Errorf("%s: only error responses may differ", e.Request)
			}
			want = *e.Original
		}
		e.check(t, "http://"+address, want)
	}
}

// waitFor waits until a server accepts connections at an address.
func waitFor(t *testing.T, address string) {
	t.Helper()
	for start := time.Now(); ; {
		conn, err := net.DialTimeout("tcp", address, testkit.Patience)
		if err == nil {
			err = conn.Close()
		}
		if err == nil {
			return
		}
		if time.Since(start) > testkit.Patience {
			t.Fatal(err)
		}
	}
}

// CheckMigrated sends the requests to a migrated program, and checks the responses.
func CheckMigrated(t *testing.T, url string, exchanges []Exchange) {
	t.Helper()
	for _, e := range exchanges {
		e.check(t, url, e.Response)
	}
}

// check sends the request and checks the response.
func (e Exchange) check(t *testing.T, url string, want Response) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: testkit.Patience}
	method, target, _ := strings.Cut(e.Request, " ")
	fields := []string{"Content-Type: application/json"}
	if e.Header != "" {
		fields = append(fields, e.Header)
	}
	res := testkit.Do(t, client, testkit.NewRequest(method, url+target, e.Body, fields...))
	mediaType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if got := (Response{res.StatusCode, mediaType, strings.TrimSpace(res.Body)}); err != nil || got != want {
		t.Errorf("%s %s: got %v, %v, want %v", e.Request, e.Body, got, err, want)
	}
}
