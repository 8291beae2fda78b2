// The server's metrics, from the endpoint for Prometheus.
import { Chart } from '/js/chart.js';
import { el, heading } from '/js/dom.js';
import { digest, growth, parse, quantile } from '/js/metrics.js';

const interval = 1000; // milliseconds between two scrapes
const span = 60_000; // milliseconds, the length of the charts
const latencyWindow = 30_000;

// The samples are kept when the user leaves the dashboard.
let samples = [];

const classes = ['2xx', '3xx', '4xx', '5xx'];
const count = (value) => (value >= 10_000 ? `${(value / 1000).toFixed(0)}k` : String(Math.round(value * 10) / 10));
const megabytes = (value) => `${Math.round(value * 10) / 10} MB`;
const kilobytes = (value) => `${Math.round(value * 10) / 10} kB`;
const duration = (value) => (value < 1 ? `${+(value * 1000).toPrecision(2)} ms` : `${value.toPrecision(2)} s`);

export function dashboardView() {
  const tiles = [['Requests', 'total'], ['In flight', 'inFlight'], ['Errors', 'errors']].map(([name, key]) => {
    const value = el('dd', {}, '–');
    return { key, value, element: el('div', { class: 'tile' }, el('dt', {}, name), value) };
  });
  const charts = makeCharts();
  const trouble = el('p', { role: 'status', class: 'trouble' });
  const element = el('section', { class: 'dashboard' },
    heading('Dashboard'),
    el('p', { class: 'lead' }, 'Read once a second from ', el('a', { href: '/api/metrics' }, '/api/metrics'),
      ', in the format of Prometheus. Rates and latencies do not include streams and these requests.'),
    el('p', { class: 'actions' },
      el('button', { type: 'button', click: makeTraffic }, 'Make some traffic')),
    trouble,
    el('dl', { class: 'tiles' }, ...tiles.map((tile) => tile.element)),
    el('div', { class: 'charts' }, ...Object.values(charts).map((chart) => chart.element)));

  async function scrape() {
    try {
      const response = await fetch('/api/metrics');
      samples.push({ time: Date.now(), ...digest(parse(await response.text())) });
      trouble.textContent = '';
    } catch {
      trouble.textContent = 'The server cannot be reached.';
    }
    samples = samples.filter(({ time }) => time > Date.now() - span - latencyWindow);
    show(charts, tiles);
    if (!stopped) timer = setTimeout(scrape, interval);
  }

  let stopped = false;
  let timer = 0;
  show(charts, tiles);
  scrape();
  return {
    title: 'Dashboard',
    element,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function makeCharts() {
  return {
    rate: new Chart({ title: 'Requests', note: 'per second', span, format: count, series: [{ name: 'all', color: 'accent' }] }),
    latency: new Chart({
      title: 'Latency', note: 'over the last 30 s', span, format: duration,
      series: [{ name: 'p50', color: 'done' }, { name: 'p90', color: 'doing' }, { name: 'p99', color: 'bad' }],
    }),
    status: new Chart({
      title: 'Responses', note: 'per second by status', kind: 'bars', span, format: count,
      series: classes.map((name, i) => ({ name, color: ['done', 'todo', 'doing', 'bad'][i] })),
    }),
    sent: new Chart({ title: 'Sent', note: 'per second', span, format: kilobytes, series: [{ name: 'bodies', color: 'todo' }] }),
    goroutines: new Chart({ title: 'Goroutines', span, format: count, series: [{ name: 'now', color: 'todo' }] }),
    heap: new Chart({ title: 'Heap', note: 'in use', span, format: megabytes, series: [{ name: 'now', color: 'accent' }] }),
  };
}

function show(charts, tiles) {
  const points = samples.map(point).filter(({ time }) => time > Date.now() - span);
  const chart = (name, pick) => charts[name].show(points.map((p) => ({ time: p.time, values: pick(p) })));
  chart('rate', (p) => [p.rate]);
  chart('latency', (p) => p.latency);
  chart('status', (p) => p.statuses);
  chart('goroutines', (p) => [p.goroutines]);
  chart('sent', (p) => [p.sent]);
  chart('heap', (p) => [p.heap]);
  const last = samples.at(-1);
  if (!last) return;
  const errors = (last.classes['4xx'] ?? 0) + (last.classes['5xx'] ?? 0);
  const values = { total: last.requests, inFlight: last.inFlight, errors };
  for (const { key, value } of tiles) value.textContent = values[key].toLocaleString();
}

// point returns the values of a chart at sample i, from the difference to the
// previous sample.
function point(sample, i) {
  const before = samples[i - 1];
  const seconds = before ? (sample.time - before.time) / 1000 : 1;
  const rate = (now, then) => (before ? growth(now, then) / seconds : null);
  const windowStart = samples.findLast(({ time }) => time <= sample.time - latencyWindow) ?? samples[0];
  return {
    time: sample.time,
    goroutines: sample.goroutines,
    heap: sample.heap / 2 ** 20,
    sent: rate(sample.sent / 1000, before?.sent / 1000),
    rate: rate(sample.requests, before?.requests),
    statuses: classes.map((name) => rate(sample.classes[name], before?.classes[name])),
    latency: [0.5, 0.9, 0.99].map((q) => (before ? quantile(q, sample, windowStart) : null)),
  };
}

// makeTraffic sends different requests, three at a time.
async function makeTraffic(event) {
  const button = event.currentTarget;
  button.disabled = true;
  const paths = Array.from({ length: 120 }, (_, i) => {
    if (i % 3 === 0) return `/api/work?ms=${Math.round(5 * 60 ** Math.random())}`;
    return ['/api/tasks', '/style.css', '/ready'][i % 3];
  });
  const worker = async () => {
    while (paths.length > 0) {
      const path = paths.pop();
      // The file exists, so the response is 304.
      const headers = path === '/style.css' ? { 'If-None-Match': '*' } : {};
      await fetch(path, { headers }).catch(() => {}); // the chart shows the other requests
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  button.disabled = false;
}
