package origin

import (
	"net/netip"
	"strings"
)

// An AllowList is a set of origins. The zero value is empty. Once all entries are
// added, it is safe for concurrent use by multiple goroutines.
type AllowList struct {
	any      bool
	exact    map[string]struct{} // in the form that browsers send
	anyPort  map[string]struct{} // in the same form, without a port
	patterns []pattern
}

// A pattern allows prefix + one or more labels + suffix.
type pattern struct {
	prefix  string // "https://"
	suffix  string // ".example.com" or ".example.com:8443"
	anyPort bool   // a port may follow
}

// Add adds an entry, which is one of
//
//   - an origin as [Parse] accepts it;
//   - a pattern with "*" as the first label, such as "https://*.example.com". The
//     "*" matches one or more labels, for example https://a.example.com and
//     https://a.b.example.com, but not https://example.com. The scheme and the port
//     must match exactly;
//   - an origin or pattern of the local host with "*" as its port, such as
//     "http://localhost:*" or "http://127.0.0.1:*". It matches all ports, including
//     the scheme's default;
//   - "null";
//   - "*", which allows everything.
//
// The "*." of a pattern must be followed by at least two labels or by localhost,
// because anyone can register a name in a top-level domain. Add does not recognize
// other domains that are open to the public, such as github.io or co.uk.
//
// If entry has any other form, Add returns an [*Error].
func (l *AllowList) Add(entry string) error {
	scheme, domain, isPattern := strings.Cut(entry, "://*.")
	host, isAnyPort := strings.CutSuffix(entry, ":*")
	switch {
	case entry == "*":
		l.any = true
		return nil
	case isAnyPort:
		return l.addAnyPort(entry, host)
	case isPattern:
		p, reason := parsePattern(scheme, domain)
		if reason != "" {
			return &Error{entry, reason}
		}
		l.patterns = append(l.patterns, p)
		return nil
	}
	if entry != Null {
		o, err := Parse(entry)
		if err != nil {
			return err
		}
		entry = o.String()
	}
	if l.exact == nil {
		l.exact = map[string]struct{}{}
	}
	l.exact[entry] = struct{}{}
	return nil
}

// addAnyPort adds an entry that was cut at its ":*". Only the local host can have
// any port, because its programs are under the control of one person. On other hosts,
// the port of a page is known.
func (l *AllowList) addAnyPort(entry, host string) error {
	scheme, domain, isPattern := strings.Cut(host, "://*.")
	if isPattern {
		host = scheme + "://" + domain
	}
	o, reason := parse(host)
	switch {
	case reason != "":
	case o.Port != 0 || strings.HasSuffix(host, ":80") || strings.HasSuffix(host, ":443"):
		reason = "has two ports"
	case !isLocal(o.Host):
		reason = "has a * as its port; list each port. Only localhost and loopback addresses can have any port"
	case isPattern:
		p, why := parsePattern(scheme, domain)
		p.anyPort = true
		if reason = why; reason == "" {
			l.patterns = append(l.patterns, p)
			return nil
		}
	}
	if reason != "" {
		return &Error{entry, reason}
	}
	if l.anyPort == nil {
		l.anyPort = map[string]struct{}{}
	}
	l.anyPort[o.String()] = struct{}{}
	return nil
}

// isLocal reports whether a host in canonical form always is the computer on which the
// browser runs.
func isLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// parsePattern parses a pattern that was split at its "://*.".
func parsePattern(scheme, domain string) (p pattern, reason string) {
	o, reason := parse(scheme + "://" + domain)
	last := o.Host[strings.LastIndexByte(o.Host, '.')+1:]
	switch {
	case reason != "":
		return p, reason
	case o.Host[0] == '[' || isDigit(last[0]):
		return p, "has a * before an IP address"
	case last == o.Host && o.Host != "localhost":
		return p, "has a * directly before a top-level domain, where anyone can register a name"
	}
	return pattern{prefix: o.Scheme + "://", suffix: "." + o.authority()}, ""
}

// Any reports whether the list contains "*".
func (l *AllowList) Any() bool { return l.any }

// Allows reports whether the list contains the value of an Origin field or a
// pattern that matches it. Browsers send the canonical form of an origin; other
// forms are not allowed. The value need not be a valid origin. Allows runs in
// linear time and does not allocate.
func (l *AllowList) Allows(value string) bool {
	if l.any {
		return true
	}
	if len(value) > maxLength {
		return false
	}
	if _, ok := l.exact[value]; ok {
		return true
	}
	if len(l.anyPort) > 0 {
		host, ok := withoutPort(value)
		if _, found := l.anyPort[host]; found && ok {
			return true
		}
	}
	for i := range l.patterns {
		if l.patterns[i].matches(value) {
			return true
		}
	}
	return false
}

// withoutPort cuts the port off an origin. ok is false if browsers would not send the
// port: because it is invalid, or the scheme's default.
func withoutPort(value string) (host string, ok bool) {
	scheme, authority, _ := strings.Cut(value, "://")
	_, digits, ok := cutPort(authority)
	if !ok || digits == "" {
		return value, ok
	}
	port, reason := parsePort(digits, scheme)
	return value[:len(value)-len(":")-len(digits)], reason == "" && port != 0
}

// matches reports whether value matches p, with labels in canonical form in place of
// the "*".
func (p *pattern) matches(value string) bool {
	if p.anyPort {
		host, ok := withoutPort(value)
		if !ok {
			return false
		}
		value = host
	}
	rest, ok := strings.CutPrefix(value, p.prefix)
	if !ok {
		return false
	}
	labels, ok := strings.CutSuffix(rest, p.suffix)
	if !ok || checkDomain(labels) != "" {
		return false
	}
	for i := range len(labels) {
		if 'A' <= labels[i] && labels[i] <= 'Z' {
			return false
		}
	}
	host, _, _ := strings.Cut(rest, ":")
	return len(host) <= maxDomain
}
