// The tasks, kept up to date by the server's event stream. All changes arrive
// through the stream, including those that this page has made.
//
// Changes that are made at the same time may arrive in either order, and the board
// may already include changes that arrive after it. Therefore a task is replaced
// only by a higher version, and a deleted task does not come back: ids are not used
// again.
import { delay } from '/js/backoff.js';

const hiddenFor = 30_000; // milliseconds until a hidden page disconnects

class Board extends EventTarget {
  tasks = new Map();
  loaded = false;
  state = 'connecting'; // or 'live', 'waiting'

  #source = null;
  #lastID = 0; // the highest id of any task when the board was loaded
  #deleted = new Set(); // ids of tasks deleted since then
  #seen = ''; // id of the last event
  #attempts = 0;
  #timer = 0;

  // start connects to the server.
  start() {
    this.#open();
    // Browsers allow six HTTP/1.1 connections to a server, for all windows
    // together. A hidden page closes its connection. With the id of the last
    // event, it can catch up later.
    let hiddenTimer = 0;
    document.addEventListener('visibilitychange', () => {
      clearTimeout(hiddenTimer);
      if (document.hidden) hiddenTimer = setTimeout(() => this.#close(), hiddenFor);
      else if (!this.#source) this.#open();
    });
    // When the user leaves the page, the browser may keep it for the back button,
    // with its open connection.
    window.addEventListener('pagehide', () => {
      clearTimeout(hiddenTimer);
      this.#close();
    });
    window.addEventListener('pageshow', (event) => {
      if (event.persisted && !this.#source) this.#open();
    });
  }

  #open() {
    clearTimeout(this.#timer);
    const source = new EventSource(`/api/tasks/events?lastEventID=${encodeURIComponent(this.#seen)}`);
    this.#source = source;
    const on = (name, apply) => source.addEventListener(name, (event) => {
      this.#seen = event.lastEventId;
      apply(JSON.parse(event.data));
    });
    on('gap', () => {}); // the board comes next
    on('board', (board) => this.#replace(board));
    on('saved', (task) => this.#save(task));
    on('deleted', (ids) => this.#delete(ids));
    source.onopen = () => {
      this.#attempts = 0;
      this.#enter('live');
    };
    source.onerror = () => {
      this.#enter('waiting');
      // If the connection is lost, EventSource reconnects, with the id of the last
      // event. If it gets a response that is not a stream, for example 502 from a
      // proxy, it gives up.
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

  #replace({ tasks, last_id: lastID }) {
    this.#lastID = lastID;
    this.#deleted.clear();
    this.tasks = new Map(tasks.map((task) => [task.id, task]));
    this.loaded = true;
    this.#changed({});
  }

  #save(task) {
    const before = this.tasks.get(task.id);
    const news = before ? task.version > before.version : task.id > this.#lastID && !this.#deleted.has(task.id);
    if (!news) return;
    this.tasks.set(task.id, task);
    this.#changed({ task, before });
  }

  #delete(ids) {
    const deleted = ids.map((id) => this.tasks.get(id)).filter(Boolean);
    for (const id of ids) {
      this.#deleted.add(id);
      this.tasks.delete(id);
    }
    this.#changed({ deleted });
  }

  #changed(detail) {
    this.dispatchEvent(new CustomEvent('change', { detail }));
  }
}

export const board = new Board();
