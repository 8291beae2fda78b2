package static

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// indexName is the name of a directory's page and, in the root, of the
// application's.
const indexName = "index.html"

// A Site is a directory of files to serve. It is safe for concurrent use by multiple
// goroutines.
type Site struct {
	fsys     fs.FS
	symlinks fs.ReadLinkFS // fsys, or nil if it cannot have symbolic links

	// immutable has a *file for each name that was looked up and whose content
	// cannot change. It does not grow beyond the number of files in fsys.
	immutable sync.Map
}

// Open returns the site in fsys. To find its root, Open descends through directories
// whose only entry is a directory.
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
	s.symlinks, _ = fsys.(fs.ReadLinkFS)
	return s, nil
}

// HasIndex reports whether the site has an application page.
func (s *Site) HasIndex() bool {
	_, err := s.stat(indexName)
	return err == nil
}

// Entries returns the names of up to limit entries of the site's root.
func (s *Site) Entries(limit int) []string {
	entries, err := fs.ReadDir(s.fsys, ".")
	if err != nil {
		return nil // the names are only for a message
	}
	var names []string
	for _, entry := range entries[:min(limit, len(entries))] {
		names = append(names, entry.Name())
	}
	return names
}

// A file describes a file that can be served.
type file struct {
	name      string
	mediaType string // from the name's extension, or empty if that is unknown
	size      int64
	// etag is the strong entity tag of a file whose content cannot change, such as
	// an embedded one. Such a file has no modification time. For all other files,
	// etag is empty.
	etag    string
	codings []string // of the compressed forms that exist
}

// compressedForms are the forms that a file may also exist in, best first.
var compressedForms = [...]struct{ coding, suffix string }{{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}

// compressedName returns the name of the file's form with the given coding.
func (f *file) compressedName(coding string) string {
	for _, form := range compressedForms {
		if form.coding == coding {
			return f.name + form.suffix
		}
	}
	return f.name
}

// lookup returns the file of the given name, which must be allowed. If there is no
// such regular file, the error matches [fs.ErrNotExist].
func (s *Site) lookup(name string) (*file, error) {
	if f, ok := s.immutable.Load(name); ok {
		return f.(*file), nil
	}
	info, err := s.stat(name)
	if err != nil {
		return nil, err
	}
	f := &file{name: name, mediaType: typeOf(name), size: info.Size()}
	for _, form := range compressedForms {
		if _, err := s.stat(name + form.suffix); err == nil {
			f.codings = append(f.codings, form.coding)
		}
	}
	if !info.ModTime().IsZero() {
		return f, nil
	}
	if f.etag, err = s.computeETag(name); err != nil {
		return nil, err
	}
	stored, _ := s.immutable.LoadOrStore(name, f)
	return stored.(*file), nil
}

// stat returns the FileInfo of a regular file in the site.
func (s *Site) stat(name string) (fs.FileInfo, error) {
	if err := s.checkLinks(name); err != nil {
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

// errOutside is returned for a name that leads out of the site through a symbolic
// link.
var errOutside = errors.New("http: symbolic link out of the site")

// maxLinks is the maximum number of symbolic links on the way to a file.
const maxLinks = 16

// checkLinks follows the symbolic links on the way to name. It returns errOutside if
// one leads out of the site or if there are more than maxLinks. [os.Root] would
// return an error for links out of the site too, but [os.DirFS] would not.
func (s *Site) checkLinks(name string) error {
	if s.symlinks == nil {
		return nil
	}
	links := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		info, err := s.symlinks.Lstat(name[:i])
		if err != nil {
			return fs.ErrNotExist // for example because a parent is not a directory, or name is too long
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := s.symlinks.ReadLink(name[:i])
		if err != nil {
			return fs.ErrNotExist
		}
		if links++; links > maxLinks || path.IsAbs(target) || strings.Contains(target, "\\") {
			return errOutside
		}
		// Replace the link with its target and start again.
		name = path.Join(path.Dir(name[:i]), target) + name[i:]
		if !fs.ValidPath(name) {
			return errOutside
		}
		i = 0
	}
	return nil
}

// computeETag returns a strong entity tag for a file's content.
func (s *Site) computeETag(name string) (string, error) {
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

// sniff returns the media type of a file according to its first bytes.
func (s *Site) sniff(name string) (string, error) {
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

// openContent opens a file for [http.ServeContent]. The modification time is zero if
// the content cannot change.
func (s *Site) openContent(f *file) (io.ReadSeekCloser, time.Time, error) {
	opened, err := s.fsys.Open(f.name)
	if err != nil {
		return nil, time.Time{}, err
	}
	var modified time.Time
	if f.etag == "" {
		info, err := opened.Stat()
		if err != nil {
			return nil, time.Time{}, errors.Join(err, opened.Close())
		}
		modified = info.ModTime()
	}
	if seeker, ok := opened.(io.ReadSeekCloser); ok {
		return seeker, modified, nil
	}
	// Some files, for example in an archive, can only be read from the beginning.
	defer opened.Close()
	content, err := io.ReadAll(opened)
	if err != nil {
		return nil, time.Time{}, err
	}
	return inMemory{bytes.NewReader(content)}, modified, nil
}

// inMemory is the content of a file.
type inMemory struct{ *bytes.Reader }

// Close does nothing.
func (inMemory) Close() error { return nil }
