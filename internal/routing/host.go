package routing

import (
	"bytes"
	"net"
	"strings"
)

// canonicalHost returns a host, with or without a port, in the form in which
// hosts are compared: in lower case (RFC 3986, section 3.2.2) and without the
// trailing dot of a fully qualified name.
func canonicalHost(host string) string {
	if isCanonicalHost(host) {
		return host
	}
	canonical := []byte(host)
	for i, c := range canonical {
		if 'A' <= c && c <= 'Z' {
			canonical[i] = c + ('a' - 'A')
		}
	}
	if name, ok := bytes.CutSuffix(canonical, []byte(".")); ok {
		return string(name)
	}
	return strings.Replace(string(canonical), ".:", ":", 1)
}

// isCanonicalHost reports whether canonicalHost returns host unchanged.
func isCanonicalHost(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case 'A' <= c && c <= 'Z':
			return false
		case c == '.' && (i == len(host)-1 || host[i+1] == ':'):
			return false
		}
	}
	return true
}

// withoutPort returns the part of a Host header that ServeMux compares with the
// hosts of patterns.
func withoutPort(hostport string) string {
	if !strings.Contains(hostport, ":") {
		return hostport
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	return host
}
