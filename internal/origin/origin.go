// Package origin reads web origins, the scheme, host and port that a browser
// names in the Origin field (RFC 6454), and decides which of them a
// configuration allows. CORS and the WebSocket handshake share it, so that one
// list means the same to both.
package origin

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// Null is what a browser sends for an origin that it will not name: of a
// sandboxed frame, a local file, or a page behind certain redirects. Anyone can
// make a page with it.
const Null = "null"

// The longest scheme that is taken for one, and the longest domain name
// (RFC 1035 §2.3.4) and label of one.
const (
	maxScheme = 64
	maxDomain = 253
	maxLabel  = 63
)

// maxLength is the length of the longest origin.
const maxLength = maxScheme + len("://") + maxDomain + len(":65535")

// An Origin is what [Parse] makes of a string. It is in canonical form, so two
// are the same origin if they are == (RFC 6454 §5).
type Origin struct {
	Scheme string // in lower case
	Host   string // a domain in lower case, an IPv4 address, or an IPv6 address in brackets
	Port   uint16 // 0 for the scheme's default
}

// An Error says why a string is not an origin, or not one that can be allowed.
type Error struct {
	Value  string
	Reason string
}

// Error returns the value and the reason in one line.
func (e *Error) Error() string {
	const most = 100 // of a value that may have come from a client
	if len(e.Value) > most {
		return "origin " + strconv.Quote(e.Value[:most]) + "... " + e.Reason
	}
	return "origin " + strconv.Quote(e.Value) + " " + e.Reason
}

// Parse reads one origin. Upper case, a default port and the long forms of an
// IPv6 address are brought to the form that browsers send; everything else
// that they would not send is an [*Error]: "null", a path or so much as a
// slash at the end, user names, domains that are not in ASCII or end in a dot.
func Parse(s string) (Origin, error) {
	o, reason := parse(s)
	if reason != "" {
		return Origin{}, &Error{s, reason}
	}
	return o, nil
}

// String returns the origin as browsers send it.
func (o Origin) String() string { return o.Scheme + "://" + o.authority() }

// authority returns the origin without its scheme.
func (o Origin) authority() string {
	if o.Port == 0 {
		return o.Host
	}
	return o.Host + ":" + strconv.Itoa(int(o.Port))
}

// HasHost reports whether a request with this Host field, made by way of the
// origin's own scheme, goes to the origin itself. It does not allocate.
func (o Origin) HasHost(host string) bool {
	host, digits, ok := cutPort(host)
	if !ok || !header.EqualFold(host, o.Host) {
		return false
	}
	port, reason := parsePort(digits, o.Scheme)
	return reason == "" && port == o.Port
}

// parse returns the reason instead of an error. It allocates only where the
// origin is not in canonical form or its host is an IP address.
func parse(s string) (o Origin, reason string) {
	switch {
	case s == Null:
		return o, "names no host that could be compared"
	case len(s) > maxLength:
		return o, "is longer than an origin can be"
	}
	scheme, authority, found := strings.Cut(s, "://")
	if !found {
		return o, "has no scheme: an origin is scheme://host or scheme://host:port"
	}
	if o.Scheme, reason = parseScheme(scheme); reason != "" {
		return o, reason
	}
	host, digits, ok := cutPort(authority)
	if !ok {
		return o, "has something after its host that is no port"
	}
	if o.Host, reason = parseHost(host); reason != "" {
		return o, reason
	}
	o.Port, reason = parsePort(digits, o.Scheme)
	return o, reason
}

// parseScheme checks a scheme (RFC 3986 §3.1).
func parseScheme(s string) (scheme, reason string) {
	if strings.Contains(s, "*") {
		return "", "has a * in its scheme: list http and https each for itself"
	}
	for i := range len(s) {
		c := s[i] | 0x20 // of the characters allowed only letters change
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || s[i] != '+' && s[i] != '-' && s[i] != '.' && !isDigit(s[i])) {
			return "", "has a malformed scheme"
		}
	}
	if s == "" || len(s) > maxScheme {
		return "", "has a malformed scheme"
	}
	switch scheme = strings.ToLower(s); scheme {
	case "file", "data", "about", "blob", "javascript":
		return "", "has a scheme whose pages have the origin null"
	case "ws", "wss":
		return "", "has the scheme of a socket: an origin has the page's, http or https"
	}
	return scheme, ""
}

// cutPort takes the port off a host. ok is false for an opening bracket without
// the closing one, and for a colon or bracket with the wrong thing behind it.
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

// parsePort reads a port, which may be missing, and turns the scheme's default
// into 0.
func parsePort(s, scheme string) (port uint16, reason string) {
	if s == "" {
		return 0, ""
	}
	n, err := strconv.ParseUint(s, 10, 16)
	switch {
	case strings.ContainsAny(s, "/?#"):
		return 0, "has a path: an origin ends with its host or port, without a slash"
	case s == "*":
		return 0, "has a * for its port: list each port"
	case err != nil || n == 0 || s[0] == '0':
		return 0, "has a port that is not between 1 and 65535"
	case n == 80 && scheme == "http" || n == 443 && scheme == "https":
		return 0, ""
	}
	return uint16(n), ""
}

// parseHost checks a host and brings it to canonical form.
func parseHost(s string) (host, reason string) {
	if strings.HasPrefix(s, "[") {
		addr, err := netip.ParseAddr(s[1 : len(s)-1])
		if err != nil || !addr.Is6() || addr.Zone() != "" || addr.Is4In6() {
			return "", "has brackets around what is no IPv6 address, has a zone, or is IPv4 after all"
		}
		return "[" + addr.String() + "]", ""
	}
	if reason = checkDomain(s); reason != "" {
		return "", reason
	}
	// No top-level domain begins with a digit, and browsers read a host whose
	// last label is a number as an address, in whatever notation.
	if last := s[strings.LastIndexByte(s, '.')+1:]; isDigit(last[0]) {
		if _, err := netip.ParseAddr(s); err != nil {
			return "", "has a host that looks like an IPv4 address and is none"
		}
	}
	return strings.ToLower(s), ""
}

// checkDomain returns what is wrong with a domain name, if anything. Besides
// letters, digits and hyphens, it allows underscores, as browsers do.
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
			return "has a label of more than 63 characters in its domain"
		}
	}
	switch {
	case s == "":
		return "has no host"
	case label == 0:
		return "has a domain that ends in a dot"
	case len(s) > maxDomain:
		return "has a domain of more than 253 characters"
	}
	return ""
}

// badDomainByte returns what is wrong with a domain that has c in it.
func badDomainByte(c byte) (reason string) {
	switch {
	case c == '/' || c == '?' || c == '#':
		return "has a path: an origin ends with its host or port, without a slash"
	case c == '*':
		return "has a * that is not the whole first label, as in https://*.example.com"
	case c == '@':
		return "has a user name"
	case c >= 0x80:
		return "has a domain that is not in ASCII: write it in its xn-- form"
	}
	return "has a character in its domain that does not belong there"
}

func isDomainByte(c byte) bool {
	letter := c | 0x20
	return 'a' <= letter && letter <= 'z' || isDigit(c) || c == '-' || c == '_'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
