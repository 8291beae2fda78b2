package browser_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestPageOfTheGuide uses the page of docs/guide.md in two tabs: it logs in, reports an
// incident, which appears in both, chats, loads the page again, and logs out.
func TestPageOfTheGuide(t *testing.T) {
	t.Parallel()
	url := startGuide(t)
	b := newBrowser(t)
	editor, reader := b.open(), b.open()
	reader.visit(url)
	editor.visit(url)
	fill := func(form string, values map[string]string) {
		for name, value := range values {
			editor.eval(`document.querySelector('#` + form + ` [name=` + name + `]').value = '` + value + `'`)
		}
		editor.eval(`document.getElementById('` + form + `').requestSubmit()`)
	}
	wait := func(tab *tab, what, condition string) {
		t.Helper()
		tab.show()
		const until = `(async (f) => { for (let i = 0; i < 500 && !f(); i++) await new Promise((done) => setTimeout(done, 20)); return f(); })`
		if got := tab.eval(until + `(() => ` + condition + `)`); got != true {
			t.Errorf("%s: %v", what, tab.eval(`document.body.innerText`))
		}
	}
	fill("login", map[string]string{"user": "ann", "password": "wrong"})
	wait(editor, "wrong password", `document.getElementById('problem').textContent === 'wrong user or password'`)
	fill("login", map[string]string{"user": "ann", "password": "correct horse"})
	wait(editor, "logged in", `!document.getElementById('editor').hidden`)
	fill("report", map[string]string{"title": "Mail is slow"})
	const shown = `document.getElementById('incidents').textContent === 'minor: Mail is slow'`
	wait(editor, "reported", shown)
	wait(reader, "in the other tab", shown)
	fill("say", map[string]string{"text": "hello"})
	const said = `document.getElementById('messages').textContent === 'ann: hello'`
	wait(editor, "said", said)
	editor.visit("about:blank")
	editor.visit(url)
	wait(editor, "again with the incidents", shown)
	wait(editor, "again with the chat", said)
	editor.eval(`document.getElementById('logout').click()`)
	wait(editor, "logged out", `document.getElementById('editor').hidden && !document.getElementById('login').hidden`)
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
