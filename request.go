package http

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/clientip"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/query"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// PathParam returns the percent-decoded value of the wildcard {name} in the route's
// pattern, or "" if the pattern has no such wildcard. PathParam(r, name) is
// equivalent to r.PathValue(name).
func PathParam(r *Request, name string) string { return r.PathValue(name) }

// PathParamInt64 parses the value of the wildcard {name} as a decimal integer. If
// the value is not a valid int64, PathParamInt64 responds with status 400 and
// returns false; the handler must then return without writing a response.
func PathParamInt64(w ResponseWriter, r *Request, name string) (value int64, ok bool) {
	value, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil {
		WriteError(w, StatusBadRequest, "invalid path parameter "+strconv.Quote(name)+": not an integer")
		return 0, false
	}
	return value, true
}

// QueryParam returns the first value of a query parameter, or "" if it is missing.
// It returns the same value as r.URL.Query().Get(name), but does not allocate a map of
// all parameters.
func QueryParam(r *Request, name string) string {
	if r.URL == nil {
		return ""
	}
	return query.Get(r.URL.RawQuery, name)
}

// QueryParamOr returns the first value of a query parameter, or fallback if it is
// missing or empty.
func QueryParamOr(r *Request, name, fallback string) string {
	if value := QueryParam(r, name); value != "" {
		return value
	}
	return fallback
}

// QueryParamInt parses the first value of a query parameter as a decimal integer. It
// returns fallback if the parameter is missing or is not a valid int. To reject an
// invalid value, use [QueryParamAsOr].
func QueryParamInt(r *Request, name string, fallback int) int {
	value, err := strconv.Atoi(QueryParam(r, name))
	if err != nil {
		return fallback
	}
	return value
}

// QueryParamSort returns a column and a direction for an ORDER BY clause, based on
// the query parameters sort and order. Both results are safe to insert into SQL if
// the arguments are, because no client-supplied text is returned:
//
//   - column is the element of allowed that equals sort, ignoring case. If there is
//     none, it is defaultColumn.
//   - direction is "ASC" or "DESC", whichever equals order, ignoring case. If neither
//     does, it is defaultDirection in upper case.
//
// QueryParamSort panics if defaultDirection is neither "ASC" nor "DESC", ignoring
// case.
func QueryParamSort(r *Request, allowed []string, defaultColumn, defaultDirection string) (column, direction string) {
	direction, ok := sortDirection(defaultDirection)
	if !ok {
		callsite.Panicf("QueryParamSort: defaultDirection %q must be ASC or DESC", defaultDirection)
	}
	if requested, ok := sortDirection(QueryParam(r, "order")); ok {
		direction = requested
	}
	requested := QueryParam(r, "sort")
	for _, column := range allowed {
		if strings.EqualFold(column, requested) {
			return column, direction
		}
	}
	return defaultColumn, direction
}

// sortDirection returns a direction in upper case. ok is false if s is not ASC or DESC,
// ignoring case.
func sortDirection(s string) (direction string, ok bool) {
	switch {
	case strings.EqualFold(s, "ASC"):
		return "ASC", true
	case strings.EqualFold(s, "DESC"):
		return "DESC", true
	}
	return "", false
}

// A Pagination describes the page of a list that a request asks for.
type Pagination struct {
	// Limit is the maximum number of items to return. It is at least 1.
	Limit int
	// Offset is the number of items before the page. It is at least 0.
	Offset int
}

// ParsePagination reads the query parameters limit and offset.
//
//   - Limit is defaultLimit if limit is missing or not a valid int. In all cases it
//     is clamped to the range from 1 to maxLimit. A maxLimit below 1 is treated as 1.
//   - Offset is 0 if offset is missing, negative, or not a valid int.
func ParsePagination(r *Request, defaultLimit, maxLimit int) Pagination {
	return Pagination{
		Limit:  max(1, min(QueryParamInt(r, "limit", defaultLimit), maxLimit)),
		Offset: max(0, QueryParamInt(r, "offset", 0)),
	}
}

// maxJSONBody is the limit of [BindJSON] and [ReadJSON] in bytes.
const maxJSONBody = 1 << 20

// ErrBodyTooLarge is returned by [ReadJSON], [ReadJSONLimit], [ReadJSONStrict] and
// [ReadForm] if the body exceeds their limit or that of a [MaxBytesReader], such as the
// one that [MaxBody] installs. The errors of [ReadUpload] wrap it.
var ErrBodyTooLarge = jsonbody.ErrTooLarge

// BindJSON decodes the request's JSON body into the value that dst points to. It
// accepts the same bodies as [ReadJSON]. If the body is invalid, cannot be read, or is
// larger than 1 MiB, BindJSON responds with status 400 and a message that describes
// the error, and returns false; the handler must then return without writing a
// response. If the body does not arrive within the read timeout, see [WithReadTimeout] and
// [Timeout], the status is 408.
//
// If dst has a method Validate() error, BindJSON calls it after decoding. If it returns an
// error, BindJSON responds with status 400 and the text of the error, and returns false.
// See [BindQuery] for the details.
//
// BindJSON panics if dst is nil or not a pointer.
func BindJSON(w ResponseWriter, r *Request, dst any) bool {
	return bound(w, r, dst, readJSON(r, dst, maxJSONBody, jsonbody.Decode))
}

// BindJSONLimit is like [BindJSON], with the given limit in bytes instead of 1 MiB. A
// body of exactly that size is accepted. A negative limit is treated as 0.
func BindJSONLimit(w ResponseWriter, r *Request, dst any, limit int64) bool {
	return bound(w, r, dst, readJSON(r, dst, limit, jsonbody.Decode))
}

// BindJSONStrict is like [BindJSONLimit], but accepts only the requests that
// [ReadJSONStrict] accepts. If the Content-Type header does not name JSON, it responds
// with status 415.
//
// Browsers let any site send a form or plain text to any server, with the user's
// cookies, but they send a preflight before they send application/json; see [CORS].
// BindJSONStrict therefore also rejects cross-site requests that avoid the preflight.
func BindJSONStrict(w ResponseWriter, r *Request, dst any, limit int64) bool {
	return bound(w, r, dst, readStrictJSON(r, dst, limit))
}

// ReadJSON decodes the request's JSON body into the value that dst points to. The
// body must be a single JSON value of up to 1 MiB. It is decoded as by
// [encoding/json.Unmarshal]: members without a matching field are ignored, and if an
// object has duplicate names, later values replace or are merged into earlier ones. A
// [time.Duration] is an integer, the number of nanoseconds. Invalid UTF-8 is replaced, and
// null leaves a value unchanged. ReadJSON does not check the Content-Type header.
//
// ReadJSON panics if dst is nil or not a pointer.
//
// # Errors
//
// The error says whether the body is empty or malformed, has data after the JSON
// value, or contains a value of the wrong type. For example:
//
//	http: field "age" has a string where an integer is expected (before offset 24)
//
// The text is safe to send to the client, because it does not name Go types.
// Offsets count bytes from 0. Depending on the Go release, the text names the whole
// path to a field or only a part of it. If an UnmarshalText method rejects a value, the
// error names the field; to find it, the method is called again with the same and earlier
// values. An error from an UnmarshalJSON method has no offset, and names a field only if it
// is an [encoding/json.UnmarshalTypeError]. If the type of dst contains interfaces or types
// with such a method, errors about other values may have no offset either. [errors.As]
// finds the underlying error, which often comes from encoding/json.
//
// If ReadJSON returns an error, it may have modified the value that dst points to.
//
// # Limit
//
// If the body is too large, ReadJSON returns [ErrBodyTooLarge]. All bytes count,
// including white space around the value. If the request uses HTTP/1 and has passed
// through a [Server] or middleware of this package, the connection is then closed after
// the response. For other HTTP/1 requests, net/http closes the connection if much of
// the body is unread.
func ReadJSON(r *Request, dst any) error { return ReadJSONLimit(r, dst, maxJSONBody) }

// ReadJSONLimit is like [ReadJSON], with the given limit in bytes instead of 1 MiB. A
// body of exactly that size is accepted. A negative limit is treated as 0.
func ReadJSONLimit(r *Request, dst any, limit int64) error {
	return closeIfUnread(r, readJSON(r, dst, limit, jsonbody.Decode))
}

// ReadJSONStrict is like [ReadJSONLimit], but returns an error in these cases too:
//
//   - The Content-Type header is missing, names a media type that is neither
//     application/json nor ends in +json, or names a charset other than UTF-8. The error
//     then wraps [ErrContentType], and the body is not read.
//   - An object has a member without a matching field in the struct that it is decoded
//     into.
//   - An object has the same name twice, or two names for the same field. For example,
//     "name" and "Name" are decoded into the same field, because encoding/json ignores
//     case if no name matches exactly. If the object is decoded into a map or an
//     interface, only equal names are duplicates.
//
// In values that an UnmarshalJSON method decodes, only equal names are detected.
func ReadJSONStrict(r *Request, dst any, limit int64) error {
	return closeIfUnread(r, readStrictJSON(r, dst, limit))
}

// closeIfUnread makes the server close the connection if err leaves a part of the body
// unread, and if the request's state knows the connection. It returns err.
func closeIfUnread(r *Request, err error) error {
	if leavesBody(err) {
		if state := reqstate.Of(r.Context()); state != nil {
			state.CloseConnection()
		}
	}
	return err
}

// readJSON reads the body and decodes it with the given function. Its error is
// [ErrBodyTooLarge] or a *jsonbody.Error.
func readJSON(r *Request, dst any, limit int64, decode func(body []byte, dst any) error) error {
	checkJSONDestination(dst)
	body, err := readBody(r, limit)
	if err != nil {
		return err
	}
	return decode(body, dst)
}

// readStrictJSON is readJSON for [ReadJSONStrict].
func readStrictJSON(r *Request, dst any, limit int64) error {
	checkJSONDestination(dst)
	if problem := jsonbody.CheckType(r.Header.Get("Content-Type")); problem != "" {
		return &jsonbody.Error{Message: problem, Cause: ErrContentType}
	}
	return readJSON(r, dst, limit, jsonbody.DecodeStrict)
}

// checkJSONDestination panics unless dst is a non-nil pointer.
func checkJSONDestination(dst any) {
	if v := reflect.ValueOf(dst); v.Kind() != reflect.Pointer || v.IsNil() {
		callsite.Panicf("cannot decode the JSON body into dst of type %T; dst must be a non-nil pointer", dst)
	}
}

// readBody reads the body into new memory. Its error is [ErrBodyTooLarge] or a
// *jsonbody.Error.
func readBody(r *Request, limit int64) ([]byte, error) {
	body, err := jsonbody.Read(r, limit)
	switch {
	case err == nil, err == ErrBodyTooLarge:
		return body, err
	case bodyIsLate(err):
		return nil, &jsonbody.Error{Message: "the request body did not arrive in time", Cause: err}
	}
	return nil, &jsonbody.Error{Message: "the request body could not be read", Cause: err}
}

// bodyIsLate reports whether reading a body failed with err because of a read deadline.
func bodyIsLate(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// leavesBody reports whether a body whose reading failed with err has a rest that may still
// arrive.
func leavesBody(err error) bool { return errors.Is(err, ErrBodyTooLarge) || bodyIsLate(err) }

// CheckBulkIDs checks the ids of a request that acts on several items at once. If
// len(ids) is 0 or greater than most, CheckBulkIDs responds with status 400 and
// returns false; the handler must then return without writing a response.
func CheckBulkIDs(w ResponseWriter, ids []int64, most int) bool {
	switch {
	case len(ids) == 0:
		WriteError(w, StatusBadRequest, "ids must not be empty")
	case len(ids) > most:
		WriteError(w, StatusBadRequest, "too many ids: at most "+strconv.Itoa(most)+" are allowed")
	default:
		return true
	}
	return false
}

// ClientIP returns the IP address of the client, even if the request came through
// proxies. The result is in canonical form (RFC 5952), without a port, brackets or a
// zone; an IPv4-mapped IPv6 address is returned as IPv4. If the address is unknown,
// for example for a request over a Unix socket without forwarding headers, ClientIP
// returns "".
//
// # Sources
//
// ClientIP uses the first of these that applies:
//
//  1. r.RemoteAddr, if the peer is not a trusted proxy. Forwarding headers are then
//     ignored, because any client can send them.
//  2. X-Forwarded-For. If the header has several lines, they form one list.
//  3. X-Real-IP, if the request has no X-Forwarded-For.
//  4. r.RemoteAddr, if these headers contain no usable address.
//
// ClientIP reads X-Forwarded-For from the end, where the nearest proxy adds its
// entry, and skips the addresses of trusted proxies. The first other address is the
// client's. If there is none, ClientIP returns the last address that it has read,
// which is usually the leftmost one. It stops reading at an entry that is not an
// address, for example "unknown" or "unix:", and after 64 entries. If X-Forwarded-For
// has no usable address, ClientIP does not use X-Real-IP, because the proxy that wrote
// X-Forwarded-For may have passed on an X-Real-IP header from the client.
//
// # Proxies
//
// A proxy is trusted if its address is not routed on the internet (for example a
// loopback, private or link-local address), if it connects over a Unix socket, or if
// its address is in a prefix passed to [TrustedProxies] or [WithTrustedProxies]. If
// WithTrustedProxies was called without prefixes, only the prefixes passed to
// TrustedProxies are trusted.
//
// # Security
//
// If clients on the internet reach the server without an HTTP proxy, r.RemoteAddr must
// be the client's own address. A TCP load balancer or the port forwarding of a
// container engine may replace it with a private address without setting
// X-Forwarded-For. A client can then send X-Forwarded-For with any address, and
// ClientIP returns that address. To prevent this, call [WithTrustedProxies] without
// prefixes.
func ClientIP(r *Request) string { return clientAddress(r).String() }

// clientAddress returns the address that ClientIP formats.
func clientAddress(r *Request) clientip.Address {
	if !clientip.Forwarded(r.Header) {
		peer, _ := clientip.Parse(r.RemoteAddr) // zero if it is not an address
		return peer
	}
	return clientip.Of(r.RemoteAddr, r.Header, trustedFor(r.Context()))
}

// trustedFor returns the proxies that are trusted for the request with context ctx.
func trustedFor(ctx context.Context) *clientip.Set {
	if trusted := reqstate.Of(ctx).Trusted(); trusted != nil {
		return trusted // includes those of the server
	}
	return response.TrustedByServer(ctx)
}

// TrustedProxies returns middleware that makes [ClientIP] trust the forwarding
// headers of proxies whose addresses are in one of the given prefixes, for example
// those that a CDN publishes. Proxies whose addresses are not routed on the internet
// are also trusted, unless [WithTrustedProxies] was called without prefixes. If
// TrustedProxies is used more than once, all prefixes apply, and those of
// WithTrustedProxies, too. TrustedProxies panics if a prefix is invalid.
//
// # Position
//
// Add TrustedProxies to the router, before all middleware that uses the client's
// address, for example [RateLimit]. Middleware before it uses the address of the
// proxy instead. If a RateLimit by address comes before a TrustedProxies of the same
// router, group or [Chain], [Server.Start] or the first request panics.
func TrustedProxies(prefixes ...netip.Prefix) Middleware {
	proxies, err := clientip.NewSet(prefixes)
	if err != nil {
		callsite.Panicf("TrustedProxies: %v", err)
	}
	return func(next Handler) Handler {
		if len(prefixes) == 0 {
			return next
		}
		return &trustedProxiesHandler{proxies: proxies, next: next}
	}
}

// A trustedProxiesHandler is the handler of [TrustedProxies].
type trustedProxiesHandler struct {
	proxies *clientip.Set
	next    Handler
}

// ServeHTTP implements [Handler].
func (h *trustedProxiesHandler) ServeHTTP(w ResponseWriter, r *Request) {
	turn, pass := response.EnterState(w, r)
	defer turn.End()
	if turn.State.Trusted() == nil {
		turn.State.Trust(response.TrustedByServer(r.Context()))
	}
	turn.State.Trust(h.proxies)
	h.next.ServeHTTP(pass, turn.Request)
	turn.Returned = true
}
