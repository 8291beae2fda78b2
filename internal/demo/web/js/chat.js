// The chat's WebSocket, which unlike EventSource does not reconnect by itself.
//
// Nothing is lost on the way: what was said here waits in the outbox until the
// server sends it back, and goes out again after each reconnect. Nothing is
// doubled either: messages carry an id of the sender's, by which the server and
// the other pages know those they have.
import { delay } from '/js/backoff.js';
import { complain } from '/js/notices.js';

const silence = 60_000; // milliseconds; the server says something every 20 seconds
const keep = 500; // messages

class Chat extends EventTarget {
  name = '';
  people = [];
  messages = [];
  outbox = new Map(); // id to text
  unread = 0;
  state = 'connecting'; // or 'live', 'waiting'

  #socket = null;
  #known = new Set(); // ids of messages
  #seen = ''; // where the server's log was read to
  #attempts = 0;
  #timer = 0;
  #watchdog = 0;
  #reading = false;

  start() {
    // Each window is somebody of its own, also after a reload.
    this.name = sessionStorage.getItem('name') ?? `Guest ${Math.floor(Math.random() * 900) + 100}`;
    sessionStorage.setItem('name', this.name);
    this.#connect();
    window.addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry());
    // If the browser keeps the page for the back button, its user has left the
    // chat and is back when the page is shown again.
    window.addEventListener('pagehide', () => this.#disconnect());
    window.addEventListener('pageshow', (event) => event.persisted && this.#hurry());
  }

  // say sends a message now or, without a connection, as soon as there is one.
  say(text) {
    const id = randomID();
    this.outbox.set(id, text);
    this.#send({ type: 'say', id, text });
    this.#changed();
  }

  rename(name) {
    this.name = name;
    sessionStorage.setItem('name', name);
    this.#send({ type: 'name', name });
    this.#changed();
  }

  // read tells whether the user looks at the messages.
  read(reading) {
    this.#reading = reading;
    if (reading) this.unread = 0;
    this.#changed();
  }

  #connect() {
    clearTimeout(this.#timer);
    const url = new URL('/api/chat', location);
    url.protocol = url.protocol.replace('http', 'ws');
    url.searchParams.set('name', this.name);
    url.searchParams.set('seen', this.#seen);
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#enter('live');
      this.#watch();
      for (const [id, text] of this.outbox) this.#send({ type: 'say', id, text });
    };
    socket.onmessage = (event) => {
      this.#attempts = 0;
      this.#watch();
      this.#receive(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return; // given up before
      this.#retry();
    };
  }

  #receive(message) {
    switch (message.type) {
      case 'message':
        this.#seen = message.at;
        this.#add(message.message);
        break;
      case 'people':
        this.people = message.people;
        break;
      case 'refused':
        this.outbox.delete(message.id);
        complain(`Not sent: ${message.error}.`);
        break;
    }
    this.#changed();
  }

  #add(message) {
    // After a reload the name is all that tells what this window has said.
    const mine = this.outbox.delete(message.id) || message.name === this.name;
    if (this.#known.has(message.id)) return;
    this.#known.add(message.id);
    this.messages.push({ ...message, mine });
    if (this.messages.length > keep) this.#known.delete(this.messages.shift().id);
    if (!mine && !this.#reading) this.unread++;
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #retry() {
    this.#disconnect();
    this.#enter('waiting');
    this.#timer = setTimeout(() => this.#connect(), delay(this.#attempts++));
  }

  #disconnect() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  // hurry is for when there is reason to believe that it works again.
  #hurry() {
    if (this.#socket) return;
    this.#attempts = 0;
    this.#connect();
  }

  // watch gives up a connection that is silent for too long: one whose network
  // went away does not close, it says nothing for ever.
  #watch() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#retry(), silence);
  }

  #enter(state) {
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

// randomID works without a secure context too, where crypto.randomUUID is not
// to be had: on a phone that visits this computer by its address, say.
function randomID() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const chat = new Chat();
