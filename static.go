package http

import (
	"io/fs"
	"log/slog"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/static"
)

// Static returns a handler that serves the files in fsys: a single-page application
// or any other static site. fsys is usually an [embed.FS], [os.DirFS], or the FS of
// an [os.Root].
//
//	//go:embed all:ui/dist
//	var ui embed.FS
//
//	router.Handle("GET /{path...}", http.Static(ui))
//
// The prefix "all:" makes go:embed include files whose names begin with an
// underscore.
//
// To find the root of the site, Static descends through directories that contain
// nothing but one directory, so that an embed.FS can be passed as it is.
//
// The handler is safe for concurrent use by multiple goroutines; fsys must be, too.
//
// # Which file is served
//
// The name of the file is the value of the pattern's trailing wildcard, for example
// {path...}. Without such a wildcard, the name is the URL's path.
//
//   - If there is a file of that name, it is served.
//   - If there is a directory with an index.html, that page is served. A request
//     without the trailing slash is redirected to it with status 307. Directories
//     are never listed.
//   - Otherwise the root's index.html is served, so that reloading a client-side
//     route works.
//
// In the last case, the path may also be that of a missing file: its last segment
// has an extension, for example /app.js, or the path has an encoded slash. Then only
// navigation requests (Sec-Fetch-Mode: navigate) get the page; others get 404. A
// client-side route can contain a URL, for example in
// /view/https%3A%2F%2Fexample.com%2F.
//
// If an API shares the host, register a pattern for its prefix ("GET /api/").
// Otherwise requests for unknown API paths get index.html.
//
// # Caching
//
//   - Pages are sent with Cache-Control: no-cache.
//   - Files with a content hash in their name, as written by bundlers
//     (index-DDmkKxTU.js), are sent as immutable for a year.
//   - A Cache-Control header that is set before Static runs is kept.
//
// Conditional requests and ranges work as in [ServeContent]. Files without a
// modification time, such as embedded ones, get a strong ETag, which is computed
// once from the content.
//
// # Types and compression
//
// Content types are determined by extension, from a built-in table that does not
// depend on the host. If a compressed file exists next to the requested one
// (app.js.br, app.js.zst, app.js.gz) and the client accepts its coding, it is sent
// instead.
//
// # Security
//
// Static never serves
//
//   - a file outside the root, whatever the path is and wherever symbolic links
//     point,
//   - a file or directory whose name begins with a dot, except /.well-known/,
//   - a file whose path was sent with an encoded slash or backslash, because
//     routes and middleware have not treated that as a separator.
//
// # Errors
//
// Methods other than GET and HEAD get status 405. Static panics if fsys is nil or
// its root cannot be read. If the root has no index.html, for example because the
// site has not been built, Static logs a warning with [slog.Default].
func Static(fsys fs.FS) Handler {
	if fsys == nil {
		callsite.Panicf("Static: nil file system")
	}
	site, err := static.Open(fsys)
	if err != nil {
		callsite.Panicf("Static: the root of the file system cannot be read: %v", err)
	}
	if !site.HasIndex() {
		slog.Warn("http: Static: no index.html in the root of the site, so pages get 404; was the site built?",
			slog.String("static", callsite.Location()), slog.Any("root", site.Entries(8)))
	}
	return static.NewHandler(site, static.ErrorWriter{Write: WriteError, WriteServer: WriteServerError})
}
