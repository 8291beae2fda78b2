package origin

import "strings"

// An AllowList is a compiled set of origins. It does not change and is safe for
// concurrent use.
type AllowList struct {
	any      bool
	exact    map[string]struct{} // in the form that browsers send
	patterns []pattern
}

// A pattern allows prefix + one or more labels + suffix.
type pattern struct {
	prefix string // "https://"
	suffix string // ".example.com" or ".example.com:8443"
}

// NewAllowList compiles a list of
//
//   - origins as [Parse] takes them,
//   - patterns with "*" for the first label, such as "https://*.example.com",
//     which stands for one label or more: https://a.example.com and
//     https://a.b.example.com, neither https://example.com itself nor another
//     scheme or port,
//   - "null" and "*", which allows everything.
//
// What follows the "*." must have two labels or be localhost, since the whole
// of a top-level domain is open to anyone. Domains under which strangers can
// register more than that, such as github.io or co.uk, are not recognised.
//
// The error is an [*Error] about the first entry that is none of these.
func NewAllowList(entries []string) (*AllowList, error) {
	l := &AllowList{exact: make(map[string]struct{}, len(entries))}
	for _, entry := range entries {
		scheme, domain, isPattern := strings.Cut(entry, "://*.")
		switch {
		case entry == "*":
			l.any = true
		case entry == Null:
			l.exact[Null] = struct{}{}
		case isPattern:
			p, reason := parsePattern(scheme, domain)
			if reason != "" {
				return nil, &Error{entry, reason}
			}
			l.patterns = append(l.patterns, p)
		default:
			o, err := Parse(entry)
			if err != nil {
				return nil, err
			}
			l.exact[o.String()] = struct{}{}
		}
	}
	return l, nil
}

// parsePattern reads a pattern that was taken apart at its "://*.".
func parsePattern(scheme, domain string) (p pattern, reason string) {
	o, reason := parse(scheme + "://" + domain)
	last := o.Host[strings.LastIndexByte(o.Host, '.')+1:]
	switch {
	case reason != "":
		return p, reason
	case o.Host[0] == '[' || isDigit(last[0]):
		return p, "has a * before an IP address"
	case last == o.Host && o.Host != "localhost":
		return p, "has a * right before a top-level domain, where anyone can register a name"
	}
	return pattern{prefix: o.Scheme + "://", suffix: "." + o.authority()}, ""
}

// Any reports whether "*" is in the list.
func (l *AllowList) Any() bool { return l.any }

// Allows reports whether the list has an origin that equals the value of an
// Origin field or a pattern that fits it. Browsers send one canonical form, so
// any other is not allowed. The time is linear in the length of the value,
// which need not be an origin at all, and there are no allocations.
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
	for i := range l.patterns {
		if l.patterns[i].fits(value) {
			return true
		}
	}
	return false
}

// fits reports whether value has the form of p, with labels in canonical form
// where p has its "*".
func (p *pattern) fits(value string) bool {
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
