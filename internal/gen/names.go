package gen

// LeftOut holds the exported names of net/http that the root package does not
// pass on, each with the reason.
var LeftOut = map[string]string{
	"Server": "the root package has its own; WithHTTPServer reaches the one of net/http",
}

// deprecated says what to use instead of names that net/http has deprecated.
// They are passed on all the same, so that code which names them compiles.
var deprecated = map[string]string{
	"CloseNotifier": "the request's context ends when the client is gone.",
	"ProtocolError": "errors are compared with the variables of that type.",

	"ErrHeaderTooLong":        "nothing returns it.",
	"ErrMissingContentLength": "nothing returns it.",
	"ErrShortBody":            "nothing returns it.",
	"ErrUnexpectedTrailer":    "nothing returns it.",
	"ErrWriteAfterFlush":      "nothing returns it.",
}

// direct holds the functions that are passed on as variables. They record
// the file and line of their caller for the message about two conflicting
// patterns, and a function in between would be that caller.
var direct = map[string]bool{"Handle": true, "HandleFunc": true}

// familyOrder lists the known families of constants as they appear in the
// file; the family without a name holds the rest.
var familyOrder = []string{"Method", "Status", "SameSite", "ConnState", ""}

// familyHeadings holds the comment over each family's block.
var familyHeadings = map[string]string{
	"Method":    "Request methods. A safe one only reads; an idempotent one has the same effect\nonce and many times (RFC 9110 section 9.2).",
	"Status":    "Status codes with their reason phrases, as registered with IANA.",
	"SameSite":  "Values of [SameSite].",
	"ConnState": "Values of [ConnState], in the order in which a connection can meet them.",
	"":          "Limits and formats.",
}

// phrases says in a few words what a name is or does, to follow the name in
// its doc comment. For a method it is the whole comment. A name without a
// phrase gets a comment that only refers to net/http.
var phrases = map[string]string{
	// Types
	"Client":                "sends requests, follows redirects and keeps cookies",
	"ClientConn":            "is a single connection to a server, used without a pool",
	"CloseNotifier":         "is a ResponseWriter that can say that its client is gone",
	"ConnState":             "is a stage in the life of a server's connection",
	"Cookie":                "is a cookie, as Cookie and Set-Cookie fields carry it",
	"CookieJar":             "keeps the cookies of a Client and picks those for a URL",
	"CrossOriginProtection": "refuses unsafe cross-origin requests of browsers (CSRF)",
	"Dir":                   "is a FileSystem over a directory on disk",
	"File":                  "is what a FileSystem opens",
	"FileSystem":            "opens files by slash-separated names for FileServer",
	"Flusher":               "is a ResponseWriter that can send what it holds back",
	"HTTP2Config":           "holds the HTTP/2 settings of a server or Transport",
	"Handler":               "answers requests",
	"HandlerFunc":           "makes a Handler of a function",
	"Header":                "holds header fields under their canonical names",
	"Hijacker":              "is a ResponseWriter that can hand over its connection",
	"MaxBytesError":         "tells that a body went over the limit of MaxBytesReader",
	"ProtocolError":         "is the type of some of the errors",
	"Protocols":             "is a set of HTTP versions",
	"PushOptions":           "holds the method and header of a push",
	"Pusher":                "is a ResponseWriter that can push resources over HTTP/2",
	"Request":               "is a request, received by a server or sent by a client",
	"Response":              "is the answer to a client's request",
	"ResponseController":    "reaches what a ResponseWriter can do beyond its interface",
	"ResponseWriter":        "is where a Handler puts its response",
	"RoundTripper":          "carries out a single request",
	"SameSite":              "says with which cross-site requests a cookie goes along",
	"ServeMux":              "hands requests to handlers by method, host and path",
	"Transport":             "is a RoundTripper that keeps connections for reuse",

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

	"SameSiteDefaultMode": "leaves the attribute out, so the browser decides",
	"SameSiteLaxMode":     "sends the cookie cross-site only with top-level GET navigation",
	"SameSiteStrictMode":  "never sends the cookie cross-site",
	"SameSiteNoneMode":    "always sends the cookie, which then has to be Secure",

	"StateNew":      "is the state of a connection that has sent nothing yet",
	"StateActive":   "is the state while a request is read or answered",
	"StateIdle":     "is the state between two requests",
	"StateHijacked": "is the final state of a connection that a handler took over",
	"StateClosed":   "is the final state of every other connection",

	"DefaultMaxHeaderBytes":      "is how many bytes of request header a server accepts by default",
	"DefaultMaxIdleConnsPerHost": "is how many idle connections a Transport keeps for a host by default",
	"TimeFormat":                 "is the time layout of header fields, for times in UTC",
	"TrailerPrefix":              "marks a header key as a trailer that was not announced",

	// Errors
	"ErrAbortHandler":         "is what a handler panics with to cut its response off quietly",
	"ErrBodyNotAllowed":       "is returned by Write where the method or status has no body",
	"ErrBodyReadAfterClose":   "is returned by reads of a body after its Close",
	"ErrContentLength":        "is returned by Write past the declared Content-Length",
	"ErrHandlerTimeout":       "is returned by Write after TimeoutHandler has answered",
	"ErrHeaderTooLong":        "is an error of early releases",
	"ErrHijacked":             "is returned by a ResponseWriter whose connection was taken over",
	"ErrLineTooLong":          "is returned for a chunked body with an overlong line",
	"ErrMissingBoundary":      "is returned for a multipart type without its boundary",
	"ErrMissingContentLength": "is an error of early releases",
	"ErrMissingFile":          "is returned by Request.FormFile when the form has no such file",
	"ErrNoCookie":             "is returned by Request.Cookie when there is none of that name",
	"ErrNoLocation":           "is returned by Response.Location when the field is missing",
	"ErrNotMultipart":         "is returned by Request.MultipartReader for any other type of body",
	"ErrNotSupported":         "is returned for an ability that the connection or writer lacks",
	"ErrSchemeMismatch":       "is returned when a server answers HTTPS in plain HTTP",
	"ErrServerClosed":         "is returned by a server's Serve methods after a shutdown",
	"ErrShortBody":            "is an error of early releases",
	"ErrSkipAltProtocol":      "is returned by an alternate protocol to decline a request",
	"ErrUnexpectedTrailer":    "is an error of early releases",
	"ErrUseLastResponse":      "is returned by Client.CheckRedirect to stop at a redirect",
	"ErrWriteAfterFlush":      "is an error of early releases",

	// Variables
	"DefaultClient":       "is the Client behind Get, Head, Post and PostForm",
	"DefaultServeMux":     "is the ServeMux behind Handle and HandleFunc",
	"DefaultTransport":    "is the RoundTripper of a Client that names none",
	"LocalAddrContextKey": "is the context key of the net.Addr that a request came in on",
	"NoBody":              "is a request body without bytes",
	"ServerContextKey":    "is the context key of the *net/http.Server, which is not this package's Server",

	// Functions
	"AllowQuerySemicolons":     "wraps h to take unescaped semicolons in a query for ampersands",
	"CanonicalHeaderKey":       "returns a field name in the case that Header uses",
	"DetectContentType":        "guesses a media type from up to 512 bytes of content",
	"Error":                    "answers with a plain text message",
	"FS":                       "makes a FileSystem of an fs.FS",
	"FileServer":               "serves the files and directory listings under root",
	"FileServerFS":             "serves the files and directory listings of an fs.FS",
	"Get":                      "sends a GET request with net/http's DefaultClient",
	"Handle":                   "registers a handler with DefaultServeMux",
	"HandleFunc":               "registers a handler function with DefaultServeMux",
	"Head":                     "sends a HEAD request with net/http's DefaultClient",
	"ListenAndServe":           "serves plain HTTP at a TCP address until it fails",
	"ListenAndServeTLS":        "serves HTTPS at a TCP address until it fails",
	"MaxBytesHandler":          "wraps h to limit the bytes it can read of a body",
	"MaxBytesReader":           "limits the bytes that can be read of a request's body",
	"NewCrossOriginProtection": "returns a protection that trusts no other origin",
	"NewFileTransport":         "returns a RoundTripper that answers with files",
	"NewFileTransportFS":       "returns a RoundTripper that answers with files of an fs.FS",
	"NewRequest":               "returns a client's request with the background context",
	"NewRequestWithContext":    "returns a client's request with a context",
	"NewResponseController":    "returns the controller of one request's writer",
	"NewServeMux":              "returns a ServeMux without patterns",
	"NotFound":                 "answers 404 in plain text, not in JSON as a Router does",
	"NotFoundHandler":          "returns a handler that answers 404 in plain text, not in JSON as a Router does",
	"ParseCookie":              "reads the value of a Cookie field",
	"ParseHTTPVersion":         "reads a version such as HTTP/1.1",
	"ParseSetCookie":           "reads the value of a Set-Cookie field",
	"ParseTime":                "reads a time in any of the three forms that HTTP allows",
	"Post":                     "sends a POST request with net/http's DefaultClient",
	"PostForm":                 "sends a form by POST with net/http's DefaultClient",
	"ProxyFromEnvironment":     "picks a proxy by HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
	"ProxyURL":                 "returns a function that always picks the same proxy",
	"ReadRequest":              "reads a request as a server receives it",
	"ReadResponse":             "reads the response to req",
	"Redirect":                 "answers with a redirect to url, which may be relative",
	"RedirectHandler":          "returns a handler that always redirects to url",
	"Serve":                    "serves plain HTTP on a listener until it fails",
	"ServeContent":             "answers with content, minding ranges and conditions",
	"ServeFile":                "answers with a file or directory listing",
	"ServeFileFS":              "answers with a file or directory listing of an fs.FS",
	"ServeTLS":                 "serves HTTPS on a listener until it fails",
	"SetCookie":                "adds a Set-Cookie field to the response",
	"StatusText":               "returns the reason phrase of a status code, or nothing",
	"StripPrefix":              "wraps h to see paths without prefix and answers 404 to others",
	"TimeoutHandler":           "wraps h to answer 503 when it takes longer than dt",
}
