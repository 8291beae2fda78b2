package promtext_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A page is the result of parse.
type page struct {
	values   map[string]float64 // by series, labels unescaped
	samples  int                // a histogram counts once
	comments int                // other than HELP and TYPE
}

var (
	helpLine    = regexp.MustCompile(`^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+)$`)
	typeLine    = regexp.MustCompile(`^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|untyped)$`)
	skippedLine = regexp.MustCompile(`^# skipped "[\x20-\x7e]*": [\x20-\x7e]+$`)
	sampleLine  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.+)\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-][0-9]+)?)$`)
	labelPair   = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^\\"\n]|\\\\|\\"|\\n)+)"(?:,|$)`)
	unescape    = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")
)

// parse parses a page written by Append. It returns an error for everything that
// the format forbids and for everything that Append should not write.
func parse(text string) (page, error) {
	p := page{values: map[string]float64{}}
	if text != "" && !strings.HasSuffix(text, "\n") {
		return p, fmt.Errorf("the last line has no end")
	}
	if !utf8.ValidString(text) {
		return p, fmt.Errorf("not UTF-8")
	}
	families := map[string]string{} // name to type
	var family, kind, help string
	var open *histogram
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := typeLine.FindStringSubmatch(line); m != nil {
			if help != "" && help != m[1] {
				return p, fmt.Errorf("HELP of %s before TYPE of %s", help, m[1])
			}
			family, kind, help = m[1], m[2], ""
			if families[family] != "" {
				return p, fmt.Errorf("family %s twice", family)
			}
			families[family] = kind
			continue
		}
		if help != "" {
			return p, fmt.Errorf("HELP of %s without TYPE", help)
		}
		if m := helpLine.FindStringSubmatch(line); m != nil {
			help = m[1]
			continue
		}
		if skippedLine.MatchString(line) {
			p.comments++
			continue
		}
		if p.comments > 0 {
			return p, fmt.Errorf("line %q after the comments", line)
		}
		name, labels, value, err := parseSample(line)
		if err != nil {
			return p, err
		}
		if _, twice := p.values[name+labels]; twice {
			return p, fmt.Errorf("series %s%s twice", name, labels)
		}
		p.values[name+labels] = value
		if kind != "histogram" {
			if name != family {
				return p, fmt.Errorf("sample of %s in the family %s", name, family)
			}
			p.samples++
			continue
		}
		if open == nil {
			open = &histogram{family: family, bound: math.Inf(-1)}
			p.samples++
		}
		if err := open.series(name, labels, value); err != nil {
			return p, err
		}
		if open.done {
			open = nil
		}
	}
	if open != nil || help != "" {
		return p, fmt.Errorf("the page ends too early")
	}
	for name, kind := range families {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if kind == "histogram" && families[name+suffix] != "" {
				return p, fmt.Errorf("%s%s is a family and a series of a histogram", name, suffix)
			}
		}
	}
	return p, nil
}

// parseSample splits a line. It returns labels as {name="unescaped",...}.
func parseSample(line string) (name, labels string, value float64, err error) {
	m := sampleLine.FindStringSubmatch(line)
	if m == nil {
		return "", "", 0, fmt.Errorf("malformed line %q", line)
	}
	if value, err = strconv.ParseFloat(m[3], 64); err != nil {
		return "", "", 0, err
	}
	if m[2] == "" {
		return m[1], "", value, nil
	}
	var pairs []string
	last := ""
	for rest := m[2]; rest != ""; {
		pair := labelPair.FindStringSubmatch(rest)
		if pair == nil {
			return "", "", 0, fmt.Errorf("malformed labels %q", rest)
		}
		if pair[1] != "le" { // the label le of a histogram is the last
			if pair[1] <= last || strings.HasPrefix(pair[1], "__") {
				return "", "", 0, fmt.Errorf("label %s after %s", pair[1], last)
			}
			last = pair[1]
		}
		pairs = append(pairs, pair[1]+`="`+unescape.Replace(pair[2])+`"`)
		rest = rest[len(pair[0]):]
	}
	return m[1], "{" + strings.Join(pairs, ",") + "}", value, nil
}

// A histogram checks the order of the series of one histogram.
type histogram struct {
	family, labels string
	bound, count   float64
	infinite, sum  bool
	done           bool
}

func (h *histogram) series(name, labels string, value float64) error {
	switch {
	case name == h.family+"_bucket" && !h.infinite:
		cut := strings.LastIndex(labels, `le="`)
		bound, err := strconv.ParseFloat(strings.TrimSuffix(labels[cut+4:], `"}`), 64)
		if err != nil {
			return err
		}
		own := strings.TrimSuffix(labels[:cut], ",") + "}"
		if h.labels == "" {
			h.labels = own
		}
		if own != h.labels || bound <= h.bound || value < h.count {
			return fmt.Errorf("bucket %s %v after %v %v", labels, value, h.bound, h.count)
		}
		h.bound, h.count, h.infinite = bound, value, math.IsInf(bound, 1)
	case name == h.family+"_sum" && h.infinite && !h.sum && h.sameLabels(labels):
		h.sum = true
	case name == h.family+"_count" && h.sum && h.sameLabels(labels):
		if value != h.count {
			return fmt.Errorf("%s is %v, the last bucket has %v", name, value, h.count)
		}
		h.done = true
	default:
		return fmt.Errorf("series %s%s out of place", name, labels)
	}
	return nil
}

func (h *histogram) sameLabels(labels string) bool {
	return labels == h.labels || labels == "" && h.labels == "{}"
}
