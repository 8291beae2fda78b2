package browser_test

import (
	"context"
	"io"
	"log"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestPageOfTheGuide uses the page of docs/guide.md in two tabs: it logs in, reports an
// incident, which appears in both, chats, loads the page again, and logs out, which the other
// tab notices when it is refused.
func TestPageOfTheGuide(t *testing.T) {
	t.Parallel()
	address := startGuide(t)
	b := newBrowser(t)
	editor, reader := b.open(), b.open()
	reader.visit(address)
	editor.visit(address)
	editor.fill("login", map[string]string{"user": "ann", "password": "wrong"})
	editor.wait("wrong password", `document.getElementById('problem').textContent === 'wrong user or password'`)
	editor.fill("login", map[string]string{"user": "ann", "password": "correct horse"})
	editor.wait("logged in", `!document.getElementById('editor').hidden`)
	editor.fill("report", map[string]string{"title": "Mail is slow"})
	const shown = `document.getElementById('incidents').textContent === 'minor: Mail is slow'`
	editor.wait("reported", shown)
	reader.wait("in the other tab", shown)
	editor.fill("say", map[string]string{"text": "hello"})
	const said = `document.getElementById('messages').textContent === 'ann: hello'`
	editor.wait("said", said)
	editor.visit("about:blank")
	editor.visit(address)
	editor.wait("again with the incidents", shown)
	editor.wait("again with the chat", said)
	reader.visit(address)
	reader.wait("logged in like the other tab", `!document.getElementById('room').hidden`)
	editor.show()
	editor.eval(`document.getElementById('logout').click()`)
	const loggedOut = `document.getElementById('editor').hidden && !document.getElementById('login').hidden`
	editor.wait("logged out", loggedOut)
	reader.fill("report", map[string]string{"title": "refused"})
	reader.wait("told to log in", `document.getElementById('problem').textContent === 'please log in'`)
	reader.wait("logged out like the other tab", loggedOut)
}

// A page whose connection to the server is lost, and to which a proxy responds with 502, is
// not logged out. When the server responds again, it returns to the chat.
func TestPageOfTheGuideAfterAnOutage(t *testing.T) {
	t.Parallel()
	proxy := newOutage(t, startGuide(t))
	page := newBrowser(t).open()
	page.visit(proxy.url)
	page.fill("login", map[string]string{"user": "ann", "password": "correct horse"})
	page.wait("logged in", `!document.getElementById('editor').hidden`)
	page.fill("say", map[string]string{"text": "one"})
	page.wait("said", `document.getElementById('messages').textContent === 'ann: one'`)
	proxy.begin()
	for testkit.Receive(t, proxy.refused, "request during the outage") != "/api/me" {
	}
	page.fill("report", map[string]string{"title": "Mail is slow"})
	page.wait("told about the failure", `document.getElementById('problem').textContent !== ''`)
	proxy.end()
	const again = `document.querySelector('#say [name=text]').value = 'two', document.getElementById('say').requestSubmit()`
	page.wait("back in the chat", `(`+again+`, document.getElementById('messages').textContent.includes('ann: two'))`)
	page.wait("still logged in", `document.getElementById('login').hidden`)
}

// An outage is a proxy that can cut all connections and respond with 502.
type outage struct {
	url     string
	refused chan string // paths

	mu      sync.Mutex
	ongoing bool
	ctx     context.Context // of the requests that the proxy passes on
	cut     context.CancelFunc
}

// newOutage starts a proxy that first passes all requests on.
func newOutage(t *testing.T, target string) *outage {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog: log.New(io.Discard, "", 0),
	}
	o := &outage{refused: make(chan string, 1000)}
	o.end()
	l := listen(t)
	o.url = "http://" + l.Addr().String()
	serve(t, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		ongoing, cut := o.ongoing, o.ctx
		o.mu.Unlock()
		if ongoing {
			o.refused <- r.URL.Path
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(cut, cancel)()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(o.begin) // before the server is closed
	return o
}

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ongoing = true
	o.cut()
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ongoing = false
	o.ctx, o.cut = context.WithCancel(context.Background())
}

// fill fills in a form of the page and submits it.
func (t *tab) fill(form string, values map[string]string) {
	t.b.t.Helper()
	for name, value := range values {
		t.eval(`document.querySelector('#` + form + ` [name=` + name + `]').value = '` + value + `'`)
	}
	t.eval(`document.getElementById('` + form + `').requestSubmit()`)
}

// wait shows the page, and waits until a condition is true.
func (t *tab) wait(what, condition string) {
	t.b.t.Helper()
	t.show()
	const until = `(async (f) => { for (let i = 0; i < 500 && !f(); i++) await new Promise((done) => setTimeout(done, 20)); return f(); })`
	if got := t.eval(until + `(() => ` + condition + `)`); got != true {
		t.b.t.Errorf("%s: %v", what, t.eval(`document.body.innerText`))
	}
}

// startGuide builds and starts the program of the guide, and returns its URL.
func startGuide(t *testing.T) string {
	t.Helper()
	tools.Require(t, "curl")
	program := filepath.Join(t.TempDir(), "status")
	testkit.Run(t, "../../guide", "go", "build", "-o", program, ".")
	public, internal := testkit.FreeAddress(t), testkit.FreeAddress(t)
	var output testkit.Log
	cmd := exec.Command(program, "-addr", public, "-internal-addr", internal, "-dir", t.TempDir())
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && err != os.ErrProcessDone {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, &output)
		}
	})
	ready := exec.Command("curl", "-s", "--retry", "100", "--retry-connrefused", "--retry-delay", "0", "--retry-max-time", "20", "http://"+internal+"/ready")
	if out, err := ready.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, &output)
	}
	return "http://" + public
}
