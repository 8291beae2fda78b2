package http

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/capture"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/site"
)

// Static returns a handler that serves the files of a single-page application,
// or of any site, from fsys: an [embed.FS], [os.DirFS], the FS of an [os.Root].
//
//	//go:embed all:ui/dist
//	var ui embed.FS
//
//	router.Handle("GET /{path...}", http.Static(ui))
//
// The all: keeps go:embed from leaving out files whose names begin with an
// underscore. The site's root is found by going down through folders that hold
// nothing but one folder, so an embed.FS is passed as it is. Which file is asked for is
// what the trailing {name...} wildcard of the route's pattern matched, or else
// the URL's path.
//
// A path that is no file gets the application's index.html, so that reloading
// a client-side route works, unless its last segment has an extension: then it
// gets 404, except where the browser navigates to it (Sec-Fetch-Mode). A folder
// with an index.html of its own is served that; folders are never listed. Where
// an API shares the host, give its prefix a route of its own for what is not
// found ("GET /api/"), or unknown paths below it get index.html too.
//
// Nothing outside the root is served, whatever the path says and symbolic links
// point to, nor any file or folder whose name begins with a dot, save
// /.well-known/. A path with an encoded slash or backslash is never a file's:
// routes and middleware before this one have not seen it as a separator.
//
// Conditional requests and ranges work as in [ServeContent]. Files without a
// modification time, as embedded ones are, have a strong ETag of their content,
// computed once. Pages are sent with Cache-Control: no-cache, files with a
// content hash in their name (app-1a2b3c4d.js) as immutable for a year; a
// Cache-Control that is set before wins. If a compressed sibling (app.js.br,
// app.js.zst, app.js.gz) is there and the client accepts the coding, it is sent
// in the file's place.
//
// Methods other than GET and HEAD get 405. It panics if fsys is nil or its
// root cannot be read.
func Static(fsys fs.FS) Handler {
	if fsys == nil {
		callsite.Panicf("Static: nil file system")
	}
	s, err := site.Open(fsys)
	if err != nil {
		callsite.Panicf("Static: the root of the file system cannot be read: %v", err)
	}
	return &static{s}
}

// static is the handler of one site.
type static struct{ site *site.Site }

// ServeHTTP implements [Handler].
func (s *static) ServeHTTP(w ResponseWriter, r *Request) {
	if r.Method != MethodGet && r.Method != MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		WriteError(w, StatusMethodNotAllowed, "method not allowed")
		return
	}
	name := staticName(r)
	if !site.Allowed(name) || encodedSlash(r) {
		WriteError(w, StatusNotFound, "not found")
		return
	}
	if name != "." && !strings.HasSuffix(r.URL.Path, "/") {
		file, err := s.site.Lookup(name)
		if err == nil {
			s.serve(w, r, file)
			return
		}
		if errors.Is(err, site.ErrOutside) {
			WriteError(w, StatusNotFound, "not found")
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			WriteServerError(w, r, "failed to read the file", err)
			return
		}
	}
	s.serveIndex(w, r, name)
}

// serveIndex answers for a name that is no file: with the page of that folder,
// or with the application's, or not at all.
func (s *static) serveIndex(w ResponseWriter, r *Request, name string) {
	if page, err := s.site.Lookup(path.Join(name, site.Index)); err == nil {
		if name != "." && !strings.HasSuffix(r.URL.Path, "/") {
			// The page's relative links need the slash. A relative Location
			// stays right behind prefixes that were stripped on the way.
			to := url.URL{Path: path.Base(name) + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", to.String())
			w.WriteHeader(StatusTemporaryRedirect)
			return
		}
		s.serve(w, r, page)
		return
	} else if errors.Is(err, site.ErrOutside) {
		WriteError(w, StatusNotFound, "not found")
		return
	}
	if path.Ext(name) != "" && name != "." {
		header.AddVary(w.Header(), "Sec-Fetch-Mode")
		if r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			WriteError(w, StatusNotFound, "not found")
			return
		}
	}
	page, err := s.site.Lookup(site.Index)
	if err != nil || name == ".well-known" || strings.HasPrefix(name, ".well-known/") {
		WriteError(w, StatusNotFound, "not found")
		return
	}
	s.serve(w, r, page)
}

// serve sends a file, or the compressed form of it that the client prefers.
func (s *static) serve(w ResponseWriter, r *Request, file *site.File) {
	h := w.Header()
	sent := file
	if len(file.Codings) > 0 {
		header.AddVary(h, "Accept-Encoding")
		coding, _ := header.NegotiateEncoding(r.Header["Accept-Encoding"], file.Codings)
		if coding != header.Identity {
			if sibling, err := s.site.Lookup(file.Sibling(coding)); err == nil {
				sent = sibling
				h.Set("Content-Encoding", coding)
				// ServeContent leaves it out for coded content, and does not
				// take it back where a precondition fails.
				if len(r.Header["If-Match"]) == 0 && len(r.Header["If-Unmodified-Since"]) == 0 {
					h.Set("Content-Length", strconv.FormatInt(sibling.Size, 10))
				}
			}
		}
	}
	values := capture.Strings(w, 3)
	if file.Type != "" {
		values[0] = file.Type
		h["Content-Type"] = values[0:1:1]
	}
	if sent.ETag != "" {
		values[1] = sent.ETag
		h["Etag"] = values[1:2:2]
	}
	if policy := cachePolicy(file); policy != "" && len(h["Cache-Control"]) == 0 {
		values[2] = policy
		h["Cache-Control"] = values[2:3:3]
	}
	content, modified, err := s.open(sent)
	if err != nil {
		WriteServerError(w, r, "failed to read the file", err)
		return
	}
	defer content.Close()
	ServeContent(w, r, file.Name, modified, content)
}

// cachePolicy returns what caches may do with a file, or "".
func cachePolicy(file *site.File) string {
	switch {
	case strings.HasSuffix(file.Name, ".html"):
		return "no-cache"
	case site.Hashed(file.Name):
		return "public, max-age=31536000, immutable"
	}
	return ""
}

// open returns a file's content for ServeContent, and the time of its last
// change if it is not known to be the same for ever.
func (s *static) open(file *site.File) (readSeekCloser, time.Time, error) {
	f, err := s.site.Open(file.Name)
	if err != nil {
		return nil, time.Time{}, err
	}
	var modified time.Time
	if file.ETag == "" {
		info, err := f.Stat()
		if err != nil {
			return nil, time.Time{}, errors.Join(err, f.Close())
		}
		modified = info.ModTime()
	}
	if seeker, ok := f.(readSeekCloser); ok {
		return seeker, modified, nil
	}
	// A file in an archive, say, that can only be read from its beginning.
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return nil, time.Time{}, err
	}
	return struct {
		*bytes.Reader
		io.Closer
	}{bytes.NewReader(content), io.NopCloser(nil)}, modified, nil
}

type readSeekCloser interface {
	io.ReadSeeker
	io.Closer
}

// staticName returns the name of the file that is asked for, "." for the root.
func staticName(r *Request) string {
	name := r.URL.Path
	if wildcard, ok := strings.CutSuffix(r.Pattern, "...}"); ok {
		name = r.PathValue(wildcard[strings.LastIndexByte(wildcard, '{')+1:])
	}
	name = strings.TrimPrefix(name, "/")
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		return "."
	}
	return name
}

// encodedSlash reports whether the path was sent with an encoded separator.
func encodedSlash(r *Request) bool {
	raw := r.URL.RawPath // empty if the usual encoding of Path was sent
	for i := strings.IndexByte(raw, '%'); i >= 0 && i+2 < len(raw); {
		switch raw[i+1 : i+3] {
		case "2f", "2F", "5c", "5C":
			return true
		}
		next := strings.IndexByte(raw[i+3:], '%')
		if next < 0 {
			break
		}
		i += 3 + next
	}
	return false
}
