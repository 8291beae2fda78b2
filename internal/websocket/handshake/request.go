package handshake

import (
	"fmt"
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/origin"
)

// A Refusal is the error of a request that must not be upgraded, with the
// response to send.
type Refusal struct {
	Status  int
	Reason  string      // for the client
	Found   string      // the offending values, for the error and the log only; "" if Reason has them
	Headers [][2]string // response fields to set, as names and values
}

// Error returns the reason and the offending values.
func (r *Refusal) Error() string {
	if r.Found == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Found
}

// listFields are the fields of a handshake that hold lists of any length.
var listFields = [...]string{"Connection", "Upgrade", fieldProtocol, fieldExtensions}

// IsExtendedConnect reports whether a request is to open a WebSocket over HTTP/2
// (RFC 8441). net/http passes on such requests only with GODEBUG=http2xconnect=1.
func IsExtendedConnect(r *http.Request) bool {
	return r.Method == http.MethodConnect && r.Header[":protocol"] != nil
}

// RefuseExtendedConnect returns the refusal of an extended CONNECT request.
func RefuseExtendedConnect(r *http.Request, status int) *Refusal {
	return &Refusal{status, "a WebSocket needs HTTP/1.1, not " + r.Proto,
		"the server offers extended CONNECT (RFC 8441) because of GODEBUG=http2xconnect=1; remove that setting", nil}
}

// checkRequest checks a request against RFC 6455, section 4.2.1. It returns nil
// if the request is a valid handshake.
func checkRequest(r *http.Request) *Refusal {
	h := r.Header
	for _, name := range listFields {
		if header.TooLong(h[name]) {
			return &Refusal{http.StatusBadRequest, "too many elements in " + wireName(name),
				fmt.Sprintf("%d; the maximum is %d", header.Count(h[name]), header.MaxElements), nil}
		}
	}
	switch {
	case IsExtendedConnect(r):
		return RefuseExtendedConnect(r, http.StatusHTTPVersionNotSupported)
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &Refusal{http.StatusHTTPVersionNotSupported, "a WebSocket needs HTTP/1.1, not " + r.Proto, "", nil}
	case r.Method != http.MethodGet:
		return &Refusal{http.StatusMethodNotAllowed, "a WebSocket begins with GET", "the method is " + quote(r.Method), [][2]string{{"Allow", "GET"}}}
	case !isUpgrade(h):
		return upgradeRequired("not a WebSocket handshake: Upgrade: websocket and Connection: Upgrade are needed",
			"Upgrade is "+quoteLines(h["Upgrade"])+", Connection is "+quoteLines(h["Connection"]))
	case len(h[fieldVersion]) != 1 || h[fieldVersion][0] != version:
		return upgradeRequired("Sec-WebSocket-Version must be 13", "it is "+quoteLines(h[fieldVersion]))
	case len(h[fieldKey]) != 1 || !isKey(h[fieldKey][0]):
		return &Refusal{http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64", "it is " + quoteLines(h[fieldKey]), nil}
	case r.ContentLength != 0:
		return &Refusal{http.StatusBadRequest, "a WebSocket handshake has no body", "this one has " + bodySize(r.ContentLength), nil}
	}
	return nil
}

// bodySize describes a body by its length, which is not 0.
func bodySize(length int64) string {
	if length < 0 {
		return "a body of unknown length"
	}
	return fmt.Sprintf("a body of %d bytes", length)
}

// upgradeRequired returns a 426 that names the protocol and version to ask for
// (RFC 9110, section 15.5.22; RFC 6455, section 4.2.2).
func upgradeRequired(reason, found string) *Refusal {
	return &Refusal{http.StatusUpgradeRequired, reason, found, [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {fieldVersion, version},
	}}
}

// badExtensions returns the refusal of a malformed Sec-WebSocket-Extensions.
func badExtensions(r *http.Request, err error) *Refusal {
	return &Refusal{http.StatusBadRequest, err.Error(), quoteLines(r.Header[fieldExtensions]), nil}
}

// checkOrigin returns the refusal of a request whose Origin is not allowed by
// checkOrigin returns the refusal of a request whose Origin is not allowed: by
// custom or, if custom is nil, by neither sameOrigin nor the list, which may be
// nil. It returns nil if the Origin is allowed. The response does not name the
// values that were compared.
func checkOrigin(r *http.Request, custom func(*http.Request) bool, allowed *origin.AllowList) *Refusal {
	found := "Origin " + quoteLines(r.Header["Origin"])
	switch {
	case custom != nil:
		if custom(r) {
			return nil
		}
		found = "CheckOrigin returned false for " + found + " and Host " + quote(r.Host)
	case sameOrigin(r) || isAllowed(r, allowed):
		return nil
	case r.TLS != nil:
		found += " does not match Host " + quote(r.Host) + " with scheme https"
	default:
		found += " does not match Host " + quote(r.Host)
	}
	if custom == nil && allowed != nil {
		found += ", and is not in AllowOrigins"
	}
	return &Refusal{http.StatusForbidden, "origin not allowed", found, nil}
}

// isAllowed reports whether the Origin of a request is in the list, which may
// be nil.
func isAllowed(r *http.Request, allowed *origin.AllowList) bool {
	values := r.Header["Origin"]
	return allowed != nil && len(values) == 1 && allowed.Allows(values[0])
}

// sameOrigin reports whether the Origin of a request, if there is one, matches
// its Host. If the request came without TLS, https is accepted too, because a
// proxy may have terminated TLS.
func sameOrigin(r *http.Request) bool {
	values := r.Header["Origin"]
	if len(values) == 0 {
		return true
	}
	o, err := origin.Parse(values[0])
	switch {
	case err != nil || len(values) > 1:
		return false
	case o.Scheme != "https" && (o.Scheme != "http" || r.TLS != nil):
		return false
	}
	return o.HasHost(r.Host)
}

// chooseProtocol returns the first of the server's subprotocols that the
// client offers, or "".
func chooseProtocol(r *http.Request, protocols []string) string {
	for _, protocol := range protocols {
		for offered := range header.List(r.Header[fieldProtocol]) {
			if offered == protocol {
				return protocol
			}
		}
	}
	return ""
}
