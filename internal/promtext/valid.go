package promtext

import (
	"math"
	"strings"
)

// kind returns the type of m.
func (m *Metric) kind() string {
	switch {
	case m.Type != "":
		return m.Type
	case m.Histogram != nil:
		return "histogram"
	}
	return "untyped"
}

// invalid returns the reason why m is invalid, apart from its labels, or "".
func invalid(m *Metric) string {
	if !validName(m.Name, true) {
		return "invalid name"
	}
	switch m.kind() {
	case "counter", "gauge", "untyped":
		if m.Histogram != nil {
			return "Histogram is set, but the type is not histogram"
		}
	case "histogram":
		if reason := invalidHistogram(m.Histogram); reason != "" {
			return reason
		}
	default:
		return "invalid type"
	}
	return ""
}

// invalidLabel returns the reason why m cannot have a label with the given
// name, or "".
func invalidLabel(name string, m *Metric) string {
	switch {
	case !validName(name, false):
		return "invalid label name"
	case strings.HasPrefix(name, "__"):
		return "label names that start with two underscores are reserved for Prometheus"
	case name == "le" && m.Histogram != nil:
		return "the label le is reserved for the buckets of the histogram"
	}
	return ""
}

// invalidHistogram returns the reason why h is invalid, or "".
func invalidHistogram(h *Histogram) string {
	if h == nil {
		return "Histogram is nil"
	}
	if len(h.Counts) != len(h.Bounds)+1 {
		return "len(Counts) is not len(Bounds)+1"
	}
	previous := math.Inf(-1)
	for _, bound := range h.Bounds {
		if !(bound > previous) || math.IsInf(bound, 1) {
			return "Bounds must be finite and in ascending order"
		}
		previous = bound
	}
	var total uint64
	for _, n := range h.Counts {
		if total+n < total {
			return "the sum of Counts overflows"
		}
		total += n
	}
	return ""
}

// validName reports whether s is a label name or, with colons, a metric name.
func validName(s string, colons bool) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == ':' && colons
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
