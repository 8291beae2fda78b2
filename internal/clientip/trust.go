package clientip

import (
	"fmt"
	"net/netip"
	"slices"
)

// A Set is the proxies that a program trusts by name, in addition to all
// addresses that are not routed on the internet. A nil Set names none. Sets do
// not change and may be used by several goroutines.
type Set struct{ prefixes []netip.Prefix }

// NewSet returns the set of all addresses with one of the given prefixes. A
// prefix of IPv4 in IPv6 stands for the IPv4 one. The error names the prefix
// that is not valid.
func NewSet(prefixes []netip.Prefix) (*Set, error) {
	set := &Set{make([]netip.Prefix, len(prefixes))}
	for i, prefix := range prefixes {
		if !prefix.IsValid() {
			return nil, fmt.Errorf("prefix %d of %d is not valid", i+1, len(prefixes))
		}
		if address := prefix.Addr(); address.Is4In6() {
			if prefix.Bits() < 96 {
				return nil, fmt.Errorf("prefix %s is cut off before its IPv4 address begins", prefix)
			}
			prefix = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
		}
		set.prefixes[i] = prefix
	}
	return set, nil
}

// And returns the set of what is in s or in t. Either may be nil.
func (s *Set) And(t *Set) *Set {
	switch {
	case s == nil || s == t:
		return t
	case t == nil:
		return s
	}
	return &Set{slices.Concat(s.prefixes, t.prefixes)}
}

// trusts reports whether what a machine with this address says of its own
// peer is believed.
func (s *Set) trusts(address netip.Addr) bool {
	if !Routable(address) {
		return true
	}
	return s != nil && slices.ContainsFunc(s.prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// Routable reports whether packets from an address may reach a server over the
// internet. Where the registries of RFC 6890 leave doubt it returns true, and so
// it does for the addresses that translators and tunnels make for IPv4 clients
// of the internet, 64:ff9b:1::/48 (RFC 8215) included.
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

// special4 and special6 are the ranges that are not routed on the internet and
// that netip.Addr has no method for.
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
