// Package origin parses web origins (RFC 6454), each of which is the scheme, host
// and port that a browser sends in the Origin field, and matches them against a
// list. CORS and the WebSocket handshake use it, so both accept the same origins.
package origin

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// Null is the value that browsers send for opaque origins, for example that of a
// sandboxed frame or a local file, and after certain redirects. Anyone can make a
// page with this origin.
const Null = "null"

// The maximum lengths, in bytes, of a scheme, and of a domain and its labels (RFC
// 1035, section 2.3.4).
const (
	maxScheme = 64
	maxDomain = 253
	maxLabel  = 63
)

// maxLength is the maximum length of an origin, in bytes.
const maxLength = maxScheme + len("://") + maxDomain + len(":65535")

// An Origin is a parsed origin in canonical form. Two Origins are the same origin
// if they are == (RFC 6454, section 5).
type Origin struct {
	Scheme string // in lower case
	Host   string // a domain in lower case, an IPv4 address, or an IPv6 address in brackets
	Port   uint16 // 0 if it is the scheme's default
}

// An Error reports why a string is not an origin, or why it cannot be allowed.
type Error struct {
	Value  string
	Reason string
}

// Error returns the value and the reason on one line.
func (e *Error) Error() string {
	const most = 100 // limits a value that may have come from a client
	if len(e.Value) > most {
		return "origin " + strconv.Quote(e.Value[:most]) + "... " + e.Reason
	}
	return "origin " + strconv.Quote(e.Value) + " " + e.Reason
}

// Parse parses an origin and converts it to the form that browsers send: in lower
// case, without the default port of the scheme, and with IPv6 addresses in their
// short form. It returns an [*Error] for any other string that browsers would not
// send as an origin, for example one with a path (even just a trailing slash), a
// user name, or a domain that is not in ASCII or ends in a dot. It also returns an
// [*Error] for "null".
func Parse(s string) (Origin, error) {
	o, reason := parse(s)
	if reason != "" {
		return Origin{}, &Error{s, reason}
	}
	return o, nil
}

// String returns the origin as browsers send it.
func (o Origin) String() string { return o.Scheme + "://" + o.authority() }

// IsCanonical reports whether s, from which o was parsed, is o.String(). It does not
// allocate.
func (o Origin) IsCanonical(s string) bool {
	authority, ok := strings.CutPrefix(s, o.Scheme+"://")
	if !ok {
		return false
	}
	port, ok := strings.CutPrefix(authority, o.Host)
	return ok && (port == "") == (o.Port == 0) && !strings.HasPrefix(port, ":0")
}

// authority returns the origin without its scheme.
func (o Origin) authority() string {
	if o.Port == 0 {
		return o.Host
	}
	return o.Host + ":" + strconv.Itoa(int(o.Port))
}

// HasHost reports whether a request with the given Host field would go to the
// origin o, assuming that it used the scheme of o. It does not allocate.
func (o Origin) HasHost(host string) bool {
	host, digits, ok := cutPort(host)
	if !ok || !header.EqualFold(host, o.Host) {
		return false
	}
	port, reason := parsePort(digits, o.Scheme)
	return reason == "" && port == o.Port
}

// parse is [Parse], but returns the reason instead of an error. It allocates only
// if the origin is not in canonical form or its host is an IP address.
func parse(s string) (o Origin, reason string) {
	switch {
	case s == Null:
		return o, "has no host to compare"
	case len(s) > maxLength:
		return o, "is too long to be an origin"
	}
	scheme, authority, found := strings.Cut(s, "://")
	if !found {
		return o, "has no scheme; an origin is scheme://host or scheme://host:port"
	}
	if o.Scheme, reason = parseScheme(scheme); reason != "" {
		return o, reason
	}
	host, digits, ok := cutPort(authority)
	if !ok {
		return o, "has something other than a port after its host"
	}
	if o.Host, reason = parseHost(host); reason != "" {
		return o, reason
	}
	o.Port, reason = parsePort(digits, o.Scheme)
	return o, reason
}

// parseScheme checks a scheme (RFC 3986, section 3.1).
func parseScheme(s string) (scheme, reason string) {
	if strings.Contains(s, "*") {
		return "", "has a * in its scheme; list http and https separately"
	}
	for i := range len(s) {
		c := s[i] | 0x20 // among the allowed characters, this changes only letters
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || s[i] != '+' && s[i] != '-' && s[i] != '.' && !isDigit(s[i])) {
			return "", "has a malformed scheme"
		}
	}
	if s == "" || len(s) > maxScheme {
		return "", "has a malformed scheme"
	}
	switch scheme = strings.ToLower(s); scheme {
	case "file", "data", "about", "blob", "javascript":
		return "", "has a scheme whose pages send the origin null"
	case "ws", "wss":
		return "", "has a WebSocket scheme; use the scheme of the page, http or https"
	}
	return scheme, ""
}

// cutPort splits a host and its port. ok is false if a closing bracket is missing,
// or if a colon or a bracket is followed by something invalid.
func cutPort(s string) (host, port string, ok bool) {
	end := strings.IndexByte(s, ':')
	if strings.HasPrefix(s, "[") {
		end = strings.IndexByte(s, ']') + 1
		if end == 0 {
			return "", "", false
		}
	}
	if end < 0 || end == len(s) {
		return s, "", true
	}
	return s[:end], s[end+1:], s[end] == ':' && s[end+1:] != ""
}

// parsePort parses a port. It returns 0 for an empty port and for the default port
// of the scheme.
func parsePort(s, scheme string) (port uint16, reason string) {
	if s == "" {
		return 0, ""
	}
	n, err := strconv.ParseUint(s, 10, 16)
	switch {
	case strings.ContainsAny(s, "/?#"):
		return 0, "has a path; an origin ends with its host or port, without a slash"
	case s == "*":
		return 0, "has a * as its port; list each port"
	case err != nil || n == 0 || s[0] == '0':
		return 0, "has a port that is not between 1 and 65535"
	case n == 80 && scheme == "http" || n == 443 && scheme == "https":
		return 0, ""
	}
	return uint16(n), ""
}

// parseHost checks a host and converts it to canonical form.
func parseHost(s string) (host, reason string) {
	if strings.HasPrefix(s, "[") {
		addr, err := netip.ParseAddr(s[1 : len(s)-1])
		if err != nil || !addr.Is6() || addr.Zone() != "" || addr.Is4In6() {
			return "", "has brackets without an IPv6 address; zones and IPv4-mapped addresses are not allowed"
		}
		return "[" + addr.String() + "]", ""
	}
	if reason = checkDomain(s); reason != "" {
		return "", reason
	}
	// No top-level domain starts with a digit. If the last label of a host is a
	// number, browsers parse the host as an IPv4 address in one of many notations.
	if last := s[strings.LastIndexByte(s, '.')+1:]; isDigit(last[0]) {
		if _, err := netip.ParseAddr(s); err != nil {
			return "", "has a host that looks like an IPv4 address but is not one"
		}
	}
	return strings.ToLower(s), ""
}

// checkDomain returns the reason why a domain is invalid, or "". Like browsers, it
// allows underscores in addition to letters, digits and hyphens.
func checkDomain(s string) (reason string) {
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDomainByte(c):
			label++
		case c != '.':
			return badDomainByte(c)
		case label == 0:
			return "has an empty label in its domain"
		default:
			label = 0
		}
		if label > maxLabel {
			return "has a domain label longer than 63 characters"
		}
	}
	switch {
	case s == "":
		return "has no host"
	case label == 0:
		return "has a domain that ends in a dot"
	case len(s) > maxDomain:
		return "has a domain longer than 253 characters"
	}
	return ""
}

// badDomainByte returns the reason why a domain that contains c is invalid.
func badDomainByte(c byte) (reason string) {
	switch {
	case c == '/' || c == '?' || c == '#':
		return "has a path; an origin ends with its host or port, without a slash"
	case c == '*':
		return "has a * that is not the whole first label; use the form https://*.example.com"
	case c == '@':
		return "has a user name"
	case c >= 0x80:
		return "has a domain that is not in ASCII; use its xn-- form"
	}
	return "has an invalid character in its domain"
}

func isDomainByte(c byte) bool {
	letter := c | 0x20
	return 'a' <= letter && letter <= 'z' || isDigit(c) || c == '-' || c == '_'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
