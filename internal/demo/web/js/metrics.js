// Parsing of the Prometheus text format, and calculations with its samples.

// parse returns the samples in text, each with its name, labels and value.
export function parse(text) {
  const samples = [];
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match) continue; // a comment, or the end
    const labels = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    }
    samples.push({ name: match[1], labels, value: Number(match[3].replace('Inf', 'Infinity')) });
  }
  return samples;
}

// Routes that are not part of rates and latencies. The streams last as long as a
// page is open, and the dashboard itself requests the metrics.
const notTraffic = new Set(['/api/tasks/events', '/api/chat', '/api/metrics']);

// digest returns the current values that the dashboard needs.
export function digest(samples) {
  const d = { requests: 0, classes: {}, buckets: new Map(), inFlight: 0, sent: 0, goroutines: 0, heap: 0 };
  for (const { name, labels, value } of samples) {
    if (name === 'http_requests_in_flight') d.inFlight = value;
    if (name === 'go_goroutines') d.goroutines = value;
    if (name === 'go_memstats_heap_inuse_bytes') d.heap = value;
    if (notTraffic.has(labels.route)) continue;
    if (name === 'http_requests_total') {
      d.requests += value;
      d.classes[labels.status] = (d.classes[labels.status] ?? 0) + value;
    }
    if (name === 'http_response_body_bytes_total') d.sent += value;
    if (name === 'http_request_duration_seconds_bucket') {
      const bound = Number(labels.le.replace('+Inf', 'Infinity'));
      d.buckets.set(bound, (d.buckets.get(bound) ?? 0) + value);
    }
  }
  return d;
}

// growth returns the increase of a counter. If it is smaller than before, the
// server was restarted.
export function growth(now = 0, before = 0) {
  return now >= before ? now - before : now;
}

// quantile estimates the q-quantile of the durations, in seconds, of the requests
// between two digests. It returns null if there are none. Like Prometheus, it
// assumes that the durations in a bucket are distributed evenly.
export function quantile(q, now, before) {
  const bounds = [...now.buckets.keys()].sort((a, b) => a - b);
  const restarted = now.requests < (before?.requests ?? 0);
  const counts = bounds.map((bound) => now.buckets.get(bound) - (restarted ? 0 : before?.buckets.get(bound) ?? 0));
  const total = counts.at(-1) ?? 0;
  if (total <= 0) return null;
  const i = counts.findIndex((count) => count >= q * total);
  const low = i === 0 ? 0 : bounds[i - 1];
  if (bounds[i] === Infinity) return low;
  const below = i === 0 ? 0 : counts[i - 1];
  return low + (bounds[i] - low) * (q * total - below) / (counts[i] - below);
}
