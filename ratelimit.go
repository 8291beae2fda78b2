package http

import (
	"net/netip"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/capture"
	"github.com/stanza-go/framework/pkg/http/internal/clientip"
)

// ClientIP returns the IP address of the client, as seen through proxies. It
// looks at the headers X-Forwarded-For and X-Real-IP and at r.RemoteAddr, in
// this order.
//
// Anybody can send those headers, so they count only if they come from a
// proxy: from a peer whose address is not routed on the internet (loopback,
// private, link-local, a Unix socket and the like), or is named with
// [TrustedProxies]. X-Forwarded-For, all its lines as one list, is read from
// the end, past the addresses of such proxies, and the first other address is
// the client's. If all are proxies it is the leftmost; an entry that is no
// address ends the list.
//
// The peers of a server that the internet reaches directly must show their own
// addresses. Where something in between replaces them by a private one without
// setting X-Forwarded-For, such as a load balancer for TCP or the port
// forwarding of a container engine, a client can pretend to any address.
//
// The result is in canonical form (RFC 5952) without port, brackets and zone,
// and IPv4 addresses in IPv6 are given as IPv4. It is "" if there is no
// address at all, as with a Unix socket and no header.
func ClientIP(r *Request) string { return clientAddress(r).String() }

// clientAddress is ClientIP before it is written out.
func clientAddress(r *Request) clientip.Address {
	if !clientip.Forwarded(r.Header) {
		return clientip.Of(r.RemoteAddr, nil, nil)
	}
	return clientip.Of(r.RemoteAddr, r.Header, capture.StateOf(r.Context()).Trusted())
}

// TrustedProxies returns middleware that names the proxies whose forwarding
// headers [ClientIP] believes, by prefixes of their addresses, such as those
// that a CDN publishes. Addresses that are not routed on the internet are
// believed without it. Several TrustedProxies add up.
//
// It belongs in front of all middleware that asks for the client's address.
// It panics if a prefix is not valid.
func TrustedProxies(prefixes ...netip.Prefix) Middleware {
	proxies, err := clientip.NewSet(prefixes)
	if err != nil {
		callsite.Panicf("TrustedProxies: %v", err)
	}
	return func(next Handler) Handler {
		if len(prefixes) == 0 {
			return next
		}
		return HandlerFunc(func(w ResponseWriter, r *Request) {
			r, owned := capture.WithState(w, r)
			defer owned.Release()
			capture.StateOf(r.Context()).Trust(proxies)
			next.ServeHTTP(w, r)
		})
	}
}
