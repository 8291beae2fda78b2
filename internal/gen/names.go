package gen

// LeftOut maps the exported names of net/http that the root package does not
// re-export to the reasons.
var LeftOut = map[string]string{
	"Server": "the root package has its own; WithHTTPServer gives access to the one of net/http",
}

// deprecated maps the names that net/http has deprecated to their deprecation
// notices. They are re-exported too, so that code that uses them compiles.
var deprecated = map[string]string{
	"CloseNotifier": "use the request's context, which ends when the client disconnects.",
	"ProtocolError": "compare errors with the variables of this type.",

	"ErrHeaderTooLong":        "nothing returns it.",
	"ErrMissingContentLength": "nothing returns it.",
	"ErrShortBody":            "nothing returns it.",
	"ErrUnexpectedTrailer":    "nothing returns it.",
	"ErrWriteAfterFlush":      "nothing returns it.",
}

// direct contains the functions that are re-exported as variables. They record the
// file and line of their caller for the message about conflicting patterns, and a
// wrapper function would be that caller.
var direct = map[string]bool{"Handle": true, "HandleFunc": true}

// familyOrder lists the known families of constants in their order in the file. The
// family without a name contains the constants that belong to no other family.
var familyOrder = []string{"Method", "Status", "SameSite", "ConnState", ""}

// familyHeadings maps each family to the comment before its block.
var familyHeadings = map[string]string{
	"Method":    "Request methods. Safe methods only read. Idempotent methods have the same effect\nwhether they are sent once or several times (RFC 9110, section 9.2).",
	"Status":    "Status codes with their reason phrases, as registered with IANA.",
	"SameSite":  "Values of [SameSite].",
	"ConnState": "Values of [ConnState], in the order in which a connection reaches them.",
	"":          "Limits and formats.",
}

// phrases maps each name to the rest of the first sentence of its doc comment. For a
// method it is the whole comment. A name without a phrase gets a comment that only
// refers to net/http.
var phrases = map[string]string{
	// Types
	"Client":                "sends requests, follows redirects and keeps cookies",
	"ClientConn":            "is a single connection to a server, used without a pool",
	"CloseNotifier":         "is a ResponseWriter that reports when its client disconnects",
	"ConnState":             "is a state in the life of a server's connection",
	"Cookie":                "is an HTTP cookie, as sent in Cookie and Set-Cookie headers",
	"CookieJar":             "stores cookies for a Client and returns those to send to a URL",
	"CrossOriginProtection": "rejects unsafe cross-origin browser requests (CSRF)",
	"Dir":                   "is a FileSystem for a directory on disk",
	"File":                  "is a file opened by a FileSystem",
	"FileSystem":            "opens files by slash-separated names for FileServer",
	"Flusher":               "is a ResponseWriter that can send buffered data",
	"HTTP2Config":           "holds the HTTP/2 settings of a server or Transport",
	"Handler":               "responds to requests",
	"HandlerFunc":           "is a function that implements Handler",
	"Header":                "holds header fields by their canonical names",
	"Hijacker":              "is a ResponseWriter that can hand over its connection",
	"MaxBytesError":         "is returned by the reader of MaxBytesReader if the limit is exceeded",
	"ProtocolError":         "is the type of some error variables",
	"Protocols":             "is a set of HTTP versions",
	"PushOptions":           "has the method and header of a push",
	"Pusher":                "is a ResponseWriter that can push resources over HTTP/2",
	"Request":               "is a request, received by a server or sent by a client",
	"Response":              "is the response to a client's request",
	"ResponseController":    "controls what a ResponseWriter supports beyond its interface",
	"ResponseWriter":        "is used by a Handler to write its response",
	"RoundTripper":          "executes a single request",
	"SameSite":              "determines with which cross-site requests a cookie is sent",
	"ServeMux":              "matches requests to handlers by method, host and path",
	"Transport":             "is a RoundTripper that reuses connections",

	// Constants
	"MethodGet":     "GET: safe, idempotent",
	"MethodHead":    "HEAD: safe, idempotent",
	"MethodPost":    "POST: neither",
	"MethodPut":     "PUT: idempotent",
	"MethodPatch":   "PATCH: neither (RFC 5789)",
	"MethodDelete":  "DELETE: idempotent",
	"MethodConnect": "CONNECT: neither",
	"MethodOptions": "OPTIONS: safe, idempotent",
	"MethodTrace":   "TRACE: safe, idempotent",

	"SameSiteDefaultMode": "omits the attribute, so the browser decides",
	"SameSiteLaxMode":     "sends the cookie cross-site only with top-level GET navigation",
	"SameSiteStrictMode":  "never sends the cookie cross-site",
	"SameSiteNoneMode":    "always sends the cookie, which must be Secure",

	"StateNew":      "is the state of a connection that has not sent anything yet",
	"StateActive":   "is the state while a request is read or handled",
	"StateIdle":     "is the state between two requests",
	"StateHijacked": "is the final state of a connection that a handler has taken over",
	"StateClosed":   "is the final state of all other connections",

	"DefaultMaxHeaderBytes":      "is the default limit of a request's header in bytes",
	"DefaultMaxIdleConnsPerHost": "is the default number of idle connections per host in a Transport",
	"TimeFormat":                 "is the layout of times in header fields, which are in UTC",
	"TrailerPrefix":              "is the prefix of a header key for a trailer that was not announced",

	// Errors
	"ErrAbortHandler":         "is the value with which a handler panics to abort its response without a log entry",
	"ErrBodyNotAllowed":       "is returned by Write if the method or status does not allow a body",
	"ErrBodyReadAfterClose":   "is returned by reads of a body after Close",
	"ErrContentLength":        "is returned by Write if it exceeds the declared Content-Length",
	"ErrHandlerTimeout":       "is returned by Write after TimeoutHandler has responded",
	"ErrHeaderTooLong":        "is not used",
	"ErrHijacked":             "is returned by a ResponseWriter whose connection was hijacked",
	"ErrLineTooLong":          "is returned for a chunked body with a line that is too long",
	"ErrMissingBoundary":      "is returned for a multipart Content-Type without a boundary",
	"ErrMissingContentLength": "is not used",
	"ErrMissingFile":          "is returned by Request.FormFile if the form has no such file",
	"ErrNoCookie":             "is returned by Request.Cookie if there is no such cookie",
	"ErrNoLocation":           "is returned by Response.Location if there is no Location header",
	"ErrNotMultipart":         "is returned by Request.MultipartReader if the body is not multipart",
	"ErrNotSupported":         "is returned for a feature that the connection or writer does not support",
	"ErrSchemeMismatch":       "is returned if a server responds to HTTPS with plain HTTP",
	"ErrServerClosed":         "is returned by a server's Serve methods after a shutdown",
	"ErrShortBody":            "is not used",
	"ErrSkipAltProtocol":      "is returned by an alternate protocol to decline a request",
	"ErrUnexpectedTrailer":    "is not used",
	"ErrUseLastResponse":      "is returned by Client.CheckRedirect to stop at a redirect",
	"ErrWriteAfterFlush":      "is not used",

	// Variables
	"DefaultClient":       "is the Client used by Get, Head, Post and PostForm",
	"DefaultServeMux":     "is the ServeMux used by Handle and HandleFunc",
	"DefaultTransport":    "is the RoundTripper of a Client without one",
	"LocalAddrContextKey": "is the context key for the local net.Addr of a request's connection",
	"NoBody":              "is an empty request body",
	"ServerContextKey":    "is the context key for the *net/http.Server, which is not this package's Server",

	// Functions
	"AllowQuerySemicolons":     "returns a handler that treats unescaped semicolons in queries as ampersands",
	"CanonicalHeaderKey":       "returns the canonical form of a field name",
	"DetectContentType":        "returns the media type of content, from its first 512 bytes",
	"Error":                    "responds with a plain text message",
	"FS":                       "returns a FileSystem for an fs.FS",
	"FileServer":               "returns a handler that serves the files and directory listings of root",
	"FileServerFS":             "returns a handler that serves the files and directory listings of an fs.FS",
	"Get":                      "sends a GET request with net/http's DefaultClient",
	"Handle":                   "registers a handler with DefaultServeMux",
	"HandleFunc":               "registers a handler function with DefaultServeMux",
	"Head":                     "sends a HEAD request with net/http's DefaultClient",
	"ListenAndServe":           "serves plain HTTP at a TCP address until it fails",
	"ListenAndServeTLS":        "serves HTTPS at a TCP address until it fails",
	"MaxBytesHandler":          "returns a handler that limits the request bodies that h reads",
	"MaxBytesReader":           "returns a reader that limits a request's body",
	"NewCrossOriginProtection": "returns a CrossOriginProtection without trusted origins",
	"NewFileTransport":         "returns a RoundTripper that serves files",
	"NewFileTransportFS":       "returns a RoundTripper that serves the files of an fs.FS",
	"NewRequest":               "returns a client request with the background context",
	"NewRequestWithContext":    "returns a client request with a context",
	"NewResponseController":    "returns the controller for a request's ResponseWriter",
	"NewServeMux":              "returns a ServeMux without patterns",
	"NotFound":                 "responds with status 404 in plain text, not in JSON like a Router",
	"NotFoundHandler":          "returns a handler that responds with status 404 in plain text, not in JSON like a Router",
	"ParseCookie":              "parses the value of a Cookie header",
	"ParseHTTPVersion":         "parses a version, for example HTTP/1.1",
	"ParseSetCookie":           "parses the value of a Set-Cookie header",
	"ParseTime":                "parses a time in any of the three formats that HTTP allows",
	"Post":                     "sends a POST request with net/http's DefaultClient",
	"PostForm":                 "sends a form by POST with net/http's DefaultClient",
	"ProxyFromEnvironment":     "returns the proxy for a request from HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
	"ProxyURL":                 "returns a function that always returns the same proxy",
	"ReadRequest":              "reads a request as a server receives it",
	"ReadResponse":             "reads the response to req",
	"Redirect":                 "responds with a redirect to url, which may be relative",
	"RedirectHandler":          "returns a handler that redirects all requests to url",
	"Serve":                    "serves plain HTTP on a listener until it fails",
	"ServeContent":             "responds with content and supports ranges and conditional requests",
	"ServeFile":                "responds with a file or directory listing",
	"ServeFileFS":              "responds with a file or directory listing of an fs.FS",
	"ServeTLS":                 "serves HTTPS on a listener until it fails",
	"SetCookie":                "adds a Set-Cookie field to the response",
	"StatusText":               "returns the reason phrase of a status code, or an empty string",
	"StripPrefix":              "returns a handler that removes prefix from paths and responds with 404 to others",
	"TimeoutHandler":           "returns a handler that responds with 503 if h takes longer than dt",
}
