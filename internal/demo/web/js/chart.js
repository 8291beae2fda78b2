// Charts of values over time, drawn as SVG.
import { el, svg } from '/js/dom.js';

const height = 150;
const margin = { top: 10, right: 8, bottom: 20, left: 46 };

// A Chart shows series of numbers as lines or as stacked bars. Its legend has the
// latest values, or those under the pointer, as text, so that the information does
// not depend on colors.
export class Chart {
  #kind;
  #series;
  #format;
  #span;
  #points = [];
  #pointed = null; // the x of the pointer
  #width = 0;
  #drawing = svg('svg', { 'aria-hidden': 'true' });
  #values;

  // span is the length of the time axis in milliseconds.
  constructor({ title, note = '', kind = 'lines', series, format, span }) {
    this.#kind = kind;
    this.#series = series;
    this.#format = format;
    this.#span = span;
    this.#values = series.map(() => el('b', {}, '–'));
    this.element = el('figure', { class: 'chart' },
      el('figcaption', {},
        el('h2', {}, title, note && el('small', {}, ` ${note}`)),
        el('p', { class: 'legend' }, ...series.map(({ name, color }, i) => el('span', { 'data-color': color }, `${name} `, this.#values[i])))),
      this.#drawing);
    this.#drawing.addEventListener('pointermove', (event) => {
      this.#pointed = event.offsetX;
      this.#draw();
    });
    this.#drawing.addEventListener('pointerleave', () => {
      this.#pointed = null;
      this.#draw();
    });
    // The drawing is not scaled, so that text and lines are sharp.
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      this.#draw();
    }).observe(this.element);
  }

  // show draws points, oldest first. Each has a time and one value per series,
  // or null for a gap.
  show(points) {
    this.#points = points;
    this.#draw();
  }

  #draw() {
    const points = this.#points;
    const current = this.#nearest() ?? points.at(-1);
    this.#values.forEach((value, i) => {
      const number = current?.values[i] ?? null;
      value.textContent = number === null ? '–' : this.#format(number);
    });
    if (this.#width === 0) return;
    this.#drawing.setAttribute('viewBox', `0 0 ${this.#width} ${height}`);
    this.#drawing.setAttribute('height', height);
    const top = niceCeiling(Math.max(0, ...points.map((point) => this.#largest(point))));
    const y = (value) => height - margin.bottom - (height - margin.top - margin.bottom) * value / top;
    const marks = this.#kind === 'bars' ? this.#bars(y) : this.#lines(y);
    this.#drawing.replaceChildren(...this.#axes(y, top), ...marks, ...this.#cursor(current));
  }

  #x(time) {
    const end = this.#points.at(-1)?.time ?? 0;
    return this.#width - margin.right - (this.#width - margin.left - margin.right) * (end - time) / this.#span;
  }

  #largest({ values }) {
    const numbers = values.filter((value) => value !== null);
    return this.#kind === 'bars' ? numbers.reduce((sum, value) => sum + value, 0) : Math.max(0, ...numbers);
  }

  #nearest() {
    if (this.#pointed === null) return null;
    const distance = (point) => Math.abs(this.#x(point.time) - this.#pointed);
    return this.#points.reduce((best, point) => (best && distance(best) <= distance(point) ? best : point), null);
  }

  #axes(y, top) {
    const parts = [];
    for (const value of [0, top / 2, top]) {
      parts.push(svg('line', { class: 'grid', x1: margin.left, x2: this.#width - margin.right, y1: y(value), y2: y(value) }));
      const label = svg('text', { class: 'tick', x: margin.left - 6, y: y(value) + 4, 'text-anchor': 'end' });
      label.textContent = this.#format(value);
      parts.push(label);
    }
    for (const [share, anchor] of [[0, 'start'], [1, 'end']]) {
      const label = svg('text', {
        class: 'tick', y: height - 4, 'text-anchor': anchor,
        x: margin.left + (this.#width - margin.left - margin.right) * share,
      });
      label.textContent = share === 1 ? 'now' : `${this.#span / 1000} s ago`;
      parts.push(label);
    }
    return parts;
  }

  #lines(y) {
    return this.#series.map(({ color }, i) => {
      let path = '';
      let pen = 'M';
      for (const { time, values } of this.#points) {
        if (values[i] === null) {
          pen = 'M';
          continue;
        }
        path += `${pen}${this.#x(time).toFixed(1)} ${y(values[i]).toFixed(1)}`;
        pen = 'L';
      }
      return svg('path', { class: 'line', 'data-color': color, d: path || 'M0 0' });
    });
  }

  #bars(y) {
    const step = (this.#width - margin.left - margin.right) / (this.#span / 1000);
    const bars = [];
    for (const { time, values } of this.#points) {
      let base = 0;
      values.forEach((value, i) => {
        if (!value) return;
        bars.push(svg('rect', {
          class: 'bar', 'data-color': this.#series[i].color,
          x: (this.#x(time) - step).toFixed(1), width: Math.max(1, step - 1).toFixed(1),
          y: y(base + value).toFixed(1), height: (y(base) - y(base + value)).toFixed(1),
        }));
        base += value;
      });
    }
    return bars;
  }

  #cursor(point) {
    if (this.#pointed === null || !point) return [];
    const x = this.#x(point.time);
    return [svg('line', { class: 'cursor', x1: x, x2: x, y1: margin.top, y2: height - margin.bottom })];
  }
}

// niceCeiling returns the smallest round number that is not less than value.
function niceCeiling(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].find((n) => n * unit >= value) * unit;
}
