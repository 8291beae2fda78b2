// Package clientip determines the IP address of the client that sent a request, possibly
// through proxies.
//
// A proxy reports its client's address in a header field that any client can send, too. So
// the field is used only if the peer of the connection is trusted, and only the part of its
// list that trusted machines have written. Each proxy appends the address of its peer, so
// the list is read from its end, and the first address that is not trusted is the client's.
// The client may have sent the entries before it.
//
// An address is trusted if the program has named it, or if it is not routed on the
// internet, because then it cannot belong to a client on the internet. A peer on a Unix
// socket is trusted, too. A program can also trust nobody but the addresses it has named:
// see [None].
package clientip

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// An Address is an IP address without port and zone. An IPv4 address mapped into IPv6 is an
// IPv4 address. The zero Address represents an unknown address.
type Address struct {
	ip   netip.Addr
	text string // as it was written, which may differ from the canonical form
}

// String returns the canonical form (RFC 5952), or "" for the zero Address. If the address
// was written in that form, String does not allocate.
func (a Address) String() string {
	switch {
	case !a.ip.IsValid():
		return ""
	case a.ip.Is4() && !strings.Contains(a.text, ":"):
		return a.text // netip accepts no other form of IPv4
	}
	var buf [len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]byte
	if canonical := a.ip.AppendTo(buf[:0]); string(canonical) != a.text {
		return string(canonical)
	}
	return a.text
}

// Key returns the key under which requests of the client are counted. For an IPv4 address,
// it is the address itself. For an IPv6 address, it is the /64 prefix, because providers
// assign at least a /64 to each customer. It is "" for the zero Address.
//
// Some IPv6 prefixes are shared by unrelated IPv4 clients, whose IPv4 addresses are embedded
// in their IPv6 addresses, and some give one IPv4 client many /64 prefixes. Therefore an
// address of the well-known translation prefix 64:ff9b::/96 (RFC 6052), of 6to4 (RFC 3056)
// or of Teredo (RFC 4380) has the key of the embedded IPv4 address. In 64:ff9b:1::/48
// (RFC 8215) the position of that address depends on the network, so the key is the whole
// address. A client cannot vary it, because the translator chooses every bit of it.
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

// The prefixes of IPv6 addresses that contain the client's IPv4 address.
var (
	translation      = netip.MustParsePrefix("64:ff9b::/96")
	localTranslation = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour        = netip.MustParsePrefix("2002::/16")
	teredo           = netip.MustParsePrefix("2001::/32")
)

// embedded returns the IPv4 address of the client that an IPv6 address contains.
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

// Of returns the address of the client that sent a request. remoteAddr is the address of the
// peer as a server sets it in [http.Request.RemoteAddr]. If the peer is trusted or on a
// Unix socket, Of uses the forwarding headers:
//
//   - If X-Forwarded-For is present, even if it is empty, only this field is used. All its
//     lines form one list, which is read from its end. The client's address is the first
//     one that is not trusted or, if there is none before the search ends, the last one
//     that was read. The search ends at an entry that is not an address, for example
//     "unknown", and after 64 entries. Empty entries are skipped, but counted.
//   - Otherwise the last line of X-Real-IP is used.
//
// If the field that is used yields no address, Of returns the peer's, which is the zero
// Address if remoteAddr is not an IP address. trusted may be nil.
func Of(remoteAddr string, header http.Header, trusted *Set) Address {
	peer, ok := Parse(remoteAddr)
	if ok && !trusted.trusts(peer.ip) || !ok && !(trusted.trustsLocal() && isUnixSocket(remoteAddr)) {
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

// Forwarded reports whether a request has a header that [Of] may use.
func Forwarded(header http.Header) bool {
	return len(header["X-Forwarded-For"]) > 0 || len(header["X-Real-Ip"]) > 0
}

// maxEntries is the number of entries of X-Forwarded-For that are read.
const maxEntries = 64

// walk reads a list of addresses from its end up to the first one that is not trusted. It
// returns the last address that it has read, or the zero Address if there is none.
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

// isUnixSocket reports whether a remote address belongs to a peer on a Unix socket. Such an
// address is a path, an abstract name or, if the socket has no name, "@" or "". The address
// of a network connection has none of these forms.
func isUnixSocket(remoteAddr string) bool {
	return remoteAddr == "" || remoteAddr[0] == '@' || remoteAddr[0] == '/'
}

// Parse parses an address in any form that proxies and servers write: bare, with a port, or
// in brackets with or without a port. Each may be in double quotes and have a zone, which is
// dropped. For anything else, for example "unknown" and "_name" of RFC 7239, it returns
// false.
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

// splitPort removes the port and the brackets from an address. If the form is only valid for
// IPv6, only6 is true.
func splitPort(s string) (host string, only6, ok bool) {
	if strings.HasPrefix(s, "[") {
		// The last bracket is the closing one, because a zone may contain others.
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
