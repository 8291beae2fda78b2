// Package clientip works out which address a request comes from when there may
// be proxies in between.
//
// A proxy tells whom it speaks for in a header that any client can send as
// well. So the header counts only if the machine at the other end of the
// connection is trusted, and of the list in it only as much as trusted
// machines have written: each proxy appends the address it was called from,
// so the list is read from its end, and the first address that is not trusted
// is the client. What stands before it was there when the client sent it.
//
// Trusted is an address that cannot be a client on the internet, since it is
// not routed there, and any that the program has named.
package clientip

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// An Address is an IP address without port or zone; IPv4 in IPv6 counts as
// IPv4. The zero Address stands for an unknown one.
type Address struct {
	ip   netip.Addr
	text string // as it was written, which may not be the canonical spelling
}

// String returns the canonical spelling (RFC 5952), or "" for the zero
// Address. It does not allocate if that is how the address was written.
func (a Address) String() string {
	switch {
	case !a.ip.IsValid():
		return ""
	case a.ip.Is4() && !strings.Contains(a.text, ":"):
		return a.text // netip takes no other spelling of IPv4
	}
	var buf [len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]byte
	if canonical := a.ip.AppendTo(buf[:0]); string(canonical) != a.text {
		return string(canonical)
	}
	return a.text
}

// Key returns the key of the client for counting requests: an IPv4 address
// itself, and the /64 prefix of an IPv6 address, since that is the least that a
// single customer is given. It is "" for the zero Address.
//
// Some IPv6 prefixes are shared by unrelated IPv4 clients, each with an IPv4
// address inside their own, and some give one IPv4 client many /64 prefixes.
// Addresses of the well-known translation prefix 64:ff9b::/96 (RFC 6052), of
// 6to4 (RFC 3056) and of Teredo (RFC 4380) therefore have the key of the IPv4
// address inside them. In 64:ff9b:1::/48 (RFC 8215) its position depends on the
// network, so the whole address is the key; the translator makes all of it.
func (a Address) Key() string {
	if !a.ip.Is6() {
		return a.String()
	}
	if inside, ok := embedded(a.ip); ok {
		return inside.String()
	}
	if localTranslation.Contains(a.ip) {
		return a.String()
	}
	network, err := a.ip.Prefix(64)
	if err != nil {
		return a.String()
	}
	var buf [len("ffff:ffff:ffff:ffff::/64")]byte
	return string(network.AppendTo(buf[:0]))
}

// The prefixes of IPv6 addresses that are made from the client's IPv4 address.
var (
	translation      = netip.MustParsePrefix("64:ff9b::/96")
	localTranslation = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour        = netip.MustParsePrefix("2002::/16")
	teredo           = netip.MustParsePrefix("2001::/32")
)

// embedded returns the IPv4 address of the client inside an IPv6 address.
func embedded(ip netip.Addr) (inside netip.Addr, ok bool) {
	b := ip.As16()
	switch {
	case translation.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(ip):
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true // sent inverted
	}
	return netip.Addr{}, false
}

// Of returns the address that a request comes from, given the peer's address
// as a server writes it to [http.Request.RemoteAddr]. If the peer is trusted,
// the forwarding headers are consulted:
//
//   - If X-Forwarded-For is present, even empty, it alone counts. All its lines
//     are one list, which is read from its end: the first address that is not
//     trusted is the client's, or else the last one read. The search ends at an
//     entry that is no address, and after 64 entries; empty ones are skipped.
//   - If not, X-Real-IP counts, the last line if there are several.
//
// If neither gives an address, Of returns the peer's own. trusted may be nil.
func Of(remoteAddr string, header http.Header, trusted *Set) Address {
	peer, ok := Parse(remoteAddr)
	if ok && !trusted.trusts(peer.ip) || !ok && !isUnixSocket(remoteAddr) {
		return peer
	}
	if lines := header["X-Forwarded-For"]; len(lines) > 0 {
		if client := walk(lines, trusted); client.ip.IsValid() {
			return client
		}
		return peer
	}
	if lines := header["X-Real-Ip"]; len(lines) > 0 {
		if client, ok := Parse(lines[len(lines)-1]); ok {
			return client
		}
	}
	return peer
}

// Forwarded reports whether a request has a header that [Of] may look at.
func Forwarded(header http.Header) bool {
	return len(header["X-Forwarded-For"]) > 0 || len(header["X-Real-Ip"]) > 0
}

// maxEntries bounds how much of X-Forwarded-For is read.
const maxEntries = 64

// walk follows a list of addresses from its end for as long as they are
// trusted, and returns where it got to.
func walk(lines []string, trusted *Set) (reached Address) {
	read := 0
	for _, line := range slices.Backward(lines) {
		for more := true; more; more = line != "" {
			if read++; read > maxEntries {
				return reached
			}
			comma := strings.LastIndexByte(line, ',')
			entry := strings.Trim(line[comma+1:], " \t")
			line = line[:max(comma, 0)]
			if entry == "" {
				continue
			}
			address, ok := Parse(entry)
			if !ok {
				return reached
			}
			reached = address
			if !trusted.trusts(address.ip) {
				return reached
			}
		}
	}
	return reached
}

// isUnixSocket reports whether a remote address is that of a peer on a Unix
// socket: a path, an abstract name, "@" or nothing if it has no name at all.
// The address of a network connection is never one of these.
func isUnixSocket(remoteAddr string) bool {
	return remoteAddr == "" || remoteAddr[0] == '@' || remoteAddr[0] == '/'
}

// Parse reads an address in any form that proxies and servers write: bare,
// with a port, in brackets with or without a port, each in double quotes or
// not and with a zone, which is dropped. Anything else, such as the "unknown"
// and "_name" of RFC 7239, is no address.
func Parse(s string) (Address, bool) {
	s = strings.Trim(s, " \t")
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	host, only6, ok := splitPort(s)
	if !ok {
		return Address{}, false
	}
	if percent := strings.IndexByte(host, '%'); percent >= 0 {
		if percent == len(host)-1 {
			return Address{}, false
		}
		host, only6 = host[:percent], true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || only6 && ip.Is4() {
		return Address{}, false
	}
	return Address{ip.Unmap(), host}, true
}

// splitPort takes the port and the brackets off an address. only6 is set if
// the form is for IPv6 only.
func splitPort(s string) (host string, only6, ok bool) {
	if strings.HasPrefix(s, "[") {
		// The last bracket closes: a zone may have one.
		end := strings.LastIndexByte(s, ']')
		if end < 0 {
			return "", true, false
		}
		host, port := s[1:end], s[end+1:]
		return host, true, port == "" || port[0] == ':' && isPort(port[1:])
	}
	host, port, found := strings.Cut(s, ":")
	if !found || strings.Contains(port, ":") {
		return s, false, true
	}
	return host, false, isPort(port)
}

// isPort reports whether s is a decimal port number.
func isPort(s string) bool {
	if s == "" || len(s) > 5 {
		return false
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
		n = 10*n + int(c-'0')
	}
	return n <= 65535
}
