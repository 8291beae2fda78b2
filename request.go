package http

import (
	"errors"
	"net/netip"
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

// PathParam returns what the wildcard {name} of the route's pattern matched,
// decoded, or "" if the pattern has no such wildcard. It is
// [net/http.Request.PathValue] in the form of this package's other helpers.
func PathParam(r *Request, name string) string { return r.PathValue(name) }

// PathParamInt64 returns what the wildcard {name} matched as a decimal
// integer. If it is none, or does not fit 64 bits, PathParamInt64 answers the
// request with 400 and returns false; the handler has only to return.
func PathParamInt64(w ResponseWriter, r *Request, name string) (value int64, ok bool) {
	value, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil {
		WriteError(w, StatusBadRequest, "invalid path parameter "+strconv.Quote(name)+": not an integer")
		return 0, false
	}
	return value, true
}

// QueryParam returns the first value of a parameter in the URL's query, or ""
// if it is missing. It returns what r.URL.Query().Get(name) does, without
// parsing the other parameters into a map.
func QueryParam(r *Request, name string) string {
	if r.URL == nil {
		return ""
	}
	return query.Get(r.URL.RawQuery, name)
}

// QueryParamOr returns the first value of a query parameter, or fallback if it
// is missing or empty.
func QueryParamOr(r *Request, name, fallback string) string {
	if value := QueryParam(r, name); value != "" {
		return value
	}
	return fallback
}

// QueryParamInt returns the first value of a query parameter as a decimal
// integer, or fallback if it is missing, no integer, or too large for an int.
func QueryParamInt(r *Request, name string, fallback int) int {
	value, err := strconv.Atoi(QueryParam(r, name))
	if err != nil {
		return fallback
	}
	return value
}

// QueryParamSort reads the query parameters sort and order, for use in an
// ORDER BY clause. The column returned is the entry of allowed that sort names,
// in any letter case and spelled as in the list, or else defaultColumn. The
// direction is "ASC" or "DESC": order's, in any letter case, or else
// defaultDirection. So nothing that a client sends ends up in the clause.
//
// It panics if defaultDirection is neither "ASC" nor "DESC" in any letter case.
func QueryParamSort(r *Request, allowed []string, defaultColumn, defaultDirection string) (column, direction string) {
	direction, ok := sortDirection(defaultDirection)
	if !ok {
		callsite.Panicf("QueryParamSort: the default direction %q is neither ASC nor DESC", defaultDirection)
	}
	if asked, ok := sortDirection(QueryParam(r, "order")); ok {
		direction = asked
	}
	asked := QueryParam(r, "sort")
	for _, column := range allowed {
		if strings.EqualFold(column, asked) {
			return column, direction
		}
	}
	return defaultColumn, direction
}

// sortDirection normalises a direction of sorting.
func sortDirection(s string) (direction string, ok bool) {
	switch {
	case strings.EqualFold(s, "ASC"):
		return "ASC", true
	case strings.EqualFold(s, "DESC"):
		return "DESC", true
	}
	return "", false
}

// A Pagination is the part of a list that a request asks for.
type Pagination struct {
	// Limit is how many items to return at most. It is at least 1.
	Limit int
	// Offset is how many items to leave out before the first. It is at least 0.
	Offset int
}

// ParsePagination reads the query parameters limit and offset. Where limit is
// missing, no integer, or too large for an int, it is defaultLimit; the result
// lies between 1 and maxLimit in any case. A missing or invalid offset is 0,
// and so is a negative one. A maxLimit below 1 counts as 1.
func ParsePagination(r *Request, defaultLimit, maxLimit int) Pagination {
	return Pagination{
		Limit:  max(1, min(QueryParamInt(r, "limit", defaultLimit), maxLimit)),
		Offset: max(0, QueryParamInt(r, "offset", 0)),
	}
}

// maxJSONBody is the limit of [BindJSON] and [ReadJSON] in bytes.
const maxJSONBody = 1 << 20

// ErrBodyTooLarge is what [ReadJSON] and [ReadJSONLimit] return for a body that
// is larger than their own limit or than that of a [MaxBytesReader] around it,
// such as [MaxBody] sets.
var ErrBodyTooLarge = jsonbody.ErrTooLarge

// BindJSON decodes the request's body, of at most 1 MB, into what dst points to,
// as [ReadJSON] does. If that fails it answers the request with 400 and a
// message that says what is wrong, and returns false; the handler has only to
// return.
func BindJSON(w ResponseWriter, r *Request, dst any) bool {
	err := readJSON(r, dst, maxJSONBody)
	if err == nil {
		return true
	}
	if errors.Is(err, ErrBodyTooLarge) {
		jsonbody.CloseAfterReply(w, r)
	}
	WriteError(w, StatusBadRequest, clientMessage(err))
	return false
}

// ReadJSON decodes the request's body, a single JSON value of at most 1 MB (2^20
// bytes), into what dst points to, by the rules of [encoding/json.Unmarshal]:
// members without a field are ignored, of members with the same name the last
// one counts. The Content-Type header is not looked at.
//
// The error says whether the body is empty, malformed, followed by trailing
// data, or holds a value of the wrong type; for example, "field "age" has a
// string where an integer is expected (before offset 24)". Offsets count bytes
// from 0. How much of the path to the field is named depends on the Go release.
// If types with an UnmarshalJSON of their own are involved, there is no offset,
// and unless their error is an [encoding/json.UnmarshalTypeError] no field. The
// text is fit for the client: it does not name Go types. The error underneath,
// often one of encoding/json, is found with [errors.As].
//
// A body over the limit gives [ErrBodyTooLarge]. Bytes count as they come,
// white space around the value included. If any middleware of this package has
// seen the request before, the connection is closed after the response;
// otherwise that is up to the server, which closes it if much of the body is
// left. dst may have been written to in part whenever an error is returned.
// ReadJSON panics if dst is not a pointer, or is nil.
func ReadJSON(r *Request, dst any) error { return ReadJSONLimit(r, dst, maxJSONBody) }

// ReadJSONLimit is [ReadJSON] with a limit of its own, in bytes. A body of
// exactly that size is accepted. A limit below 0 counts as 0.
func ReadJSONLimit(r *Request, dst any, limit int64) error {
	err := readJSON(r, dst, limit)
	if errors.Is(err, ErrBodyTooLarge) {
		if state := reqstate.Of(r.Context()); state != nil {
			state.CloseConnection()
		}
	}
	return err
}

// readJSON decodes the body. The error is [ErrBodyTooLarge] or a
// *jsonread.Error.
func readJSON(r *Request, dst any, limit int64) error {
	if v := reflect.ValueOf(dst); v.Kind() != reflect.Pointer || v.IsNil() {
		callsite.Panicf("JSON is read into a %T, not into a pointer that is not nil", dst)
	}
	body, err := jsonbody.Read(r, limit)
	if err == ErrBodyTooLarge {
		return err
	}
	if err != nil {
		return &jsonbody.Error{Message: "the request body could not be read", Cause: err}
	}
	return jsonbody.Decode(body, dst)
}

// clientMessage returns what BindJSON tells the client of an error of readJSON.
func clientMessage(err error) string {
	if refusal, ok := errors.AsType[*jsonbody.Error](err); ok {
		return refusal.Message
	}
	return "request body too large"
}

// CheckBulkIDs checks the ids of a request that acts on many items at once. If
// there are none, or more than most, it answers the request with 400 and
// returns false; the handler has only to return.
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

// ClientIP returns the IP address of the client, as seen through proxies. It
// looks at X-Forwarded-For, or at X-Real-IP if the request has no
// X-Forwarded-For, and then at r.RemoteAddr.
//
// Clients can send these headers too, so they count only if the peer is a
// proxy: if its address is not routed on the internet (loopback, private,
// link-local, a Unix socket and the like), or was named with [TrustedProxies].
//
// All lines of X-Forwarded-For are one list, which is read from its end, past
// the addresses of such proxies. The first other address is the client's; if
// all are proxies, it is the leftmost. An entry that is no address, for example
// "unknown" or "unix:", ends the list, and so does the 64th entry. If that
// leaves no address, ClientIP returns the peer's. It does not look at X-Real-IP
// then, which the proxy that wrote the list may have passed on from the client.
//
// A server that the internet reaches directly must see the clients' own
// addresses. If something in between replaces them by a private address without
// setting X-Forwarded-For, such as a load balancer for TCP or the port
// forwarding of a container engine, a client can pretend to have any address.
//
// The result is in canonical form (RFC 5952), without port, brackets and zone.
// IPv4 addresses mapped into IPv6 are returned as IPv4. It is "" if there is no
// address, as for a request over a Unix socket without forwarding headers.
func ClientIP(r *Request) string { return clientAddress(r).String() }

// clientAddress is ClientIP before it is written out.
func clientAddress(r *Request) clientip.Address {
	if !clientip.Forwarded(r.Header) {
		peer, _ := clientip.Parse(r.RemoteAddr) // zero if that is no address
		return peer
	}
	return clientip.Of(r.RemoteAddr, r.Header, reqstate.Of(r.Context()).Trusted())
}

// TrustedProxies returns middleware that names the proxies whose forwarding
// headers [ClientIP] believes, by prefixes of their addresses, such as those
// that a CDN publishes. Addresses that are not routed on the internet are
// believed without it. Several TrustedProxies add up.
//
// It belongs in front of all middleware that asks for the client's address, on
// the router: what is asked before it, as by a [RateLimit] on the router when
// the proxies are named in a group, gets the address of the proxy. It panics
// if a prefix is not valid.
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

// A trustedProxiesHandler is the handler that TrustedProxies makes.
type trustedProxiesHandler struct {
	proxies *clientip.Set
	next    Handler
}

// ServeHTTP implements [Handler].
func (h *trustedProxiesHandler) ServeHTTP(w ResponseWriter, r *Request) {
	turn := response.Enter(w, r)
	defer turn.End()
	turn.State.Trust(h.proxies)
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}
