// The tasks as this page knows them, kept up to date by the server's stream of
// events. The stream is the only way for a task to get in here: the page's own
// changes come back through it like everyone else's, so there is one order of
// things and no merging.
import { delay } from '/js/backoff.js';

const hiddenFor = 30_000; // milliseconds until a hidden page lets go

class Board extends EventTarget {
  tasks = new Map();
  loaded = false;
  state = 'connecting'; // or 'live', 'waiting'

  #source = null;
  #seen = ''; // id of the last event
  #attempts = 0;
  #timer = 0;

  // start follows the board from now on.
  start() {
    this.#open();
    // Browsers allow six HTTP/1.1 connections to a server, over all their
    // windows. A page that nobody sees gives its one back; the id of the last
    // event is enough to catch up.
    let letGo = 0;
    document.addEventListener('visibilitychange', () => {
      clearTimeout(letGo);
      if (document.hidden) letGo = setTimeout(() => this.#close(), hiddenFor);
      else if (!this.#source) this.#open();
    });
    // A page that the user leaves is kept for the back button, and an open
    // EventSource with it.
    window.addEventListener('pagehide', () => {
      clearTimeout(letGo);
      this.#close();
    });
    window.addEventListener('pageshow', (event) => {
      if (event.persisted && !this.#source) this.#open();
    });
  }

  #open() {
    clearTimeout(this.#timer);
    const source = new EventSource(`/api/tasks/events?seen=${encodeURIComponent(this.#seen)}`);
    this.#source = source;
    const on = (name, apply) => source.addEventListener(name, (event) => {
      this.#seen = event.lastEventId;
      this.#attempts = 0;
      apply(JSON.parse(event.data));
    });
    on('board', (tasks) => this.#replace(tasks));
    on('saved', (task) => this.#save(task));
    on('deleted', (ids) => this.#delete(ids));
    source.onopen = () => this.#enter('live');
    source.onerror = () => {
      this.#enter('waiting');
      // After a lost connection EventSource tries again by itself. It gives up
      // for good after an answer that is no stream, such as a proxy's 502.
      if (source.readyState === EventSource.CLOSED) {
        this.#close();
        this.#timer = setTimeout(() => this.#open(), delay(this.#attempts++));
      }
    };
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #enter(state) {
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  #replace(tasks) {
    this.tasks = new Map(tasks.map((task) => [task.id, task]));
    this.loaded = true;
    this.#changed({});
  }

  #save(task) {
    const before = this.tasks.get(task.id);
    this.tasks.set(task.id, task);
    this.#changed({ task, before });
  }

  #delete(ids) {
    const deleted = ids.map((id) => this.tasks.get(id)).filter(Boolean);
    for (const id of ids) this.tasks.delete(id);
    this.#changed({ deleted });
  }

  #changed(detail) {
    this.dispatchEvent(new CustomEvent('change', { detail }));
  }
}

export const board = new Board();
