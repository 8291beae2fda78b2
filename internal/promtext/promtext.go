// Package promtext writes metrics in the Prometheus text exposition format,
// version 0.0.4.
//
// Prometheus rejects a whole page if one line of it is malformed. [Append] therefore
// omits metrics that it cannot represent. A comment at the end of the page names
// each of them and the reason.
package promtext

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Metric is one sample, or one histogram.
type Metric struct {
	// Name is the metric's name, [a-zA-Z_:][a-zA-Z0-9_:]*.
	Name string
	// Help describes the metric's whole family.
	Help string
	// Type is "counter", "gauge", "histogram" or "untyped". If empty, it is
	// "histogram" if Histogram is set, and "untyped" otherwise.
	Type string
	// Value is the value of the sample. It is ignored for a histogram.
	Value float64
	// Labels distinguish the samples of one family.
	Labels map[string]string
	// Histogram holds the observations of a metric of type "histogram".
	Histogram *Histogram
}

// A Histogram counts observations by size.
type Histogram struct {
	// Bounds are the inclusive upper bounds of all buckets except the last,
	// which has no bound. They must be finite and in ascending order.
	Bounds []float64
	// Counts are the numbers of observations in each bucket. They are
	// non-cumulative, and len(Counts) must be len(Bounds)+1.
	Counts []uint64
	// Sum is the sum of all observations.
	Sum float64
}

// Append appends the exposition of n metrics to dst and returns the result. The
// function metric returns the metrics by index.
//
// Metrics with the same name form a family, in any order. A family has a HELP line,
// for the first help that is not empty, a TYPE line, and its samples. Families are
// sorted by name and samples by labels, so that pages can be compared. Labels with
// an empty value are omitted; to Prometheus, this means the same. Invalid UTF-8 is
// replaced by U+FFFD.
//
// Append omits, with a comment,
//
//   - metrics with an invalid name, type, label name or histogram;
//   - metrics whose type differs from the first type in their family;
//   - samples with the name and labels of an earlier sample;
//   - families with the name of a series (_bucket, _sum, _count) of a histogram on
//     the page.
//
// Append is safe for concurrent use by multiple goroutines.
func Append(dst []byte, n int, metric func(i int) Metric) []byte {
	p := pages.Get().(*page)
	defer p.release()
	for i := range n {
		p.metrics = append(p.metrics, metric(i))
		p.add(i)
	}
	p.sort()
	for rest := p.order; len(rest) > 0; {
		n := 1
		for n < len(rest) && p.name(rest[n]) == p.name(rest[0]) {
			n++
		}
		dst = p.appendFamily(dst, rest[:n])
		rest = rest[n:]
	}
	return append(dst, p.comments...)
}

// A page is the scratch memory of one call to Append.
type page struct {
	metrics    []Metric
	samples    []sample // the valid ones
	order      []int    // indices into samples, sorted
	text       []byte   // the label text of all samples
	pairs      []pair   // the labels of one sample
	histograms []string // names of the histogram families written so far, sorted
	comments   []byte

	// The bounds of the last histogram and their text. The next histogram usually
	// has the same bounds.
	bounds    []float64
	boundText []byte // all bounds, one after the other
	boundEnds []int  // the end of each bound in boundText
}

// A sample is a valid metric and the text of its labels.
type sample struct {
	metric     int // index into page.metrics
	start, end int // range of its labels in page.text, without braces
}

// A pair is a label and its value.
type pair struct{ name, value string }

// The maximum capacities of a pooled page.
const (
	maxKeptText    = 64 << 10
	maxKeptSamples = 2 << 10
)

// pages is a pool. User code never gets a page: its content is copied to the
// caller's buffer, and release removes all references to the caller's metrics.
var pages = sync.Pool{New: func() any { return new(page) }}

// release clears p and returns it to the pool, unless it has become too large.
func (p *page) release() {
	if cap(p.text)+cap(p.boundText)+cap(p.comments) > maxKeptText || max(cap(p.metrics), cap(p.order)) > maxKeptSamples {
		return
	}
	clear(p.metrics)
	clear(p.pairs[:cap(p.pairs)])
	clear(p.histograms)
	*p = page{
		metrics:    p.metrics[:0],
		samples:    p.samples[:0],
		order:      p.order, // see sort
		text:       p.text[:0],
		pairs:      p.pairs[:0],
		histograms: p.histograms[:0],
		comments:   p.comments[:0],
		boundText:  p.boundText[:0],
		boundEnds:  p.boundEnds[:0],
	}
	pages.Put(p)
}

// add checks a metric and adds it to the samples.
func (p *page) add(i int) {
	m := &p.metrics[i]
	reason := invalid(m)
	if reason == "" && len(m.Labels) > 0 {
		reason = p.sortLabels(m)
	}
	if reason != "" {
		p.skip(m, reason)
		return
	}
	start := len(p.text)
	if len(m.Labels) > 0 {
		p.appendLabels()
	}
	p.samples = append(p.samples, sample{i, start, len(p.text)})
}

// sortLabels stores the labels of m in p.pairs, sorted and without empty values.
// It iterates over the map only once, because that is expensive. If m cannot have
// one of the labels, sortLabels returns the reason.
func (p *page) sortLabels(m *Metric) (reason string) {
	p.pairs = p.pairs[:0]
	for name, value := range m.Labels {
		if reason := invalidLabel(name, m); reason != "" {
			return reason
		}
		if value != "" {
			p.pairs = append(p.pairs, pair{name, value})
		}
	}
	if len(p.pairs) > 1 {
		slices.SortFunc(p.pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	}
	return ""
}

// appendLabels appends name="value" for each of p.pairs to p.text, separated
// by commas.
func (p *page) appendLabels() {
	for i, label := range p.pairs {
		if i > 0 {
			p.text = append(p.text, ',')
		}
		p.text = append(append(p.text, label.name...), `="`...)
		p.text = appendEscaped(p.text, label.value, true)
		p.text = append(p.text, '"')
	}
}

// sort sorts p.order. It starts from the order of the previous page, if that had
// the same length, because pages usually have the same metrics.
func (p *page) sort() {
	if len(p.order) != len(p.samples) {
		p.order = p.order[:0]
		for i := range p.samples {
			p.order = append(p.order, i)
		}
	}
	if !slices.IsSortedFunc(p.order, p.compare) {
		slices.SortFunc(p.order, p.compare)
	}
}

// compare compares samples by name, then by labels, then by index.
func (p *page) compare(a, b int) int {
	if c := strings.Compare(p.name(a), p.name(b)); c != 0 {
		return c
	}
	if c := bytes.Compare(p.labels(a), p.labels(b)); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}

func (p *page) metric(sample int) *Metric { return &p.metrics[p.samples[sample].metric] }

func (p *page) name(sample int) string { return p.metric(sample).Name }

func (p *page) labels(sample int) []byte {
	s := p.samples[sample]
	return p.text[s.start:s.end]
}

// skip adds a comment with the reason why m is not on the page.
func (p *page) skip(m *Metric, reason string) {
	const longest = 200
	p.comments = append(p.comments, "# skipped "...)
	p.comments = strconv.AppendQuoteToASCII(p.comments, m.Name[:min(len(m.Name), longest)])
	p.comments = append(p.comments, ": "...)
	p.comments = append(p.comments, reason...)
	p.comments = append(p.comments, '\n')
}

// appendFamily appends the samples of one name, which are sorted.
func (p *page) appendFamily(dst []byte, samples []int) []byte {
	first, help := slices.Min(samples), -1
	for _, s := range samples {
		if p.metric(s).Help != "" && (help < 0 || s < help) {
			help = s
		}
	}
	name, kind := p.name(first), p.metric(first).kind()
	if p.clashes(name) {
		for _, s := range samples {
			p.skip(p.metric(s), "a histogram has a series of this name")
		}
		return dst
	}
	if kind == "histogram" {
		p.histograms = append(p.histograms, name)
	}
	if help >= 0 {
		dst = append(append(append(dst, "# HELP "...), name...), ' ')
		dst = appendEscaped(dst, p.metric(help).Help, false)
		dst = append(dst, '\n')
	}
	dst = append(append(append(dst, "# TYPE "...), name...), ' ')
	dst = append(append(dst, kind...), '\n')
	return p.appendSamples(dst, samples, kind)
}

// appendSamples appends the samples of one family, which are sorted. It omits
// duplicates and samples of another type.
func (p *page) appendSamples(dst []byte, samples []int, kind string) []byte {
	last := -1 // the sample written last
	for _, s := range samples {
		m := p.metric(s)
		switch {
		case m.kind() != kind:
			p.skip(m, "its type differs from that of an earlier metric with this name")
			continue
		case last >= 0 && bytes.Equal(p.labels(s), p.labels(last)):
			p.skip(m, "same name and labels as an earlier metric")
			continue
		case kind == "histogram":
			dst = p.appendHistogram(dst, m.Name, p.labels(s), m.Histogram)
		default:
			dst = appendSample(dst, m.Name, "", p.labels(s), m.Value)
		}
		last = s
	}
	return dst
}

// clashes reports whether a series of a histogram on the page has the given name.
// Families are written in order, and the name of a histogram sorts before the names
// of its series, so p.histograms already contains every histogram that matters.
func (p *page) clashes(name string) bool {
	if len(p.histograms) == 0 {
		return false
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		if _, found := slices.BinarySearch(p.histograms, base); found {
			return true
		}
	}
	return false
}

// appendHistogram appends the series of h: its buckets, which are cumulative in
// this format, its sum and its count.
func (p *page) appendHistogram(dst []byte, name string, labels []byte, h *Histogram) []byte {
	p.formatBounds(h.Bounds)
	begin := len(dst)
	dst = append(append(dst, name...), "_bucket{"...)
	if len(labels) > 0 {
		dst = append(append(dst, labels...), ',')
	}
	dst = append(dst, `le="`...)
	end := len(dst)
	var count uint64
	bound := 0 // its start in p.boundText
	for i, n := range h.Counts {
		if i > 0 {
			dst = append(dst, dst[begin:end]...)
		}
		dst = append(append(dst, p.boundText[bound:p.boundEnds[i]]...), `"} `...)
		bound = p.boundEnds[i]
		count += n
		dst = append(strconv.AppendUint(dst, count, 10), '\n')
	}
	dst = appendSample(dst, name, "_sum", labels, h.Sum)
	return appendSample(dst, name, "_count", labels, float64(count))
}

// formatBounds sets p.boundText to the text of bounds, followed by +Inf.
func (p *page) formatBounds(bounds []float64) {
	if len(p.boundEnds) > 0 && slices.Equal(bounds, p.bounds) {
		return
	}
	p.bounds, p.boundText, p.boundEnds = bounds, p.boundText[:0], p.boundEnds[:0]
	for _, v := range bounds {
		p.boundText = appendFloat(p.boundText, v)
		p.boundEnds = append(p.boundEnds, len(p.boundText))
	}
	p.boundText = append(p.boundText, "+Inf"...)
	p.boundEnds = append(p.boundEnds, len(p.boundText))
}

// appendSample appends the line of one sample.
func appendSample(dst []byte, name, suffix string, labels []byte, value float64) []byte {
	dst = append(append(dst, name...), suffix...)
	if len(labels) > 0 {
		dst = append(append(append(dst, '{'), labels...), '}')
	}
	dst = append(dst, ' ')
	return append(appendFloat(dst, value), '\n')
}

// appendFloat appends v in a form that parses as v. Integers below 2^53 have no
// exponent.
func appendFloat(dst []byte, v float64) []byte {
	const exact = 1 << 53
	if -exact < v && v < exact && v == float64(int64(v)) {
		return strconv.AppendInt(dst, int64(v), 10)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// appendEscaped appends s with backslashes, line feeds and, if quotes is true,
// double quotes escaped. It replaces invalid UTF-8.
func appendEscaped(dst []byte, s string, quotes bool) []byte {
	if strings.IndexByte(s, '\\') < 0 && strings.IndexByte(s, '\n') < 0 &&
		(!quotes || strings.IndexByte(s, '"') < 0) && utf8.ValidString(s) {
		return append(dst, s...) // the usual case; these searches are fast
	}
	copied := 0 // bytes of s
	for i := 0; i < len(s); {
		var instead string
		switch c := s[i]; {
		case c == '\\':
			instead = `\\`
		case c == '\n':
			instead = `\n`
		case c == '"' && quotes:
			instead = `\"`
		case c < utf8.RuneSelf:
			i++
			continue
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			instead = string(utf8.RuneError)
		}
		dst = append(append(dst, s[copied:i]...), instead...)
		i++
		copied = i
	}
	return append(dst, s[copied:]...)
}
