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
// To find the root of the site, Static descends through directories whose only entry
// is a directory, so an embed.FS can be passed as is.
//
// The handler is safe for concurrent use by multiple goroutines; fsys must be, too.
//
// # Which file is served
//
// The name of the file is the value of the pattern's trailing wildcard, for example
// {path...}. Without such a wildcard, the name is the URL's path.
//
//   - If a file with that name exists, Static serves it.
//   - If a directory with that name contains an index.html, Static serves that page.
//     It redirects a request without the trailing slash to the path with the slash,
//     with status 307. It never lists directories.
//   - Otherwise Static serves the root's index.html, so that reloading a client-side
//     route works.
//
// In the last case, a path looks like that of a missing file if its last segment has
// an extension, for example /app.js, or if it contains an encoded slash. For such
// paths, only navigation requests (Sec-Fetch-Mode: navigate) get index.html; other
// requests get 404. A client-side route can therefore contain an encoded URL, for
// example /view/https%3A%2F%2Fexample.com%2F. Below /.well-known/, missing files always
// get 404.
//
// If the site and an API share a router, also register a handler that responds with
// 404 for the API's prefix, for example with the pattern "GET /api/". Without it,
// requests for unknown API paths get index.html.
//
// # Caching
//
//   - Files with the extension .html are sent with Cache-Control: no-cache.
//   - Files with a content hash in their name, as written by bundlers
//     (index-DDmkKxTU.js), are sent with
//     Cache-Control: public, max-age=31536000, immutable.
//   - Other files are sent without Cache-Control.
//   - If Cache-Control is set before Static runs, Static keeps it.
//
// Conditional and range requests work as in [ServeContent]. Files without a
// modification time, such as embedded files, get a strong ETag, which is computed
// once from the content.
//
// # Types and compression
//
// The content type depends on the file's extension. A built-in table contains the
// common types, so they are the same on all hosts; for other extensions,
// [mime.TypeByExtension] is used. If a compressed file exists next to the requested
// one (app.js.br, app.js.zst, app.js.gz) and the client accepts its coding, the
// compressed file is sent instead.
//
// # Security
//
// Static never serves
//
//   - a file outside the root, even if a symbolic link in the root points to it,
//   - a file or directory whose name begins with a dot, except /.well-known/,
//   - a file whose path was sent with an encoded slash or backslash, because
//     routes and middleware do not treat such a character as a separator.
//
// # Errors
//
// Requests with methods other than GET and HEAD get status 405. Static panics if fsys
// is nil or if its root cannot be read. If the root has no index.html, for example
// because the site has not been built, Static logs a warning with [slog.Default].
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
