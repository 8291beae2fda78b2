package http

import (
	"context"
	"log/slog"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/capture"
	"github.com/stanza-go/framework/pkg/http/internal/corspolicy"
)

// LoggerFromContext returns the logger of the request that ctx belongs to:
// the one put there last by [RequestLogger], which names the request's id in
// each line, or by [ContextWithLogger]. Where there is none it returns
// [slog.Default]; it never returns nil. It is safe for concurrent use.
func LoggerFromContext(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(capture.LoggerKey{}).(*slog.Logger); ok {
		return l
	}
	return slog.Default()
}

// ContextWithLogger returns a copy of ctx that carries logger, for
// [LoggerFromContext] to find. A nil logger stands for [slog.Default].
func ContextWithLogger(ctx context.Context, logger *slog.Logger) context.Context {
	if logger == nil {
		logger = slog.Default()
	}
	return context.WithValue(ctx, capture.LoggerKey{}, logger)
}

// CORSConfig says which pages of other origins may use an API, and for what.
// [CORS] checks all of it when it is called.
type CORSConfig struct {
	// AllowOrigins lists the origins whose pages may call and read. The zero
	// value lets none. An entry is one of
	//
	//   - an origin, such as "https://app.example.com" or
	//     "http://localhost:5173": scheme, host and, unless it is the scheme's
	//     default, port, with nothing behind them;
	//   - a pattern such as "https://*.example.com", where "*." stands for one
	//     label or more: https://a.example.com and https://a.b.example.com are
	//     in it, https://example.com, other ports and other schemes are not.
	//     Allow one only if nobody else can get a name under that domain,
	//     which for *.github.io or *.co.uk is not so;
	//   - "*" for all origins, which AllowCredentials forbids;
	//   - "null" for pages without an origin of their own, which anyone can
	//     make; AllowCredentials forbids it too.
	AllowOrigins []string

	// AllowMethods lists the methods that a preflight may ask for; HEAD comes
	// with GET. The default is GET, POST, PUT, DELETE, PATCH and OPTIONS. Names
	// are case-sensitive. "*" is any method, but not with AllowCredentials.
	//
	// Leaving out GET or POST does not keep pages from sending plain ones, for
	// which browsers ask nobody.
	AllowMethods []string

	// AllowHeaders lists the request header fields that a preflight may ask
	// for, in any case. The default is Origin, Content-Type, Accept and
	// Authorization; a list of your own takes its place, so name what of it you
	// still want. "*" is any field but Authorization, which has to be listed
	// beside it, and has no place with AllowCredentials.
	AllowHeaders []string

	// ExposeHeaders lists response header fields that scripts may read beside
	// the few that they always may, such as Content-Type. "*" is all of them,
	// but not with AllowCredentials.
	ExposeHeaders []string

	// AllowCredentials lets requests from allowed origins carry cookies and
	// other credentials of the user, and so act as the user.
	AllowCredentials bool

	// MaxAge is for how many seconds a browser may remember the answer to a
	// preflight. Zero means 86400, a day, which some browsers cut to their own
	// maximum; a negative value means not at all.
	MaxAge int
}

// CORS returns middleware that lets pages of other origins use an API, by the
// CORS protocol of the Fetch standard. It panics if the configuration has a
// mistake in it or would be open to every site on the internet.
//
// A preflight, that is OPTIONS with the fields Origin and
// Access-Control-Request-Method, is answered here with 204 and never reaches
// the handler; other OPTIONS requests do. A refused preflight gets a 204 too,
// without any of the fields that browsers look for. Requests that are no
// preflight always reach the handler, since it is the browser that keeps the
// answer from a page that may not read it: CORS is no protection against
// forged requests (see [CrossOriginProtection] for that).
//
// Every response gets Vary: Origin, so that caches keep the answers to
// different origins apart. Handlers should therefore add to Vary rather than
// set it.
//
// CORS belongs on the router, not on a group: a preflight is for a path that
// has no route for OPTIONS as a rule, and the middleware of a group runs only
// for the routes in it. In the chain, put it behind whatever should see
// preflights (logging, metrics, [SecureHeaders]) and before authentication,
// because browsers send preflights without credentials.
func CORS(cfg CORSConfig) Middleware {
	policy, err := corspolicy.New(corspolicy.Config(cfg))
	if err != nil {
		callsite.Panicf("CORSConfig.%v", err)
	}
	return func(next Handler) Handler {
		return HandlerFunc(func(w ResponseWriter, r *Request) {
			if corspolicy.IsPreflight(r) {
				policy.ServePreflight(w, r)
				return
			}
			policy.Open(w, r)
			next.ServeHTTP(w, r)
		})
	}
}
