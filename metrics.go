package http

import (
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/metrics"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// Metrics counts requests, by method, route and class of status, with their
// durations and the bytes sent. Make one with [NewMetrics], put its
// [Metrics.Middleware] into the chain, and read it with [Metrics.Stats] or,
// for Prometheus, [Metrics.Collect].
//
// What clients send cannot make it grow: routes are the patterns registered,
// never paths, and methods other than GET, HEAD, POST, PUT, PATCH, DELETE,
// OPTIONS, CONNECT and TRACE count as "other".
//
// All methods may be called from any number of goroutines.
type Metrics struct{ table *metrics.Table }

// NewMetrics returns metrics with nothing counted.
func NewMetrics() *Metrics { return &Metrics{metrics.New()} }

// Middleware returns middleware that counts each request when its handler
// returns or panics.
//
// The status counted is the final one: not that of a 1xx response before it,
// 101 for a hijacked connection, 200 if the handler wrote nothing, and 500 if
// it panicked before it wrote something.
//
// It belongs early in the chain, after [RequestID] and before [RequestLogger]
// and everything else, so that it sees all requests, for their whole time and
// with the bytes that were really sent, and the 500 that [Recovery] makes of
// a panic. Have it once in a chain: a request is counted wherever it passes.
func (m *Metrics) Middleware() Middleware {
	return func(next Handler) Handler {
		return &metricsHandler{table: m.table, next: next}
	}
}

// A metricsHandler is the handler that Metrics.Middleware makes.
type metricsHandler struct {
	table *metrics.Table
	next  Handler
}

// ServeHTTP implements [Handler].
func (h *metricsHandler) ServeHTTP(w ResponseWriter, r *Request) {
	e := exchange{start: time.Now()}
	defer e.end()
	stripe := h.table.Start()
	r = e.begin(w, r)
	defer h.count(stripe, &e)
	h.next.ServeHTTP(e.writer, r)
	e.returned = true
}

// count counts a request whose handler has returned or panicked.
func (h *metricsHandler) count(stripe uint32, e *exchange) {
	cw, r := e.writer, e.request
	h.table.Finish(stripe, r.Method, routeOf(cw, r), e.status(), cw.Bytes(), time.Since(e.start))
}

// routeOf returns the pattern that matched the request, or "". Where no
// [Router] has told, a bare [ServeMux] may have; but for CONNECT requests that
// it redirects, it writes their path into the pattern.
func routeOf(cw *response.Writer, r *Request) string {
	pattern := cw.State().Pattern()
	if pattern == "" && r.Method != MethodConnect {
		pattern = r.Pattern
	}
	return pattern
}

// MetricsStats is a snapshot of the counters of a [Metrics]. Encoded as JSON
// it is an object with the names total_requests, active_requests, status_2xx,
// status_3xx, status_4xx, status_5xx, bytes_written and avg_duration_ms.
type MetricsStats struct {
	// TotalRequests is the number of requests that have been answered.
	TotalRequests int64 `json:"total_requests"`
	// ActiveRequests is the number of requests being served right now.
	ActiveRequests int64 `json:"active_requests"`
	// Status2xx is how many of TotalRequests had a status of 200 to 299.
	Status2xx int64 `json:"status_2xx"`
	// Status3xx is how many had a status of 300 to 399, redirects mostly.
	Status3xx int64 `json:"status_3xx"`
	// Status4xx is how many had a status of 400 to 499, errors of clients.
	Status4xx int64 `json:"status_4xx"`
	// Status5xx is how many had a status of 500 to 599, errors of the server.
	Status5xx int64 `json:"status_5xx"`
	// BytesWritten is the number of bytes of all response bodies together.
	BytesWritten int64 `json:"bytes_written"`
	// AvgDurationMs is the mean duration of a request in milliseconds, or 0
	// before the first. Hijacked connections count until their handler returns.
	AvgDurationMs float64 `json:"avg_duration_ms"`
}

// Stats returns the sum over all requests so far. Requests that end while it
// adds up may be in some fields and not yet in others.
func (m *Metrics) Stats() MetricsStats {
	var stats MetricsStats
	var duration time.Duration
	stats.ActiveRequests = m.table.Active()
	for _, s := range m.table.Snapshot() {
		stats.TotalRequests += s.Count
		stats.BytesWritten += s.Bytes
		duration += s.Sum
		switch s.Class {
		case "2xx":
			stats.Status2xx += s.Count
		case "3xx":
			stats.Status3xx += s.Count
		case "4xx":
			stats.Status4xx += s.Count
		case "5xx":
			stats.Status5xx += s.Count
		}
	}
	if stats.TotalRequests > 0 {
		stats.AvgDurationMs = duration.Seconds() * 1000 / float64(stats.TotalRequests)
	}
	return stats
}

// Collect returns everything counted, for [PrometheusHandler]:
//
//	http_requests_in_flight        gauge
//	http_requests_total            counter
//	http_request_duration_seconds  histogram, buckets from 5 ms to 10 s
//	http_response_body_bytes_total counter
//
// All but the first have the labels method; route, the path of the pattern
// that matched, with its host if it has one, or "unmatched"; and status, the
// class: "2xx". The result is the caller's, to change or to add to.
func (m *Metrics) Collect() []PrometheusMetric {
	all := m.table.Snapshot()
	bounds := make([]float64, len(metrics.Bounds))
	for i, bound := range metrics.Bounds {
		bounds[i] = bound.Seconds()
	}
	out := make([]PrometheusMetric, 0, 1+3*len(all))
	out = append(out, PrometheusMetric{
		Name: "http_requests_in_flight", Type: "gauge", Value: float64(m.table.Active()),
		Help: "Requests being served.",
	})
	for _, s := range all {
		labels := func() map[string]string {
			return map[string]string{"method": s.Method, "route": s.Route, "status": s.Class}
		}
		counts := make([]uint64, len(s.Counts))
		for i, n := range s.Counts {
			counts[i] = uint64(n)
		}
		out = append(out, PrometheusMetric{
			Name: "http_requests_total", Type: "counter", Value: float64(s.Count), Labels: labels(),
			Help: "Requests answered.",
		}, PrometheusMetric{
			Name: "http_request_duration_seconds", Type: "histogram", Labels: labels(),
			Help:      "Time from a request's arrival to the return of its handler.",
			Histogram: &PrometheusHistogram{Bounds: bounds, Counts: counts, Sum: s.Sum.Seconds()},
		}, PrometheusMetric{
			Name: "http_response_body_bytes_total", Type: "counter", Value: float64(s.Bytes), Labels: labels(),
			Help: "Bytes of response bodies.",
		})
	}
	return out
}
