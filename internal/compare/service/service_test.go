package service

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	nethttp "net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// programs are the services, with the directories of their sources.
var programs = map[string][]string{
	"stanza": {"../../guide"},
	"chi":    {"chi", "byhand"},
	"echo":   {"echo", "byhand"},
}

// All services respond alike.
func TestServices(t *testing.T) {
	t.Parallel()
	for name, dirs := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startService(t, dirs[0])
			if s.wrongMethod = 405; name == "echo" {
				s.wrongMethod = 404
			}
			s.checkResponses(t)
			s.checkUploads(t)
			s.checkLive(t)
			s.checkChat(t)
			s.stop(t)
		})
	}
}

// A service is a running program.
type service struct {
	// wrongMethod is the status for a wrong method. In echo, a handler for the unknown
	// paths of a group also gets these requests.
	wrongMethod int

	cmd      *exec.Cmd
	output   bytes.Buffer // read it only after the program has ended
	ended    chan error
	url      string
	internal string
	ann      *nethttp.Client // has logged in
	reader   *nethttp.Client
}

// startService builds and starts a program.
func startService(t *testing.T, dir string) *service {
	t.Helper()
	program := filepath.Join(t.TempDir(), "service")
	build := []string{"go", "build", "-o", program, "."}
	testkit.Run(t, dir, build...)
	public, internal := testkit.FreeAddress(t), testkit.FreeAddress(t)
	s := &service{url: "http://" + public, internal: "http://" + internal, ended: make(chan error, 1), ann: newClient(t), reader: newClient(t)}
	s.cmd = exec.Command(program, "-addr", public, "-internal-addr", internal, "-dir", t.TempDir())
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // fails if it has ended
	go func() { s.ended <- s.cmd.Wait() }()
	ready := exec.Command("curl", "-s", "--retry", "100", "--retry-connrefused", "--retry-delay", "0", "--retry-max-time", "20", s.internal+"/ready", s.url+"/")
	if out, err := ready.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

func newClient(t *testing.T) *nethttp.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &nethttp.Client{Jar: jar, Transport: &nethttp.Transport{}, Timeout: testkit.Patience}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// send sends a request with a JSON body.
func (s *service) send(t *testing.T, client *nethttp.Client, method, path, body string, fields ...string) *testkit.Response {
	t.Helper()
	if body != "" {
		fields = append([]string{"Content-Type: application/json"}, fields...)
	}
	res := testkit.Do(t, client, testkit.NewRequest(method, s.url+path, body, fields...))
	if res.Header.Get("Content-Type") == "application/json" {
		res.Body = strings.TrimSuffix(res.Body, "\n") // echo ends JSON with a line feed
	}
	return res
}

// created is replaced in responses, because it depends on the time.
var created = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

func (s *service) checkResponses(t *testing.T) {
	t.Helper()
	const one = `{"id":1,"title":"Mail is slow","severity":"minor","state":"open","created":"T","updates":[],"files":[]}`
	for _, tt := range []struct {
		who                *nethttp.Client
		method, path, body string
		status             int
		want               string // "-": not compared
	}{
		{s.reader, "GET", "/api/me", "", 401, `{"error":"please log in"}`},
		{s.reader, "POST", "/api/login", `{"user":"ann","password":"guess"}`, 401, `{"error":"wrong user or password"}`},
		{s.ann, "POST", "/api/login", `{"user":"ann","password":"correct horse"}`, 204, ""},
		{s.ann, "GET", "/api/me", "", 200, `{"user":"ann"}`},
		{s.reader, "POST", "/api/incidents", `{}`, 401, `{"error":"please log in"}`},
		{s.ann, "POST", "/api/incidents", `{"title":"","severity":"bad"}`, 400, `{"error":"severity: must be one of minor, major, critical; title: must have 1 to 200 characters","fields":{"severity":"must be one of minor, major, critical","title":"must have 1 to 200 characters"}}`},
		{s.ann, "POST", "/api/incidents", `{"title":`, 400, "-"},
		{s.ann, "POST", "/api/incidents", `{"title":"Mail is slow","severity":"minor"}`, 201, one},
		{s.ann, "POST", "/api/incidents", `{"title":"=1+1","severity":"critical"}`, 201, "-"},
		{s.reader, "GET", "/api/incidents/1", "", 200, one},
		{s.reader, "GET", "/api/incidents/9", "", 404, `{"error":"no such incident"}`},
		{s.reader, "GET", "/api/incidents/x", "", 400, `{"error":"id: must be an integer","fields":{"id":"must be an integer"}}`},
		{s.reader, "GET", "/api/incidents?severity=minor,major", "", 200, `{"incidents":[` + one + `],"total":1}`},
		{s.reader, "GET", "/api/incidents?limit=1&order=asc", "", 200, `{"incidents":[` + one + `],"total":2}`},
		{s.reader, "GET", "/api/incidents?state=x", "", 400, `{"error":"state: must be one of open, resolved","fields":{"state":"must be one of open, resolved"}}`},
		{s.reader, "GET", "/api/incidents?since=x", "", 400, `{"error":"since: must be a time such as T","fields":{"since":"must be a time such as T"}}`},
		{s.reader, "GET", "/api/incidents.csv", "", 200, "id,title,severity,state,created\n1,Mail is slow,minor,open,T\n2,'=1+1,critical,open,T\n"},
		{s.ann, "POST", "/api/incidents/2/updates", `{"text":"Fixed.","state":"resolved"}`, 201, "-"},
		{s.reader, "GET", "/api/incidents?state=resolved&since=2100-01-01T00:00:00Z", "", 200, `{"incidents":[],"total":0}`},
		{s.ann, "DELETE", "/api/incidents/2", "", 204, ""},
		{s.ann, "DELETE", "/api/incidents/2", "", 404, `{"error":"no such incident"}`},
		{s.reader, "GET", "/api/nope", "", 404, `{"error":"no such endpoint"}`},
		{s.reader, "PUT", "/api/incidents", "", s.wrongMethod, "-"},
		{s.reader, "GET", "/any/page", "", 200, "-"},
	} {
		res := s.send(t, tt.who, tt.method, tt.path, tt.body)
		got := strings.TrimSuffix(created.ReplaceAllString(res.Body, "T"), "\n")
		want := strings.TrimSuffix(tt.want, "\n")
		if res.StatusCode != tt.status || tt.want != "-" && got != want {
			t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.path, tt.body, res.StatusCode, got, tt.status, want)
		}
	}
	s.send(t, s.ann, "POST", "/api/logout", "", "Sec-Fetch-Site: cross-site").Want(t, 403, `{"error":"cross-origin request"}`)
	metrics := testkit.Get(t, s.reader, s.internal+"/metrics")
	if !strings.Contains(metrics.Body, "http_request_duration_seconds_count{") {
		t.Errorf("no metrics: %s", metrics)
	}
}

func (s *service) checkUploads(t *testing.T) {
	t.Helper()
	upload := func(content string) *testkit.Response {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("file", "../graph.png")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, content); err != nil {
			t.Fatal(err)
		}
		if err := form.Close(); err != nil {
			t.Fatal(err)
		}
		return s.send(t, s.ann, "POST", "/api/incidents/1/files", body.String(), "Content-Type: "+form.FormDataContentType())
	}
	const png = "\x89PNG\r\n\x1a\n a graph"
	if res := upload("<script>"); res.StatusCode != 415 {
		t.Errorf("another type: %v", res)
	}
	if res := upload(png + strings.Repeat("x", 5<<20)); res.StatusCode != 413 {
		t.Errorf("too large: %v", res)
	}
	res := upload(png)
	var stored struct{ File string }
	if err := json.Unmarshal([]byte(res.Body), &stored); err != nil || res.StatusCode != 201 {
		t.Fatalf("%v", res)
	}
	s.send(t, s.reader, "GET", "/api/incidents/1/files/"+stored.File, "").Want(t, 200, png)
	s.send(t, s.reader, "GET", "/api/incidents/1/files/other", "").Want(t, 404, `{"error":"no such file"}`)
}

func (s *service) checkLive(t *testing.T) {
	t.Helper()
	name, _, id, end := s.firstEvent(t, "")
	if name != "incidents" {
		t.Errorf("the stream begins with %s", name)
	}
	end()
	s.send(t, s.ann, "POST", "/api/incidents", `{"title":"later","severity":"major"}`)
	name, data, _, end := s.firstEvent(t, id)
	if name != "saved" || !strings.Contains(data, "later") {
		t.Errorf("after reconnecting: %s %s", name, data)
	}
	end()
}

// firstEvent opens the stream of the incidents, and returns its first event.
func (s *service) firstEvent(t *testing.T, after string) (name, data, id string, end func()) {
	t.Helper()
	r, err := nethttp.NewRequestWithContext(t.Context(), "GET", s.url+"/api/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", after)
	if after == "" {
		r.Header.Del("Last-Event-ID")
	}
	res, err := s.reader.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			return name, value, id, func() { res.Body.Close() }
		}
	}
	t.Fatalf("the stream has ended: %s", res.Status)
	return "", "", "", nil
}

func (s *service) checkChat(t *testing.T) {
	t.Helper()
	site, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	for _, cookie := range s.ann.Jar.Cookies(site) {
		header.Add("Cookie", cookie.String())
	}
	address := strings.Replace(s.url, "http", "ws", 1) + "/api/chat"
	if _, res, err := http.Dial(t.Context(), address, nil); err == nil || res.StatusCode != 401 {
		t.Errorf("without a session: %v %v", res, err)
	}
	conn, _, err := http.Dial(t.Context(), address, &http.DialOptions{Header: header})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteJSON(map[string]string{"text": " hello "}); err != nil {
		t.Fatal(err)
	}
	for {
		var event struct {
			Event string
			Data  struct{ User, Text string }
		}
		if err := conn.ReadJSON(&event); err != nil {
			t.Fatal(err)
		}
		if event.Event == "said" {
			if event.Data.User != "ann" || event.Data.Text != "hello" {
				t.Errorf("got %+v", event)
			}
			return
		}
	}
}

// stop sends SIGTERM to the program, which must have logged the user of a request.
func (s *service) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := testkit.Receive(t, s.ended, "the end of the program"); err != nil {
		t.Errorf("the program ended with %v: %s", err, &s.output)
	}
	if !strings.Contains(s.output.String(), `"user":"ann"`) {
		t.Errorf("the log has no user: %s", &s.output)
	}
}

// TestLines counts the lines of the programs, without blank lines, comments, and the store
// and passwords, which do not depend on the router.
func TestLines(t *testing.T) {
	t.Parallel()
	lines := make(map[string]int)
	for name, dirs := range programs {
		for _, dir := range dirs {
			lines[name] += linesIn(t, dir)
		}
	}
	t.Logf("stanza %d, chi %d, echo %d", lines["stanza"], lines["chi"], lines["echo"])
	if lines["stanza"] == 0 || lines["stanza"] > lines["chi"] || lines["stanza"] > lines["echo"] {
		t.Errorf("%v", lines)
	}
}

// linesIn returns the number of lines of code in a directory. Of the guide's service, the
// store and the passwords are left out.
func linesIn(t *testing.T, dir string) (lines int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || filepath.Base(path) == "store.go" {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(source), "// passwords are the hashes")
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				lines++
			}
		}
	}
	return lines
}
