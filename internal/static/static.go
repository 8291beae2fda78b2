// Package static finds the files of a static web site in an [fs.FS]: which
// folder is its root, which names may be served at all, and what a browser
// should be told of each file.
package static

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
)

// Index is the name of a folder's page, and of the application's.
const Index = "index.html"

// A Site is a folder of files to serve. It is safe for concurrent use.
type Site struct {
	fsys  fs.FS
	links fs.ReadLinkFS // fsys, if it may have symbolic links

	// known holds the *File of each name found in it whose content cannot
	// change: it has as many entries as the file system has files at most.
	known sync.Map
}

// Open returns the site in fsys. Its root is found by going down through
// folders that hold nothing but one folder, until there is an index page or
// something else.
func Open(fsys fs.FS) (*Site, error) {
	for {
		entries, err := fs.ReadDir(fsys, ".")
		if err != nil {
			return nil, err
		}
		if len(entries) != 1 || !entries[0].IsDir() {
			break
		}
		if fsys, err = fs.Sub(fsys, entries[0].Name()); err != nil {
			return nil, err
		}
	}
	s := &Site{fsys: fsys}
	s.links, _ = fsys.(fs.ReadLinkFS)
	return s, nil
}

// Allowed reports whether a name could be that of a file to serve: a clean
// relative path with slashes, and none that some system reads as more than
// that, not even if it is decoded once more. Names with a leading dot are
// hidden, but for the folder .well-known (RFC 8615).
func Allowed(name string) bool {
	return fs.ValidPath(name) && visible(name) && !disguised(name)
}

// CleanURL takes one of the two slashes behind the scheme out of a URL in name,
// so that a name with a URL in it, "view/https://example.com", can be
// [Allowed]. It reports whether there was one.
func CleanURL(name string) (_ string, ok bool) {
	before, after, _ := strings.Cut(name, "://")
	scheme := before[strings.LastIndexByte(before, '/')+1:]
	if after == "" || len(scheme) < 2 || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-") != "" {
		return name, false
	}
	return before + ":/" + after, true
}

// visible reports whether no part of name is hidden, or names a drive or a
// folder on some system.
func visible(name string) bool {
	if strings.ContainsAny(name, "\\\x00") {
		return false
	}
	first := true
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case strings.HasPrefix(segment, ".") && segment != "." && (!first || segment != ".well-known"):
			return false
		case len(segment) >= 2 && segment[1] == ':':
			return false // a drive on Windows
		}
		first = false
	}
	return true
}

// disguised reports whether decoding name again, as something behind the
// server might do, gives a name that is refused: "a%2f..%2fb", "%252e%252e".
func disguised(name string) bool {
	for range 3 {
		again, err := url.PathUnescape(name)
		if err != nil || again == name {
			return false
		}
		if strings.HasPrefix(again, "/") || !visible(again) {
			return true
		}
		name = again
	}
	return false
}

// A File is what is known of a file that can be served.
type File struct {
	Name string
	Type string // media type by the name's extension, or "" if it is unknown
	Size int64
	// ETag is the file's strong entity tag if its content cannot change, as
	// with embedded files, which have no modification time either. Otherwise
	// it is "".
	ETag string
	// Codings are those in which a compressed sibling of the file is there.
	Codings []string
}

// siblings are the compressed forms of a file, best first.
var siblings = [...]struct{ coding, suffix string }{{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}

// Sibling returns the name of the file's form in the coding.
func (f *File) Sibling(coding string) string {
	for _, s := range siblings {
		if s.coding == coding {
			return f.Name + s.suffix
		}
	}
	return f.Name
}

// Lookup returns the file of the given name, which must be [Allowed]. The
// error matches [fs.ErrNotExist] where there is no such regular file within
// the site.
func (s *Site) Lookup(name string) (*File, error) {
	if f, ok := s.known.Load(name); ok {
		return f.(*File), nil
	}
	info, err := s.stat(name)
	if err != nil {
		return nil, err
	}
	f := &File{Name: name, Type: typeOf(name), Size: info.Size()}
	for _, sibling := range siblings {
		if _, err := s.stat(name + sibling.suffix); err == nil {
			f.Codings = append(f.Codings, sibling.coding)
		}
	}
	if !info.ModTime().IsZero() {
		return f, nil
	}
	if f.ETag, err = s.tag(name); err != nil {
		return nil, err
	}
	known, _ := s.known.LoadOrStore(name, f)
	return known.(*File), nil
}

// Open opens a file that Lookup has found.
func (s *Site) Open(name string) (fs.File, error) { return s.fsys.Open(name) }

// Sniff returns the media type of a file's first bytes, as a server does for a
// file whose name says nothing.
func (s *Site) Sniff(name string) (string, error) {
	f, err := s.fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var first [512]byte
	n, err := io.ReadFull(f, first[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	return http.DetectContentType(first[:n]), nil
}

// HasIndex reports whether the site has an application page.
func (s *Site) HasIndex() bool {
	_, err := s.stat(Index)
	return err == nil
}

// Entries returns the names of the first few entries in the site's root.
func (s *Site) Entries(limit int) []string {
	entries, err := fs.ReadDir(s.fsys, ".")
	if err != nil {
		return nil // Open has read it a moment ago; the names are only for a message
	}
	var names []string
	for _, entry := range entries[:min(limit, len(entries))] {
		names = append(names, entry.Name())
	}
	return names
}

// stat describes a regular file within the site.
func (s *Site) stat(name string) (fs.FileInfo, error) {
	if err := s.follow(name); err != nil {
		return nil, err
	}
	info, err := fs.Stat(s.fsys, name)
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fs.ErrNotExist
	}
	return info, nil
}

// ErrOutside is the error for a name that a symbolic link takes out of the
// site.
var ErrOutside = errors.New("http: symbolic link out of the site")

// maxLinks is how many symbolic links are followed to one file.
const maxLinks = 16

// follow goes the way to name and returns ErrOutside if a symbolic link on it
// leads out of the site, or round in circles. [os.DirFS] would follow it;
// [os.Root] would not.
func (s *Site) follow(name string) error {
	if s.links == nil {
		return nil
	}
	links := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		info, err := s.links.Lstat(name[:i])
		if err != nil {
			return fs.ErrNotExist // or a part of name that is no folder, or a name too long
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := s.links.ReadLink(name[:i])
		if err != nil {
			return fs.ErrNotExist
		}
		if links++; links > maxLinks || path.IsAbs(target) || strings.Contains(target, "\\") {
			return ErrOutside
		}
		// Start over with the link's target in its place.
		name = path.Join(path.Dir(name[:i]), target) + name[i:]
		if !fs.ValidPath(name) {
			return ErrOutside
		}
		i = 0
	}
	return nil
}

// tag returns a strong entity tag of a file's content.
func (s *Site) tag(name string) (string, error) {
	f, err := s.fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16]) + `"`, nil
}
