package http

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/static"
)

// Static returns a handler that serves the files in fsys: a single-page
// application, or any other site. fsys is usually an [embed.FS], [os.DirFS], or
// the FS of an [os.Root].
//
//	//go:embed all:ui/dist
//	var ui embed.FS
//
//	router.Handle("GET /{path...}", http.Static(ui))
//
// The all: prefix makes go:embed include files whose names begin with an
// underscore.
//
// # Paths
//
// To find the root of the site, Static descends through directories that
// contain nothing but one directory, so an embed.FS can be passed as it is. The
// name of the file is the value of the pattern's trailing wildcard, for example
// {path...}, or the URL's path if the pattern has none.
//
// If no file matches, Static serves the application's index.html, so that
// reloading a client-side route works. If the last segment of the path has an
// extension, for example /app.js, or the path has an encoded slash, it does so
// only for navigation requests (Sec-Fetch-Mode: navigate) and responds with 404
// to all others. A directory with an index.html of its own is served as that
// page; a request without the trailing slash is redirected to it with status
// 307. Directories are never listed. If an API shares the host, register a
// pattern for its prefix ("GET /api/"), or unknown paths below it get index.html
// too.
//
// Static never serves a file outside the root, whatever the path contains and
// wherever symbolic links point, nor a file or directory whose name begins with
// a dot, except /.well-known/. A path with an encoded slash or backslash never
// names a file, because middleware and routes have not seen it as a separator.
// It may be part of a client-side route, even of one with a whole URL in it, as
// in /view/https%3A%2F%2Fexample.com%2F.
//
// # Headers
//
// Conditional requests and ranges work as in [ServeContent]. Files without a
// modification time, such as embedded ones, get a strong ETag computed once
// from their content. Types come from a built-in table by extension, so they do
// not depend on the host.
//
// Pages are sent with Cache-Control: no-cache. Files with a content hash in
// their name, as bundlers write them (index-DDmkKxTU.js), are sent as immutable
// for a year. A Cache-Control set before Static runs is kept. If the client
// accepts its coding, a compressed sibling (app.js.br, app.js.zst, app.js.gz)
// is sent in place of the file.
//
// # Errors
//
// Methods other than GET and HEAD get 405. Static panics if fsys is nil or its
// root cannot be read. If the root has no index.html, for example because the
// site has not been built, Static logs one warning with [slog.Default].
func Static(fsys fs.FS) Handler {
	if fsys == nil {
		callsite.Panicf("Static: nil file system")
	}
	s, err := static.Open(fsys)
	if err != nil {
		callsite.Panicf("Static: the root of the file system cannot be read: %v", err)
	}
	if !s.HasIndex() {
		slog.Warn("http: Static: no index.html in the root of the site, so pages get 404; was the site built?",
			slog.String("static", callsite.Location()), slog.Any("root", s.Entries(8)))
	}
	return &staticHandler{s}
}

// static is the handler of one site.
type staticHandler struct{ site *static.Site }

// ServeHTTP implements [Handler].
func (s *staticHandler) ServeHTTP(w ResponseWriter, r *Request) {
	if r.Method != MethodGet && r.Method != MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		WriteError(w, StatusMethodNotAllowed, "method not allowed")
		return
	}
	name, encoded, hasURL := staticName(r), encodedSlash(r), false
	if encoded {
		name, hasURL = static.CleanURL(name)
	}
	if !static.Allowed(name) || encoded && !hasURL && edgeSlash(r) {
		WriteError(w, StatusNotFound, "not found")
		return
	}
	if encoded {
		s.servePage(w, r, name)
		return
	}
	if name != "." && !strings.HasSuffix(r.URL.Path, "/") {
		file, err := s.site.Lookup(name)
		if err == nil {
			s.serve(w, r, file)
			return
		}
		if errors.Is(err, static.ErrOutside) {
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
func (s *staticHandler) serveIndex(w ResponseWriter, r *Request, name string) {
	if page, err := s.site.Lookup(path.Join(name, static.Index)); err == nil {
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
	} else if errors.Is(err, static.ErrOutside) {
		WriteError(w, StatusNotFound, "not found")
		return
	}
	if path.Ext(name) != "" && name != "." {
		s.servePage(w, r, name)
		return
	}
	s.serveApp(w, r, name)
}

// servePage answers for a name that is a page only where a browser navigates
// to it.
func (s *staticHandler) servePage(w ResponseWriter, r *Request, name string) {
	header.AddVary(w.Header(), "Sec-Fetch-Mode")
	if r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		WriteError(w, StatusNotFound, "not found")
		return
	}
	s.serveApp(w, r, name)
}

// serveApp answers with the application's page.
func (s *staticHandler) serveApp(w ResponseWriter, r *Request, name string) {
	page, err := s.site.Lookup(static.Index)
	if err != nil || name == ".well-known" || strings.HasPrefix(name, ".well-known/") {
		WriteError(w, StatusNotFound, "not found")
		return
	}
	s.serve(w, r, page)
}

// serve sends a file, or the compressed form of it that the client prefers.
func (s *staticHandler) serve(w ResponseWriter, r *Request, file *static.File) {
	sent, coding := s.choose(w, r, file)
	content, modified, err := s.open(sent)
	if err != nil {
		WriteServerError(w, r, "failed to read the file", err)
		return
	}
	defer content.Close()
	contentType := file.Type
	if contentType == "" && sent != file {
		// ServeContent would sniff the compressed bytes.
		if contentType, err = s.site.Sniff(file.Name); err != nil {
			WriteServerError(w, r, "failed to read the file", err)
			return
		}
	}
	if preconditionFails(r, sent.ETag, modified) {
		// Answered here, before any field describes a body that is not sent.
		WriteError(w, StatusPreconditionFailed, "precondition failed")
		return
	}
	h := w.Header()
	if coding != header.Identity {
		h.Set("Content-Encoding", coding)
		h.Set("Content-Length", strconv.FormatInt(sent.Size, 10)) // ServeContent omits it for coded content
	}
	if contentType != "" {
		response.SetHeader(w, "Content-Type", contentType)
	}
	if sent.ETag != "" {
		response.SetHeader(w, "Etag", sent.ETag)
	}
	if policy := cachePolicy(file); policy != "" && len(h["Cache-Control"]) == 0 {
		response.SetHeader(w, "Cache-Control", policy)
	}
	ServeContent(w, withRange(r, sent.Size), file.Name, modified, content)
}

// choose returns the form of a file to send, and its coding.
func (s *staticHandler) choose(w ResponseWriter, r *Request, file *static.File) (sent *static.File, coding string) {
	if len(file.Codings) == 0 {
		return file, header.Identity
	}
	header.AddVary(w.Header(), "Accept-Encoding")
	coding, _ = header.NegotiateEncoding(r.Header["Accept-Encoding"], file.Codings)
	if coding != header.Identity {
		if sibling, err := s.site.Lookup(file.Sibling(coding)); err == nil {
			return sibling, coding
		}
	}
	return file, header.Identity
}

// preconditionFails reports whether the request has a condition that asks for
// 412 (RFC 9110 §13.2.2, steps 1 and 2).
func preconditionFails(r *Request, etag string, modified time.Time) bool {
	if r.Header.Get("If-Match") != "" {
		return !header.ListsETag(r.Header["If-Match"], etag, header.StrongMatch)
	}
	since, err := ParseTime(r.Header.Get("If-Unmodified-Since"))
	return err == nil && !modified.IsZero() && modified.Truncate(time.Second).After(since)
}

// withRange returns r with a Range field that ServeContent reads as RFC 9110
// says, and without one if the method is not GET (§14.2). r itself is not
// changed.
func withRange(r *Request, size int64) *Request {
	lines, ok := r.Header["Range"]
	if !ok {
		return r
	}
	value := ""
	if r.Method == MethodGet {
		value = static.Range(lines, size)
	}
	if len(lines) == 1 && value == lines[0] {
		return r
	}
	r2 := new(Request)
	*r2 = *r
	r2.Header = maps.Clone(r.Header)
	if value == "" {
		delete(r2.Header, "Range")
	} else {
		r2.Header["Range"] = []string{value}
	}
	return r2
}

// cachePolicy returns what caches may do with a file, or "".
func cachePolicy(file *static.File) string {
	switch {
	case strings.HasSuffix(file.Name, ".html"):
		return "no-cache"
	case static.Hashed(file.Name):
		return "public, max-age=31536000, immutable"
	}
	return ""
}

// open returns a file's content for ServeContent, and the time of its last
// change if it is not known to be the same for ever.
func (s *staticHandler) open(file *static.File) (readSeekCloser, time.Time, error) {
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

// staticPath returns the part of the path, decoded, that is about the site.
func staticPath(r *Request) string {
	if wildcard, ok := strings.CutSuffix(r.Pattern, "...}"); ok {
		return r.PathValue(wildcard[strings.LastIndexByte(wildcard, '{')+1:])
	}
	return strings.TrimPrefix(r.URL.Path, "/")
}

// staticName returns the name of the file that is asked for, "." for the root.
func staticName(r *Request) string {
	name := strings.TrimSuffix(staticPath(r), "/")
	if name == "" {
		return "."
	}
	return name
}

// edgeSlash reports whether the part of the path that is about the site begins
// or ends with an encoded slash, as in /%2fetc/passwd.
func edgeSlash(r *Request) bool {
	name := staticPath(r)
	if strings.HasSuffix(r.URL.RawPath, "/") {
		name = strings.TrimSuffix(name, "/")
	}
	return strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/")
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
