package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// wantFiles fails if a directory does not contain exactly the given files, with the given
// content.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(want) {
		t.Errorf("the directory contains %v, want %d files; %v", entries, len(want), err)
	}
	for name, content := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != content {
			t.Errorf("%s contains %q, want %q; %v", name, got, content, err)
		}
	}
}

func TestPathIsReplacedAtTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "avatar")
	for _, content := range []string{"first", "second"} {
		got, _, err := Receive(request(strings.NewReader(form(file(content)))), config(Target{Path: path}))
		if err != nil || got.Path != path {
			t.Fatalf("stored in %s, %v", got.Path, err)
		}
		wantFiles(t, dir, map[string]string{"avatar": content})
	}
	// It keeps its content while the next file arrives, and after that fails.
	beforeEnd := readerFunc(func([]byte) (int, error) {
		if got, err := os.ReadFile(path); err != nil || string(got) != "second" {
			t.Errorf("during an upload it contains %q, %v", got, err)
		}
		return 0, errors.New("disconnected")
	})
	body := io.MultiReader(strings.NewReader(strings.TrimSuffix(form(file("third")), "--\r\n")), beforeEnd)
	if _, _, err := Receive(request(body), config(Target{Path: path})); err == nil || err.Status != 400 {
		t.Errorf("got %v, want 400", err)
	}
	wantFiles(t, dir, map[string]string{"avatar": "second"})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A link is replaced. The file that it leads to stays as it is.
func TestLinksAreReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, link := filepath.Join(dir, "secret"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Symlink(secret, link)); err != nil {
		t.Skip(err)
	}
	if _, _, err := Receive(request(strings.NewReader(form(file("x")))), config(Target{Path: link})); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, map[string]string{"secret": "secret", "link": "x"})
}

func TestModeAndSync(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]fs.FileMode{0: 0o600, 0o644: 0o644, 0o400: 0o400} {
		got, _, err := Receive(request(strings.NewReader(form(file("x")))), config(Target{Dir: t.TempDir(), Mode: mode, Sync: true}))
		if err != nil {
			t.Fatal(err)
		}
		info, statErr := os.Stat(got.Path)
		if statErr != nil || info.Mode() != want {
			t.Errorf("mode %v: got %v, want %v; %v", mode, info.Mode(), want, statErr)
		}
	}
}

func TestFailuresOfTheStorage(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("x", 100)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		target func(dir string) Target
		during func(dir string) // called before the end of the body
	}{
		{"no such directory", func(dir string) Target { return Target{Dir: filepath.Join(dir, "no")} }, nil},
		{"a file as directory", func(string) Target { return Target{Dir: os.Args[0]} }, nil},
		{"a directory as file", func(dir string) Target {
			path := filepath.Join(dir, "d")
			if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
				t.Error(err)
			}
			return Target{Path: path}
		}, func(dir string) { _ = os.RemoveAll(filepath.Join(dir, "d", "x")) }},
		{"a directory that is removed meanwhile", func(dir string) Target { return Target{Dir: filepath.Join(dir, "gone")} }, func(dir string) {
			if err := os.Rename(filepath.Join(dir, "gone"), filepath.Join(dir, "moved")); err != nil {
				t.Error(err)
			}
		}},
		{"a writer that fails", func(string) Target { return Target{Writer: writerFunc(func([]byte) (int, error) { return 0, broken })} }, nil},
		{"a writer that writes less", func(string) Target {
			return Target{Writer: writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil })}
		}, nil},
		{"a writer that is late", func(string) Target {
			return Target{Writer: writerFunc(func(p []byte) (int, error) { return 0, os.ErrDeadlineExceeded })}
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "gone"), 0o700); err != nil {
				t.Fatal(err)
			}
			body := form(file(content))
			end := readerFunc(func(p []byte) (int, error) {
				if tt.during != nil {
					tt.during(dir)
				}
				return copy(p, body[len(body)-2:]), io.EOF
			})
			_, _, err := Receive(request(io.MultiReader(strings.NewReader(body[:len(body)-2]), end)), config(tt.target(dir)))
			if err == nil || err.Status != 500 || err.Message != "failed to store the file" || err.Err == nil {
				t.Errorf("got %v, want 500", err)
			}
			if moved := filepath.Join(dir, "moved"); tt.during != nil && fileExists(moved) {
				// The file cannot be found any more, which the error says.
				if !errors.Is(err.Err, fs.ErrNotExist) || strings.Count(err.Error(), ".upload-") < 2 {
					t.Errorf("the error does not tell that a file is left: %v", err)
				}
				return
			}
			left, globErr := filepath.Glob(filepath.Join(dir, "*", "*"))
			more, _ := filepath.Glob(filepath.Join(dir, ".upload-*"))
			if globErr != nil || len(left)+len(more) > 0 {
				t.Errorf("left: %v %v, %v", left, more, globErr)
			}
		})
	}
}

// If a file cannot be removed, that is an error of the storage, whatever failed before.
func TestAFileThatCannotBeRemovedIsReported(t *testing.T) {
	t.Parallel()
	dir, moved := filepath.Join(t.TempDir(), "dir"), filepath.Join(t.TempDir(), "moved")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	body := form(file("x"))
	end := readerFunc(func([]byte) (int, error) { return 0, errors.Join(os.Rename(dir, moved), io.ErrUnexpectedEOF) })
	_, _, err := Receive(request(io.MultiReader(strings.NewReader(body[:len(body)-2]), end)), config(Target{Dir: dir}))
	if err == nil || err.Status != 500 || !errors.Is(err.Err, fs.ErrNotExist) || !errors.Is(err.Err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want 500 with both errors", err)
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A Writer gets nothing of a file whose type is not allowed, and never more than MaxSize.
func TestWritersGetWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		types   []string
		content string
		want    string
	}{
		{nil, "hello", "hello"},
		{[]string{"image/*"}, "hello", ""},
		{nil, strings.Repeat("x", 101), ""},
		{nil, strings.Repeat("x", 100_000), ""},
	} {
		var got bytes.Buffer
		c := config(Target{Writer: &got})
		c.Types = tt.types
		_, _, err := Receive(request(strings.NewReader(form(file(tt.content)))), c)
		if got.String() != tt.want && int64(got.Len()) > c.MaxSize || (err == nil) != (tt.want == tt.content) {
			t.Errorf("%.10s: the writer got %d bytes, want %d; %v", tt.content, got.Len(), len(tt.want), err)
		}
	}
}

func TestAPanicLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	body := io.MultiReader(strings.NewReader("--"+boundary+"\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"+strings.Repeat("x", 90)),
		readerFunc(func([]byte) (int, error) { panic(http.ErrAbortHandler) }))
	defer func() {
		if recovered := recover(); recovered != http.ErrAbortHandler {
			t.Errorf("recovered %v", recovered)
		}
		wantEmpty(t, dir)
	}()
	_, _, err := Receive(request(iotest.OneByteReader(body)), config(Target{Dir: dir}))
	t.Errorf("Receive returned %v", err)
}

func TestReceiveStopsWithTheContext(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cause  error
		status int
	}{{context.Canceled, 400}, {context.DeadlineExceeded, 408}} {
		dir := t.TempDir()
		ctx := &endedContext{Context: t.Context()}
		body := readerFunc(func(p []byte) (int, error) {
			ctx.err = tt.cause
			return copy(p, strings.Repeat("x", len(p))), nil // without an end
		})
		head := "--" + boundary + "\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
		c := config(Target{Dir: dir})
		c.MaxSize = 1 << 30
		_, complete, err := Receive(request(io.MultiReader(strings.NewReader(head), body)).WithContext(ctx), c)
		if complete || err == nil || err.Status != tt.status || !errors.Is(err.Err, tt.cause) {
			t.Errorf("%v: complete %t, %v", tt.cause, complete, err)
		}
		wantEmpty(t, dir)
	}
}

// At the read deadline, net/http cancels the context before the body fails.
func TestTheErrorOfTheBodySaysMoreThanTheContext(t *testing.T) {
	t.Parallel()
	ctx := &endedContext{Context: t.Context(), err: context.Canceled}
	head := "--" + boundary + "\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nxxx"
	body := io.MultiReader(strings.NewReader(head), iotest.ErrReader(os.ErrDeadlineExceeded))
	_, _, err := Receive(request(body).WithContext(ctx), config(Target{Dir: t.TempDir()}))
	if err == nil || err.Status != 408 {
		t.Errorf("got %v, want 408", err)
	}
}

type endedContext struct {
	context.Context
	err error
}

func (c *endedContext) Err() error { return c.err }

// The limit of the size of files stands for a full disk: a write fails in the middle.
func TestAWriteThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	const key = "UPLOAD_TEST_DIR"
	if dir := os.Getenv(key); dir != "" {
		c := config(Target{Dir: dir})
		c.MaxSize = 1 << 20
		_, _, err := Receive(request(strings.NewReader(form(file(strings.Repeat("x", 200<<10))))), c)
		if err == nil || err.Status != 500 || !strings.Contains(err.Error(), "file too large") {
			t.Errorf("got %v, want 500", err)
		}
		wantEmpty(t, dir)
		return
	}
	sh := "/bin/sh"
	if !fileExists(sh) {
		t.Skip("no shell")
	}
	script := `ulimit -f 100 && exec "$0" -test.run '^TestAWriteThatFailsLeavesNothing$' -test.v`
	out, err := testkit.TryRun(".", []string{key + "=" + t.TempDir()}, sh, "-c", script, os.Args[0])
	if err != nil || !strings.Contains(out, "--- PASS") {
		t.Errorf("%v: %s", err, out)
	}
}
