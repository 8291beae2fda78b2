package static

import (
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// preconditionFails reports whether If-Match or If-Unmodified-Since requires a
// response with status 412 (RFC 9110, section 13.2.2, steps 1 and 2).
func preconditionFails(r *http.Request, etag string, modified time.Time) bool {
	if r.Header.Get("If-Match") != "" {
		return !header.ListsETag(r.Header["If-Match"], etag, header.StrongMatch)
	}
	since, err := http.ParseTime(r.Header.Get("If-Unmodified-Since"))
	return err == nil && !modified.IsZero() && modified.Truncate(time.Second).After(since)
}

// withValidRange returns r with a Range field that ServeContent handles as RFC 9110
// requires; see validRange. If the method is not GET, the result has no Range field
// (section 14.2). withValidRange does not change r.
func withValidRange(r *http.Request, size int64) *http.Request {
	lines, ok := r.Header["Range"]
	if !ok {
		return r
	}
	value := ""
	if r.Method == http.MethodGet {
		value = validRange(lines, size)
	}
	if len(lines) == 1 && value == lines[0] {
		return r
	}
	r2 := new(http.Request)
	*r2 = *r
	r2.Header = maps.Clone(r.Header)
	if value == "" {
		delete(r2.Header, "Range")
	} else {
		r2.Header["Range"] = []string{value}
	}
	return r2
}

// maxRanges is the maximum number of ranges in a request. Many small ranges cost
// more than the whole file, so a field with more of them, or with many empty
// elements, is ignored, as RFC 9110, section 14.2 allows.
const maxRanges = 32

// validRange returns the Range field for ServeContent, given the field lines of a
// request for content of size bytes. It returns "" to serve all of the content. It
// corrects the cases in which [http.ServeContent] deviates from RFC 9110, section 14:
//
//   - A field with a range unit other than bytes is ignored. Units are compared
//     without regard to case.
//   - The suffix "-0" has no bytes and cannot be satisfied.
//   - An empty file is served as a whole, because it has no ranges.
//   - A position that does not fit in 64 bits is treated as one after the end, not as
//     malformed.
//   - A position must consist only of digits, without signs or spaces.
//
// If a range is malformed, or none can be satisfied, validRange returns one that
// begins after the content. ServeContent then responds with status 416 and the
// content's size.
func validRange(lines []string, size int64) string {
	if len(lines) != 1 {
		return "" // Range is not a list, so several lines are invalid
	}
	unit, set, ok := strings.Cut(lines[0], "=")
	if !ok || !strings.EqualFold(unit, "bytes") || size == 0 || strings.Count(set, ",") > 2*maxRanges {
		return ""
	}
	unsatisfiable := unsatisfiableRange(size)
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

// unsatisfiableRange returns a Range field that begins after content of size bytes.
func unsatisfiableRange(size int64) string {
	return "bytes=" + strconv.FormatInt(size, 10) + "-"
}

// A rangeRefusal keeps the response of ServeContent with status 416 from the client. Other
// responses, for example to a request whose If-Range is false, pass.
type rangeRefusal struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *rangeRefusal) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *rangeRefusal) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// A byteRange is an element of a Range field: the bytes from first through last. If
// first is negative, last is the number of bytes at the end of the content.
type byteRange struct{ first, last int64 }

// satisfiable reports whether content of size bytes includes any byte of r.
func (r byteRange) satisfiable(size int64) bool {
	if r.first < 0 {
		return r.last > 0 && size > 0
	}
	return r.first < size
}

// String returns r in the form that ServeContent accepts.
func (r byteRange) String() string {
	last := strconv.FormatInt(r.last, 10)
	if r.first < 0 {
		return "-" + last
	}
	return strconv.FormatInt(r.first, 10) + "-" + last
}

// parseRange parses "first-last", "first-" or "-length".
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

// parsePosition parses a decimal number. If it does not fit in an int64, the result
// is the largest int64.
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
