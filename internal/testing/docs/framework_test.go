package docs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// frameworkFiles are the files of a framework and of two modules that use it.
// The framework's package http is empty.
var frameworkFiles = map[string]string{
	"framework/go.mod":           "module github.com/stanza-go/framework\n\ngo 1.26\n",
	"framework/pkg/http/http.go": "package http\n",
	"framework/pkg/log/log.go":   "package log\n\nfunc Print() {}\n",
	"framework/pkg/auth/auth.go": "package auth\n\nimport \"github.com/stanza-go/framework/pkg/http\"\n\nvar Router = http.NewRouter()\n",
	"both/go.mod":                "module example.com/both\n\ngo 1.26\n",
	"both/both.go":               "package both\n\nimport (\n\t_ \"github.com/stanza-go/framework/pkg/auth\"\n\t_ \"github.com/stanza-go/framework/pkg/http\"\n\t_ \"github.com/stanza-go/framework/pkg/log\"\n)\n",
	"only/go.mod":                "module example.com/only\n\ngo 1.26\n",
	"only/only.go":               "package only\n\nimport _ \"github.com/stanza-go/framework/pkg/http\"\n",
}

// goCommand runs a command in a directory, without network access.
func goCommand(dir, command string) (string, error) {
	return testkit.TryRun(dir, []string{"GOPROXY=off", "GOWORK=off", "GOFLAGS="}, strings.Fields(command)...)
}

func TestReplacingThePackageOfTheFramework(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	for name, text := range frameworkFiles {
		path := filepath.Join(parent, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const ours, theirs = "github.com/stanza-go/framework/pkg/http", "github.com/stanza-go/framework"
	both, only := filepath.Join(parent, "both"), filepath.Join(parent, "only")
	must := func(dir, command string) string {
		t.Helper()
		out, err := goCommand(dir, strings.Replace(command, "../http", checkout, 1))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, dir := range []string{both, only} {
		must(dir, "go mod edit -require="+theirs+"@v0.0.0 -replace="+theirs+"=../framework -require="+ours+"@v0.0.0 -replace="+ours+"=../http")
		_, err := goCommand(dir, "go mod tidy")
		if want := strings.TrimSpace(block(t, "docs/migrating.md", "ambiguous import: ")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}

	must(only, "go mod edit -droprequire="+theirs)
	must(only, "go mod tidy")
	must(only, "go build ./...")

	for command := range strings.Lines(block(t, "docs/migrating.md", "rm -r ../framework/pkg/http")) {
		must(both, command)
	}
	must(both, "go build ./...")
	if module := must(both, "go list -f {{.Module.Path}} "+ours); strings.TrimSpace(module) != ours {
		t.Errorf("the package is in the module %s", module)
	}
}

// A frameworkLogger represents the framework's logger, and a frameworkLog its
// package log.
type (
	frameworkLog    struct{}
	frameworkLogger struct{ fields string }
	loggerKey       struct{}
)

func (frameworkLog) String(key, value string) string { return key + "=" + value }

func (frameworkLog) NewContext(ctx context.Context, l *frameworkLogger) context.Context {
	return context.WithValue(ctx, loggerKey{}, l)
}

func (frameworkLog) FromContext(ctx context.Context) *frameworkLogger {
	l, _ := ctx.Value(loggerKey{}).(*frameworkLogger)
	return l
}

func (l *frameworkLogger) With(field string) *frameworkLogger { return &frameworkLogger{field} }

func TestLoggerOfTheFramework(t *testing.T) {
	t.Parallel()
	var log frameworkLog
	output, logger := &console{t: t}, &frameworkLogger{}
	handler := func(w http.ResponseWriter, r *http.Request) {
		l := log.FromContext(r.Context())
		if l == nil {
			io.WriteString(w, "no logger")
			return
		}
		fmt.Fprint(w, l.fields)
	}
	router := http.NewRouter()
	router.Use(http.RequestLogger(slog.New(slog.DiscardHandler)))
	router.HandleFunc("GET /", handler)
	testkit.Serve(t, router, "GET", "/", "").Want(t, 200, "no logger")

	router = http.NewRouter()
	//snippet:begin docs/migrating.md
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(http.RequestLogger(slog.New(slog.NewJSONHandler(output, nil))))
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			child := logger.With(log.String("request_id", http.GetRequestID(r)))
			next.ServeHTTP(w, r.WithContext(log.NewContext(r.Context(), child)))
		})
	})
	//snippet:end
	router.HandleFunc("GET /", handler)
	got := testkit.Serve(t, router, "GET", "/", "")
	id := got.Header.Get("X-Request-Id")
	got.Want(t, 200, "request_id="+id)
	for _, part := range []string{`"level":"INFO"`, `"request_id":"` + id + `"`, `"remote_ip":"127.0.0.1"`, `"pattern":"GET /"`, `"duration":`} {
		if !strings.Contains(output.String(), part) {
			t.Errorf("the log lacks %s:\n%s", part, output)
		}
	}
}
