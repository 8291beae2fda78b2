package site_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stanza-go/framework/pkg/http/internal/site"
)

func TestAllowed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		".": true, "a": true, "a/b.txt": true, "a b/ü.txt": true, ".well-known/x": true, "urn:isbn:1": true,
		"": false, "/a": false, "a/": false, "a//b": false, "../a": false, "a/../b": false, "a/./b": false,
		".env": false, "a/.git/config": false, "a/.well-known/x": false, ".well-known/.x": false,
		`a\b`: false, "a\x00b": false, "C:": false, "c:/x": false, "a/C:x": false, "...": false,
	} {
		if got := site.Allowed(name); got != want {
			t.Errorf("Allowed(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestHashed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"app-1a2b3c4d.js": true, "main.8f3e2b1c.css": true, "assets/index-BqX9_k2a.js": true, "chunk-ABCD2345.js": true,
		"app-1a2b.js": true, "app-1a2b3c4d.js.map": true, "photo.1a2b3c4d5e.webp": true,
		"app.js": false, "my-component.js": false, "page-UserProfile.js": false, "bootstrap-5.3.2.min.js": false,
		"report-20240101.pdf": false, "photo-2024b.jpg": false, "index.html": false, "-1a2b3c4d.js": false, ".1a2b3c4d": false,
		"1a2b3c4d.js": false, "app-1a2b 3c4d.js": false,
	} {
		if got := site.Hashed(name); got != want {
			t.Errorf("Hashed(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestOpenFindsTheRoot(t *testing.T) {
	t.Parallel()
	file := &fstest.MapFile{Data: []byte("x")}
	for name, tt := range map[string]struct {
		files fstest.MapFS
		found string
	}{
		"at the top":       {fstest.MapFS{"index.html": file, "a/b.js": file}, "a/b.js"},
		"two levels down":  {fstest.MapFS{"ui/dist/index.html": file, "ui/dist/a.js": file}, "a.js"},
		"beside files":     {fstest.MapFS{"ui/index.html": file, "ui/a/b.js": file}, "a/b.js"},
		"without an index": {fstest.MapFS{"ui/a.js": file, "ui/b.js": file}, "a.js"},
		"folder and file":  {fstest.MapFS{"README": file, "ui/index.html": file}, "ui/index.html"},
	} {
		s, err := site.Open(tt.files)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Lookup(tt.found); err != nil {
			t.Errorf("%s: %s: %v", name, tt.found, err)
		}
	}
}

// counting counts how often files are opened.
type counting struct {
	fstest.MapFS
	opened map[string]int
}

func (c counting) Open(name string) (fs.File, error) {
	c.opened[name]++
	return c.MapFS.Open(name)
}

func TestTagIsComputedOnce(t *testing.T) {
	t.Parallel()
	files := counting{fstest.MapFS{"index.html": {Data: []byte("one")}, "b.txt": {Data: []byte("two")}}, map[string]int{}}
	s, err := site.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := s.Lookup("index.html")
	opened := files.opened["index.html"]
	again, _ := s.Lookup("index.html")
	if a != again || files.opened["index.html"] != opened {
		t.Errorf("the second look at a file opened it again")
	}
	b, _ := s.Lookup("b.txt")
	if a.ETag == "" || a.ETag == b.ETag {
		t.Errorf("tags %q and %q", a.ETag, b.ETag)
	}
}
