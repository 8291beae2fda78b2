package static

import (
	"math"
	"strconv"
	"strings"
)

// maxRanges is how many ranges of one request are served. A set of many small
// ranges costs more than the whole file, so a longer one is ignored, as
// RFC 9110 §14.2 allows, and so is one with many empty elements.
const maxRanges = 32

// Range returns the Range field to serve for the field lines of a request, for
// content of size bytes, or "" to serve all of it. It makes up for what
// [net/http.ServeContent] gets wrong (RFC 9110 §14):
//
//   - A range unit other than bytes is ignored. Units are compared without
//     regard to case.
//   - A suffix of no bytes, "-0", cannot be satisfied.
//   - An empty file is served whole, since no range of it can be written.
//   - A position that does not fit 64 bits is beyond the end, not malformed.
//   - A position has digits only, and no sign or space.
//
// If no range can be satisfied, or one is malformed, Range returns one that
// begins behind the content. ServeContent answers 416 with the content's size.
func Range(lines []string, size int64) string {
	if len(lines) != 1 {
		return "" // Range is not a list field; several lines mean nothing
	}
	unit, set, ok := strings.Cut(lines[0], "=")
	if !ok || !strings.EqualFold(unit, "bytes") || size == 0 || strings.Count(set, ",") > 2*maxRanges {
		return ""
	}
	unsatisfiable := "bytes=" + strconv.FormatInt(size, 10) + "-"
	var kept []string
	elements := 0
	for element := range strings.SplitSeq(set, ",") {
		if element = strings.Trim(element, " \t"); element == "" {
			continue
		}
		r, ok := parseRange(element)
		if !ok {
			return unsatisfiable
		}
		if elements++; elements > maxRanges {
			return ""
		}
		if r.satisfiable(size) {
			kept = append(kept, r.String())
		}
	}
	switch {
	case elements == 0:
		return ""
	case len(kept) == 0:
		return unsatisfiable
	}
	return "bytes=" + strings.Join(kept, ",")
}

// A byteRange is an element of a Range field: the bytes from first to last,
// or, if first is negative, the last ones.
type byteRange struct{ first, last int64 }

// satisfiable reports whether content of size bytes has any byte of r.
func (r byteRange) satisfiable(size int64) bool {
	if r.first < 0 {
		return r.last > 0 && size > 0
	}
	return r.first < size
}

// String writes r in the form that ServeContent reads.
func (r byteRange) String() string {
	last := strconv.FormatInt(r.last, 10)
	if r.first < 0 {
		return "-" + last
	}
	return strconv.FormatInt(r.first, 10) + "-" + last
}

// parseRange reads "first-last", "first-" or "-length".
func parseRange(s string) (r byteRange, ok bool) {
	first, last, ok := strings.Cut(s, "-")
	if !ok || first == "" && last == "" {
		return r, false
	}
	r = byteRange{-1, math.MaxInt64}
	if first != "" {
		if r.first, ok = parsePosition(first); !ok {
			return r, false
		}
	}
	if last != "" {
		if r.last, ok = parsePosition(last); !ok {
			return r, false
		}
	}
	return r, r.first <= r.last
}

// parsePosition reads a number of digits. One that does not fit is the largest
// that does.
func parsePosition(s string) (int64, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, true
}
