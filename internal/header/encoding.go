package header

import "strings"

// Identity is the name of "no content coding" (RFC 9110 §8.4.1).
const Identity = "identity"

// maxWeight is the weight 1, counted in thousandths.
const maxWeight = 1000

// NegotiateEncoding chooses a content coding for a response from the lines of
// Accept-Encoding (RFC 9110 §12.5.3) and the codings that the server has, in
// its order of preference and in lower case. It returns one of them or
// [Identity]; ok is false when the client refuses all of them and identity
// too, and then sending identity anyway or answering 406 are both allowed.
//
// The client's highest weight wins and among equals the server's order,
// identity last. A request without the field gets identity: the RFC would
// permit any coding, but what sends no field is seldom able to decode one. Of
// a coding listed twice the lower weight counts, and an element with a
// malformed weight is not there. If the list has more than [MaxElements]
// elements, the field is ignored.
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

// codingWeight returns the weight that a client gives to coding, by its own
// name or else by "*"; listed is false when there is neither.
func codingWeight(lines []string, coding string) (weight int, listed bool) {
	named, star := -1, -1
	for element := range List(lines) {
		value, weight, ok := Weight(element)
		switch {
		case !ok:
		case isCoding(value, coding):
			named = lowest(named, weight)
		case value == "*":
			star = lowest(star, weight)
		}
	}
	if named < 0 {
		named = star
	}
	return max(named, 0), named >= 0
}

// lowest returns the smaller of two weights, where a negative one is not set.
func lowest(sofar, weight int) int {
	if sofar < 0 {
		return weight
	}
	return min(sofar, weight)
}

// isCoding compares a client's name for a coding with the registered one,
// which for two codings has an older form beginning with "x-" (RFC 9110 §8.4.1).
func isCoding(name, coding string) bool {
	if len(name) == len(coding)+2 && (coding == "gzip" || coding == "compress") {
		return lower(name[0]) == 'x' && name[1] == '-' && EqualFold(name[2:], coding)
	}
	return EqualFold(name, coding)
}

// Weight splits a list element such as "gzip;q=0.5" into its value and its
// weight in thousandths (RFC 9110 §12.4.2), 1000 where it has none. ok is false
// if anything but a well-formed weight follows the value.
func Weight(element string) (value string, weight int, ok bool) {
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

// parseWeight reads a qvalue: 0 or 1 with at most three decimals, not above 1.
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
