package http

import (
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/metrics"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// Metrics counts requests by method, route and status class, and records their
// durations and the bytes sent.
//
// Add [Metrics.Middleware] to the chain, and read the numbers with
// [Metrics.Stats] or, for Prometheus, with [Metrics.Collect].
//
// The number of series is bounded, whatever clients send: routes are the registered
// patterns, never the paths of requests, and methods other than GET, HEAD, POST,
// PUT, PATCH, DELETE, OPTIONS, CONNECT and TRACE are counted as "other".
//
// The zero value is ready to use. A Metrics must not be copied after first use.
// All methods are safe for concurrent use by multiple goroutines.
type Metrics struct {
	once   sync.Once      // creates counts
	counts *metrics.Table // see table
}

// NewMetrics returns a Metrics that has counted no requests.
func NewMetrics() *Metrics { return new(Metrics) }

// table returns the counters. It creates them on the first call.
func (m *Metrics) table() *metrics.Table {
	m.once.Do(func() { m.counts = metrics.New() })
	return m.counts
}

// Middleware returns middleware that counts each request when its handler
// returns or panics.
//
// # Status
//
// The final status of the response is counted. It is
//
//   - 200 if the handler wrote nothing;
//   - 500 if the handler panicked before it wrote anything;
//   - 101 for a hijacked connection.
//
// Informational (1xx) responses before the final one are not counted.
//
// # Streams
//
// Streams are counted like other requests when their handlers return. Their durations
// are neither in the histogram nor in the mean of [Metrics.Stats], because they depend on
// how long the client stays connected. The count of the histogram is therefore the number
// of requests that were not streams.
//
// The gauge http_open_streams counts the streams that are open, by route and kind:
//
//	sse        an event stream of SSEWriter or Feed, until its handler returns
//	websocket  a Conn of Upgrader.Upgrade, until it is closed, even if its handler
//	           has returned
//	stream     a request inside Streaming, until its handler returns
//	hijacked   another hijacked connection, until its handler returns
//
// # Position in the chain
//
// Add it after [RequestID] and before [RequestLogger] and all other middleware. It
// then records every request with its whole duration, the number of bytes sent, and
// the status 500 that [Recovery] writes after a panic.
//
// Add it only once to a chain. If it is both on the router and on a group, the
// requests of the group are counted twice.
func (m *Metrics) Middleware() Middleware {
	table := m.table()
	return func(next Handler) Handler {
		return &metricsHandler{table: table, observers: reqstate.Observers{Observer: table}, next: next}
	}
}

// A metricsHandler is the handler of [Metrics.Middleware].
type metricsHandler struct {
	table     *metrics.Table
	observers reqstate.Observers // contains table
	next      Handler
}

// ServeHTTP implements [Handler].
func (h *metricsHandler) ServeHTTP(w ResponseWriter, r *Request) {
	start := time.Now()
	stripe := h.table.Start()
	turn := response.Enter(w, r)
	defer turn.End()
	defer h.count(stripe, &turn, start)
	turn.State.Observe(&h.observers)
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}

// count counts a request whose handler has returned or panicked.
func (h *metricsHandler) count(stripe uint32, turn *response.Turn, start time.Time) {
	cw, r := turn.Writer, turn.Request
	route := routeOf(cw, r)
	if turn.State.Streamed() {
		h.table.FinishStream(stripe, r.Method, route, turn.Status(), cw.Bytes())
	} else {
		h.table.Finish(stripe, r.Method, route, turn.Status(), cw.Bytes(), time.Since(start))
	}
	if !turn.Returned {
		turn.State.EndStream()
	}
}

// routeOf returns the pattern that matched the request, or "". If no [Router] set
// it, a [ServeMux] may have. If ServeMux redirects a CONNECT request, it sets the
// pattern to the path, which clients choose, so routeOf ignores the pattern of
// CONNECT requests.
func routeOf(cw *response.Writer, r *Request) string {
	pattern := cw.State().Pattern()
	if pattern == "" && r.Method != MethodConnect {
		pattern = r.Pattern
	}
	return pattern
}

// MetricsStats is a snapshot of the counters of a [Metrics]. Its JSON encoding is
// an object with the members total_requests, active_requests, status_2xx,
// status_3xx, status_4xx, status_5xx, bytes_written, avg_duration_ms and open_streams.
type MetricsStats struct {
	// TotalRequests is the number of requests whose handler has returned or
	// panicked, including those whose status is in none of the classes below,
	// such as 101.
	TotalRequests int64 `json:"total_requests"`
	// ActiveRequests is the number of requests that are being served.
	ActiveRequests int64 `json:"active_requests"`
	// Status2xx is the number of requests with a status from 200 to 299.
	Status2xx int64 `json:"status_2xx"`
	// Status3xx is the number of requests with a status from 300 to 399, for
	// example redirects.
	Status3xx int64 `json:"status_3xx"`
	// Status4xx is the number of requests with a status from 400 to 499
	// (client errors).
	Status4xx int64 `json:"status_4xx"`
	// Status5xx is the number of requests with a status from 500 to 599
	// (server errors).
	Status5xx int64 `json:"status_5xx"`
	// BytesWritten is the total number of bytes of response bodies.
	BytesWritten int64 `json:"bytes_written"`
	// AvgDurationMs is the mean duration of a request in milliseconds, or 0 if
	// there were no requests. Streams are not included.
	AvgDurationMs float64 `json:"avg_duration_ms"`
	// OpenStreams is the number of open streams of all kinds.
	OpenStreams int64 `json:"open_streams"`
}

// Stats returns the totals of all requests so far. A request that ends during the
// call may be included in some fields and not yet in others.
func (m *Metrics) Stats() MetricsStats {
	var stats MetricsStats
	var duration time.Duration
	var timed int64
	stats.ActiveRequests = m.table().Active()
	for _, s := range m.table().Snapshot() {
		stats.TotalRequests += s.Count
		stats.BytesWritten += s.Bytes
		timed += s.Timed
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
	if timed > 0 {
		stats.AvgDurationMs = duration.Seconds() * 1000 / float64(timed)
	}
	for _, open := range m.table().Streams() {
		stats.OpenStreams += open.N
	}
	return stats
}

// Collect returns all metrics, in the form that [PrometheusHandler] expects:
//
//	http_requests_in_flight         gauge
//	http_requests_total             counter
//	http_request_duration_seconds   histogram, with buckets from 5 ms to 10 s
//	http_response_body_bytes_total  counter
//	http_open_streams               gauge
//	http_requests_rejected_total    counter
//	http_throttle_running_requests  gauge
//	http_throttle_waiting_requests  gauge
//
// # Labels
//
// http_requests_total, http_request_duration_seconds and
// http_response_body_bytes_total have three labels:
//
//   - method, for example "GET";
//   - route, the host and path of the pattern that matched, for example
//     "/users/{id}", or "unmatched"; after the first 10,000 patterns, further
//     ones share the route "other";
//   - status, the class of the status, for example "2xx".
//
// http_open_streams has the labels route and kind; see [Metrics.Middleware].
//
// http_requests_rejected_total has the labels route and reason. The reason is
// "throttle" for requests that [Throttle] rejected, "rate_limit" for those that
// [RateLimit] or [RateLimiter.Middleware] rejected, and "timeout" for those that
// [Timeout] answered with status 503 or aborted. If Throttle or RateLimit is on the
// router, the route of the requests that it rejects is "unmatched", because it runs
// before the router has matched a route. Rejected requests are also in
// http_requests_total and http_request_duration_seconds. Calls of [RateLimiter.Allow]
// are not counted.
//
// http_throttle_running_requests and http_throttle_waiting_requests exist if
// [ThrottleConfig].Metrics is set. Their label throttle is [ThrottleConfig].Name.
//
// The caller owns the result and may modify it.
func (m *Metrics) Collect() []PrometheusMetric {
	all := m.table().Snapshot()
	out := make([]PrometheusMetric, 0, 1+3*len(all))
	out = append(out, PrometheusMetric{
		Name: "http_requests_in_flight", Type: "gauge", Value: float64(m.table().Active()),
		Help: "Requests being served.",
	})
	for i := range all {
		out = appendSeries(out, &all[i])
	}
	for _, open := range m.table().Streams() {
		out = append(out, PrometheusMetric{
			Name: "http_open_streams", Type: "gauge", Value: float64(open.N),
			Labels: map[string]string{"route": open.Route, "kind": open.Label},
			Help:   "Event streams, WebSockets and other long-lived responses that are open.",
		})
	}
	for _, rejected := range m.table().Rejections() {
		out = append(out, PrometheusMetric{
			Name: "http_requests_rejected_total", Type: "counter", Value: float64(rejected.N),
			Labels: map[string]string{"route": rejected.Route, "reason": rejected.Label},
			Help:   "Requests that middleware rejected.",
		})
	}
	for _, queue := range m.table().Queues() {
		out = appendQueue(out, queue)
	}
	return out
}

// appendSeries appends the metrics of the requests with the same method, route and status.
func appendSeries(out []PrometheusMetric, s *metrics.Series) []PrometheusMetric {
	labels := func() map[string]string {
		return map[string]string{"method": s.Method, "route": s.Route, "status": s.Class}
	}
	out = append(out, PrometheusMetric{
		Name: "http_requests_total", Type: "counter", Value: float64(s.Count), Labels: labels(),
		Help: "Requests served.",
	})
	if s.Timed > 0 {
		out = append(out, PrometheusMetric{
			Name: "http_request_duration_seconds", Type: "histogram", Labels: labels(),
			Help:      "Time from a request's arrival to the return of its handler. Streams are not included.",
			Histogram: histogramOf(s),
		})
	}
	return append(out, PrometheusMetric{
		Name: "http_response_body_bytes_total", Type: "counter", Value: float64(s.Bytes), Labels: labels(),
		Help: "Bytes of response bodies.",
	})
}

// histogramOf returns the histogram of the durations in s.
func histogramOf(s *metrics.Series) *PrometheusHistogram {
	h := &PrometheusHistogram{
		Bounds: make([]float64, len(metrics.Bounds)),
		Counts: make([]uint64, len(s.Counts)),
		Sum:    s.Sum.Seconds(),
	}
	for i, bound := range metrics.Bounds {
		h.Bounds[i] = bound.Seconds()
	}
	for i, n := range s.Counts {
		h.Counts[i] = uint64(n)
	}
	return h
}

// appendQueue appends the metrics of a throttle.
func appendQueue(out []PrometheusMetric, q metrics.Queue) []PrometheusMetric {
	return append(out, PrometheusMetric{
		Name: "http_throttle_running_requests", Type: "gauge", Value: float64(q.Running),
		Labels: map[string]string{"throttle": q.Name},
		Help:   "Requests that a throttle has admitted and that are being handled.",
	}, PrometheusMetric{
		Name: "http_throttle_waiting_requests", Type: "gauge", Value: float64(q.Waiting),
		Labels: map[string]string{"throttle": q.Name},
		Help:   "Requests in the backlog of a throttle.",
	})
}
