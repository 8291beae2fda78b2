package clientip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Set is a set of proxies that a program trusts, in addition to all addresses that are not
// routed on the internet. A nil Set is empty. A Set is immutable, so it is safe for
// concurrent use by multiple goroutines.
type Set struct {
	prefixes []netip.Prefix
	only     bool // no other peer is trusted, even if it is not on the internet
}

// None returns the set of a program that trusts no proxy, not even if its address is not
// routed on the internet. The same is true of a union with this set, except for the
// addresses of the other set's prefixes.
func None() *Set { return &Set{only: true} }

// NewSet returns the set of all addresses with one of the given prefixes. A prefix of
// IPv4-mapped IPv6 addresses is treated as the IPv4 prefix. If any prefixes
// are invalid, NewSet returns an error that lists all of them.
func NewSet(prefixes []netip.Prefix) (*Set, error) {
	set := &Set{prefixes: make([]netip.Prefix, len(prefixes))}
	var invalid []string
	for i, prefix := range prefixes {
		switch address := prefix.Addr(); {
		case !prefix.IsValid():
			invalid = append(invalid, fmt.Sprintf("prefix %d of %d is not valid", i+1, len(prefixes)))
		case !address.Is4In6():
			set.prefixes[i] = prefix
		case prefix.Bits() < 96:
			invalid = append(invalid, fmt.Sprintf("prefix %s covers more than the IPv4-mapped addresses: it must have at least 96 bits", prefix))
		default:
			set.prefixes[i] = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
		}
	}
	if invalid != nil {
		return nil, errors.New(strings.Join(invalid, "; "))
	}
	return set, nil
}

// And returns the union of s and t. Either may be nil.
func (s *Set) And(t *Set) *Set {
	switch {
	case s == nil || s == t:
		return t
	case t == nil:
		return s
	}
	return &Set{slices.Concat(s.prefixes, t.prefixes), s.only || t.only}
}

// trusts reports whether a machine with the given address is trusted to report the address
// of its peer. address must not be an IPv4-mapped IPv6 address.
func (s *Set) trusts(address netip.Addr) bool {
	if s.trustsLocal() && !Routable(address) {
		return true
	}
	return s != nil && slices.ContainsFunc(s.prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// trustsLocal reports whether peers that are not on the internet are trusted, including
// those on a Unix socket.
func (s *Set) trustsLocal() bool { return s == nil || !s.only }

// Routable reports whether packets from an address may reach a server over the internet. If
// the registries of RFC 6890 are ambiguous, it returns true. It also returns true for the
// addresses that translators and tunnels create for IPv4 clients on the internet, including
// 64:ff9b:1::/48 (RFC 8215). address must not be an IPv4-mapped IPv6 address.
func Routable(address netip.Addr) bool {
	if address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast() || address.IsUnspecified() {
		return false
	}
	special := special6[:]
	if address.Is4() {
		special = special4[:]
	}
	for i := range special {
		if special[i].Contains(address) {
			return false
		}
	}
	return true
}

// special4 and special6 are the ranges that are not routed on the internet, except those for
// which netip.Addr has a method.
var (
	special4 = [...]netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),       // this network, RFC 791
		netip.MustParsePrefix("100.64.0.0/10"),   // shared, RFC 6598
		netip.MustParsePrefix("192.0.2.0/24"),    // documentation, RFC 5737
		netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks, RFC 2544
		netip.MustParsePrefix("198.51.100.0/24"), // documentation, RFC 5737
		netip.MustParsePrefix("203.0.113.0/24"),  // documentation, RFC 5737
		netip.MustParsePrefix("240.0.0.0/4"),     // reserved, RFC 1112
	}
	special6 = [...]netip.Prefix{
		netip.MustParsePrefix("100::/64"),      // discard, RFC 6666
		netip.MustParsePrefix("2001:db8::/32"), // documentation, RFC 3849
		netip.MustParsePrefix("3fff::/20"),     // documentation, RFC 9637
		netip.MustParsePrefix("fec0::/10"),     // site-local, RFC 3879
	}
)
