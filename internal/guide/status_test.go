package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	nethttp "net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A visitor is a browser with its own cookies.
type visitor struct {
	t      *testing.T
	url    string
	dir    string // for uploaded files
	site   http.Handler
	client *nethttp.Client
}

// open starts the site and returns a function that creates visitors.
func open(t *testing.T) func() *visitor {
	t.Helper()
	dir := t.TempDir()
	srv := httptest.NewServer(routes(config{
		dir: dir, logger: slog.New(slog.DiscardHandler), metrics: http.NewMetrics(),
	}))
	t.Cleanup(srv.Close)
	return func() *visitor {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return &visitor{t, srv.URL, dir, srv.Config.Handler, &nethttp.Client{Jar: jar}}
	}
}

// call sends a request with a JSON body, and returns the status and the body of the
// response. fields are header fields of the form "Name: value".
func (v *visitor) call(method, path, body string, fields ...string) (int, string) {
	v.t.Helper()
	r, err := nethttp.NewRequest(method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// logIn logs in as Ann.
func (v *visitor) logIn() *visitor {
	v.t.Helper()
	if status, answer := v.call("POST", "/api/login", `{"user":"ann","password":"correct horse"}`); status != 204 {
		v.t.Fatalf("login: %d %s", status, answer)
	}
	return v
}

func TestIncidents(t *testing.T) {
	t.Parallel()
	newVisitor := open(t)
	ann, reader := newVisitor().logIn(), newVisitor()
	tests := []struct {
		who          *visitor
		method, path string
		body         string
		status       int
		answer       string // a substring of the body
	}{
		{reader, "POST", "/api/incidents", `{}`, 401, `{"error":"please log in"}`},
		{ann, "POST", "/api/incidents", `{"title":"","severity":"bad"}`, 400, `"severity":"must be one of minor, major, critical","title":"must have 1 to 200 characters"`},
		{ann, "POST", "/api/incidents", `{"title":"x","severity":"minor","admin":true}`, 400, `unknown field`},
		{ann, "POST", "/api/incidents", `{"title":"Mail is slow","severity":"minor"}`, 201, `"id":1`},
		{ann, "POST", "/api/incidents", `{"title":"=1+1","severity":"critical"}`, 201, `"id":2`},
		{ann, "POST", "/api/incidents/1/updates", `{"text":"Fixed.","state":"resolved"}`, 201, `"user":"ann"`},
		{ann, "POST", "/api/incidents/9/updates", `{"text":"Fixed."}`, 404, `{"error":"no such incident"}`},
		{reader, "GET", "/api/incidents/1", "", 200, `"state":"resolved"`},
		{reader, "GET", "/api/incidents/x", "", 400, `id`},
		{reader, "GET", "/api/incidents?state=open", "", 200, `"total":1`},
		{reader, "GET", "/api/incidents?severity=minor,major", "", 200, `"total":1`},
		{reader, "GET", "/api/incidents?since=2100-01-01T00:00:00Z", "", 200, `{"incidents":[],"total":0}`},
		{reader, "GET", "/api/incidents?state=x&since=y", "", 400, `"since"`},
		{reader, "GET", "/api/incidents?limit=1&offset=1", "", 200, `{"incidents":[{"id":1,`},
		{reader, "GET", "/api/incidents.csv", "", 200, "2,'=1+1,critical,open,"},
		{reader, "GET", "/api/nope", "", 404, `{"error":"no such endpoint"}`},
		{reader, "PUT", "/api/incidents", "", 405, `{"error":"method not allowed"}`},
		{reader, "GET", "/", "", 200, "<title>Status</title>"},
		{ann, "DELETE", "/api/incidents/2", "", 204, ""},
		{ann, "DELETE", "/api/incidents/2", "", 404, ""},
	}
	for _, tt := range tests {
		if status, answer := tt.who.call(tt.method, tt.path, tt.body); status != tt.status || !strings.Contains(answer, tt.answer) {
			t.Errorf("%s %s %s: %d %s, want %d and %s", tt.method, tt.path, tt.body, status, answer, tt.status, tt.answer)
		}
	}
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	newVisitor := open(t)
	ann := newVisitor().logIn()
	if status, answer := ann.call("GET", "/api/me", ""); status != 200 || answer != `{"user":"ann"}` {
		t.Errorf("me: %d %s", status, answer)
	}
	// A page of another site sends a request with Ann's cookie.
	if status, answer := ann.call("DELETE", "/api/incidents/1", "", "Sec-Fetch-Site: cross-site"); status != 403 {
		t.Errorf("from another site: %d %s", status, answer)
	}
	ann.call("POST", "/api/logout", "")
	if status, _ := ann.call("GET", "/api/me", ""); status != 401 {
		t.Errorf("after logging out: %d", status)
	}
	for n, want := range []int{401, 401, 401, 401, 401, 429} {
		if status, _ := ann.call("POST", "/api/login", `{"user":"ann","password":"wrong"}`); status != want {
			t.Errorf("attempt %d: %d, want %d", n+1, status, want)
		}
	}
}

// A browser accepts a cookie with this name only from the host itself, over HTTPS.
func TestPlantedCookie(t *testing.T) {
	t.Parallel()
	s := newSessions(true)
	mallory, ann := s.cookie(s.add("mallory"), 1), s.cookie(s.add("ann"), 1)
	if !strings.HasPrefix(ann.Name, "__Host-") {
		t.Errorf("the name is %s", ann.Name)
	}
	r := httptest.NewRequest("GET", "/api/me", nil)
	mallory.Name = "session" // planted by another subdomain, for a longer path
	r.AddCookie(mallory)
	r.AddCookie(ann)
	w := httptest.NewRecorder()
	s.identify(http.HandlerFunc(me)).ServeHTTP(w, r)
	if got := w.Body.String(); got != `{"user":"ann"}` {
		t.Errorf("got %s", got)
	}
}

// Checking a password takes time, so the logins of each address are limited too.
func TestManyLogIns(t *testing.T) {
	t.Parallel()
	v := open(t)()
	for n := range 21 {
		want := 400
		if n == 20 {
			want = 429
		}
		if status, _ := v.call("POST", "/api/login", `{}{}`); status != want {
			t.Errorf("attempt %d: %d, want %d", n+1, status, want)
		}
	}
}

// In a synctest bubble, time advances when all goroutines are blocked.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(false)
		handler := s.identify(requireUser(http.HandlerFunc(me)))
		r := httptest.NewRequest("GET", "/api/me", nil)
		r.AddCookie(s.cookie(s.add("ann"), 1))
		for _, want := range []int{200, 401} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("got %d, want %d", w.Code, want)
			}
			time.Sleep(sessionLength)
		}
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()
	newVisitor := open(t)
	ann, reader := newVisitor().logIn(), newVisitor()
	ann.call("POST", "/api/incidents", `{"title":"Mail is slow","severity":"minor"}`)
	const png = "\x89PNG\r\n\x1a\n a graph"
	upload := func(path, content string) (int, string) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("file", "../graph.png")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(part, content)
		form.Close()
		return ann.call("POST", path, body.String(), "Content-Type: "+form.FormDataContentType())
	}
	if status, _ := upload("/api/incidents/9/files", png); status != 404 {
		t.Errorf("to an incident that does not exist: %d", status)
	}
	if status, _ := upload("/api/incidents/1/files", "<script>"); status != 415 {
		t.Errorf("of another type: %d", status)
	}
	if status, _ := upload("/api/incidents/1/files", png+strings.Repeat("x", 5<<20)); status != 413 {
		t.Errorf("too large: %d", status)
	}
	status, answer := upload("/api/incidents/1/files", png)
	var uploaded struct{ File string }
	if err := json.Unmarshal([]byte(answer), &uploaded); status != 201 || err != nil {
		t.Fatalf("%d %s", status, answer)
	}
	if status, content := reader.call("GET", "/api/incidents/1/files/"+uploaded.File, ""); status != 200 || content != png {
		t.Errorf("download: %d %q", status, content)
	}
	if status, _ := reader.call("GET", "/api/incidents/1/files/..%2Fstatus_test.go", ""); status != 404 {
		t.Errorf("another file: %d", status)
	}
	// A slow client gets more time than the server's write timeout, here the shortest.
	hasty := httptest.NewUnstartedServer(reader.site)
	hasty.Config.WriteTimeout = time.Nanosecond
	hasty.Start()
	t.Cleanup(hasty.Close)
	reader.url = hasty.URL
	if status, content := reader.call("GET", "/api/incidents/1/files/"+uploaded.File, ""); status != 200 || content != png {
		t.Errorf("slow download: %d %q", status, content)
	}
	ann.call("DELETE", "/api/incidents/1", "")
	if left, err := os.ReadDir(ann.dir); len(left) > 0 || err != nil {
		t.Errorf("after the incident was deleted: %v %v", left, err)
	}
}
