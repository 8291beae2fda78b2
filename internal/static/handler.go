// Package static serves the files of a static web site from an [fs.FS].
//
// # From a request to a file
//
// requestedName takes the name of the file from the request and rejects names that
// are unsafe on some system, whether or not such a file exists. Then [Handler] looks
// for, in this order: the file, the index page of a directory with that name, and
// the application's page, which serves client-side routes.
//
// A name with an extension, or with an encoded slash, is most likely a missing file
// and not a client-side route. A request for it gets the application's page only if
// the browser navigates to it.
//
// # From a file to a response
//
// [Site] determines the properties of a file: its type, its compressed forms, and,
// if its content cannot change, its entity tag. Handler chooses one of the forms and
// sets the header fields, and [http.ServeContent] does the rest.
package static

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// An ErrorWriter writes the error responses of a [Handler].
type ErrorWriter struct {
	// Write responds with a status and a message for the client.
	Write func(w http.ResponseWriter, status int, message string)
	// WriteServer logs an error and responds with status 500.
	WriteServer func(w http.ResponseWriter, r *http.Request, message string, err error)
}

// A Handler serves the files of a [Site]. It is safe for concurrent use by multiple
// goroutines.
type Handler struct {
	site *Site
	errs ErrorWriter
}

// NewHandler returns a Handler for site.
func NewHandler(site *Site, errs ErrorWriter) *Handler { return &Handler{site, errs} }

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		h.errs.Write(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	name, encodedSlash, ok := requestedName(r)
	switch {
	case !ok:
		h.notFound(w)
	case encodedSlash:
		h.serveNavigation(w, r, name)
	case name == "." || strings.HasSuffix(r.URL.Path, "/"):
		h.serveFolder(w, r, name)
	default:
		h.serveFile(w, r, name)
	}
}

// serveFile serves the file with the given name or, if it does not exist, the
// directory with that name.
func (h *Handler) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	file, err := h.site.lookup(name)
	switch {
	case err == nil:
		h.send(w, r, file)
	case errors.Is(err, errOutside):
		h.notFound(w)
	case errors.Is(err, fs.ErrNotExist):
		h.serveFolder(w, r, name)
	default:
		h.serverError(w, r, err)
	}
}

// serveFolder serves the index page of the directory with the given name. If the
// page does not exist, the name may be that of a client-side route.
func (h *Handler) serveFolder(w http.ResponseWriter, r *http.Request, name string) {
	page, err := h.site.lookup(path.Join(name, indexName))
	switch {
	case err == nil && name != "." && !strings.HasSuffix(r.URL.Path, "/"):
		// Relative links in the page need the slash. The Location is relative too,
		// so it is correct even if a prefix was stripped from the path.
		target := url.URL{Path: path.Base(name) + "/", RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", target.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	case err == nil:
		h.send(w, r, page)
	case errors.Is(err, errOutside):
		h.notFound(w)
	case path.Ext(name) != "" && name != ".":
		h.serveNavigation(w, r, name)
	default:
		h.serveApp(w, r, name)
	}
}

// serveNavigation serves the application's page to a browser that navigates to a
// page, and responds with 404 to all other requests.
func (h *Handler) serveNavigation(w http.ResponseWriter, r *http.Request, name string) {
	header.AddVary(w.Header(), "Sec-Fetch-Mode")
	if r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		h.notFound(w)
		return
	}
	h.serveApp(w, r, name)
}

// serveApp serves the application's page. It responds with 404 if the site has no
// such page, and to requests for /.well-known and names below it.
func (h *Handler) serveApp(w http.ResponseWriter, r *http.Request, name string) {
	page, err := h.site.lookup(indexName)
	if err != nil || name == ".well-known" || strings.HasPrefix(name, ".well-known/") {
		h.notFound(w)
		return
	}
	h.send(w, r, page)
}

// notFound responds with status 404.
func (h *Handler) notFound(w http.ResponseWriter) {
	h.errs.Write(w, http.StatusNotFound, "not found")
}

// serverError responds to an error of the file system.
func (h *Handler) serverError(w http.ResponseWriter, r *http.Request, err error) {
	h.errs.WriteServer(w, r, "failed to read the file", err)
}

// send sends a file, or the compressed form of it that the client prefers.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, f *file) {
	sent, coding := h.negotiate(w, r, f)
	content, modified, err := h.site.openContent(sent)
	if err != nil {
		h.serverError(w, r, err)
		return
	}
	defer content.Close()
	contentType := f.mediaType
	if contentType == "" && sent != f {
		// ServeContent would sniff the compressed bytes.
		if contentType, err = h.site.sniff(f.name); err != nil {
			h.serverError(w, r, err)
			return
		}
	}
	if preconditionFails(r, sent.etag, modified) {
		// ServeContent would respond without a body, and with the fields that are
		// set below.
		h.errs.Write(w, http.StatusPreconditionFailed, "precondition failed")
		return
	}
	if coding != header.Identity {
		w.Header().Set("Content-Encoding", coding)
		w.Header().Set("Content-Length", strconv.FormatInt(sent.size, 10)) // ServeContent omits it if there is a coding
	}
	setFields(w, contentType, sent.etag, cachePolicy(f.name))
	h.serveContent(w, withValidRange(r, sent.size), sent.size, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, f.name, modified, content)
	})
}

// serveContent calls serve, and responds itself if the range cannot be satisfied. size is
// that of the content.
func (h *Handler) serveContent(w http.ResponseWriter, r *http.Request, size int64, serve http.HandlerFunc) {
	if size == 0 || r.Header.Get("Range") != unsatisfiableRange(size) {
		serve(w, r)
		return
	}
	refusal := &rangeRefusal{ResponseWriter: w}
	serve(refusal, r)
	if refusal.refused {
		h.errs.Write(w, http.StatusRequestedRangeNotSatisfiable, "range not satisfiable")
	}
}

// setFields sets the header fields whose value is not empty. It keeps a
// Cache-Control that is set already.
func setFields(w http.ResponseWriter, contentType, etag, cacheControl string) {
	if len(w.Header()["Cache-Control"]) > 0 {
		cacheControl = ""
	}
	var fields [3]response.Field
	n := 0
	for _, field := range [...]response.Field{
		{Name: "Content-Type", Value: contentType},
		{Name: "Etag", Value: etag},
		{Name: "Cache-Control", Value: cacheControl},
	} {
		if field.Value != "" {
			fields[n] = field
			n++
		}
	}
	response.SetHeaders(w, fields[:n]...)
}

// negotiate returns the form of a file to send, and its coding.
func (h *Handler) negotiate(w http.ResponseWriter, r *http.Request, f *file) (sent *file, coding string) {
	if len(f.codings) == 0 {
		return f, header.Identity
	}
	header.AddVary(w.Header(), "Accept-Encoding")
	coding, _ = header.NegotiateEncoding(r.Header["Accept-Encoding"], f.codings)
	if coding != header.Identity {
		if compressed, err := h.site.lookup(f.compressedName(coding)); err == nil {
			return compressed, coding
		}
	}
	return f, header.Identity
}

// cachePolicy returns the Cache-Control for a file, or "" to omit the field.
func cachePolicy(name string) string {
	switch {
	case strings.HasSuffix(name, ".html"):
		return "no-cache"
	case hashed(name):
		return "public, max-age=31536000, immutable"
	}
	return ""
}
