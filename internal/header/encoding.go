package header

import "strings"

// Identity is the name of the content coding that leaves the content unchanged
// (RFC 9110, section 8.4.1).
const Identity = "identity"

// maxWeight is the weight 1 in thousandths.
const maxWeight = 1000

// NegotiateEncoding chooses a content coding for a response (RFC 9110, section
// 12.5.3). lines are the lines of Accept-Encoding; codings are the codings that
// the server supports, in lower case, best first. It returns one of them or
// [Identity]. If the client rejects all of these, ok is false; the server may
// then send identity anyway or respond with 406.
//
// The coding with the client's highest weight wins. Among equal weights, the
// first of codings wins, and identity comes last. Beyond that,
//
//   - a request without Accept-Encoding gets identity. The RFC would allow any
//     coding, but clients that omit the field can seldom decode one;
//   - if a coding is listed several times, its lowest weight counts;
//   - an element with a malformed weight is ignored;
//   - if the list has more than [MaxElements] elements, the field is ignored.
func NegotiateEncoding(lines, codings []string) (coding string, ok bool) {
	if TooLong(lines) {
		return Identity, true
	}
	best := 0
	for _, candidate := range codings {
		if weight, _ := codingWeight(lines, candidate); weight > best {
			coding, best = candidate, weight
		}
	}
	identity, listed := codingWeight(lines, Identity)
	switch {
	case best > 0 && (!listed || identity <= best):
		return coding, true
	case listed && identity == 0:
		return Identity, false
	default:
		return Identity, true
	}
}

// codingWeight returns the client's weight for a coding, listed by name or
// covered by "*". If it is neither, listed is false.
func codingWeight(lines []string, coding string) (weight int, listed bool) {
	const unset = -1
	named, star := unset, unset
	for element := range List(lines) {
		value, weight, ok := splitWeight(element)
		switch {
		case !ok:
		case namesCoding(value, coding):
			named = lowerWeight(named, weight)
		case value == "*":
			star = lowerWeight(star, weight)
		}
	}
	if named == unset {
		named = star
	}
	return max(named, 0), named != unset
}

// lowerWeight returns the lower of two weights. If before is negative, it is
// unset and lowerWeight returns the other one.
func lowerWeight(before, weight int) int {
	if before < 0 {
		return weight
	}
	return min(before, weight)
}

// namesCoding reports whether name, as sent by a client, means a registered
// coding. Two codings have an older name with the prefix "x-" (RFC 9110, section
// 8.4.1).
func namesCoding(name, coding string) bool {
	if len(name) == len(coding)+2 && (coding == "gzip" || coding == "compress") {
		return lower(name[0]) == 'x' && name[1] == '-' && EqualFold(name[2:], coding)
	}
	return EqualFold(name, coding)
}

// splitWeight splits a list element, for example "gzip;q=0.5", into its value
// and its weight in thousandths (RFC 9110, section 12.4.2). The default weight is
// 1000. If the value is followed by anything but a well-formed weight, ok is
// false.
func splitWeight(element string) (value string, weight int, ok bool) {
	value, parameter, found := strings.Cut(element, ";")
	value = trim(value)
	if !found {
		return value, maxWeight, true
	}
	parameter = trim(parameter)
	if len(parameter) < len("q=0") || lower(parameter[0]) != 'q' || parameter[1] != '=' {
		return value, 0, false
	}
	weight, ok = parseWeight(parameter[len("q="):])
	return value, weight, ok
}

// parseWeight parses a qvalue, which is a number from 0 to 1 with up to three
// decimal places. s must not be empty.
func parseWeight(s string) (weight int, ok bool) {
	if s[0] != '0' && s[0] != '1' || len(s) > len("0.000") || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	weight = int(s[0]-'0') * maxWeight
	for i, unit := len("0."), maxWeight/10; i < len(s); i, unit = i+1, unit/10 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		weight += int(s[i]-'0') * unit
	}
	return weight, weight <= maxWeight
}
