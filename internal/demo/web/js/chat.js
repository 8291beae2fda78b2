// The chat's WebSocket. Unlike EventSource, a WebSocket does not reconnect
// automatically.
//
// Messages are not lost: each one stays in the outbox until the server sends it
// back, and is sent again after a reconnect. They are not duplicated: the sender
// gives each one an id, which the server and the other pages compare with those
// that they have.
import { delay } from '/js/backoff.js';
import { complain } from '/js/notices.js';

const pingEvery = 20_000; // milliseconds
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
  #seen = ''; // id of the last message in the server's feed
  #attempts = 0;
  #timer = 0;
  #pinging = 0; // an interval
  #silent = false; // nothing was received since the last ping
  #reading = false;

  start() {
    // Each window is a different person, and stays the same after a reload.
    this.name = sessionStorage.getItem('name') ?? `Guest ${Math.floor(Math.random() * 900) + 100}`;
    sessionStorage.setItem('name', this.name);
    this.#connect();
    window.addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry());
    // When the user leaves the page, they leave the chat, even if the browser
    // keeps the page for the back button.
    window.addEventListener('pagehide', () => this.#disconnect());
    window.addEventListener('pageshow', (event) => event.persisted && this.#hurry());
  }

  // say sends a message. If there is no connection, it is sent after the next
  // reconnect.
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

  // read sets whether the user is reading the messages.
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
    url.searchParams.set('after', this.#seen);
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#enter('live');
      this.#watch();
      for (const [id, text] of this.outbox) this.#send({ type: 'say', id, text });
    };
    socket.onmessage = (event) => {
      this.#silent = false;
      this.#receive(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return; // replaced already
      this.#retry();
    };
  }

  #receive({ id, event, data }) {
    switch (event) {
      case 'said':
        this.#attempts = 0;
        this.#seen = id;
        this.#add(data);
        break;
      case 'gap':
        // The messages that the server still has come next. The page keeps those
        // that it has.
        this.#seen = id;
        break;
      case 'people':
        this.people = data;
        break;
      case 'refused':
        this.outbox.delete(data.id);
        complain(`Not sent: ${data.error}.`);
        break;
      case 'pong':
        this.#attempts = 0; // the connection lasts
        return;
      default:
        return; // a position in a feed
    }
    this.#changed();
  }

  #add(message) {
    // After a reload, own messages can only be recognized by the name.
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
    clearInterval(this.#pinging);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  // hurry reconnects immediately, after an event that makes success likely.
  #hurry() {
    if (this.#socket) return;
    this.#attempts = 0;
    this.#connect();
  }

  // watch reconnects if a ping is not answered before the next. If the network
  // fails, the connection is not closed, but nothing arrives any more.
  #watch() {
    clearInterval(this.#pinging);
    this.#silent = false;
    this.#pinging = setInterval(() => {
      if (this.#silent) {
        this.#retry();
        return;
      }
      this.#silent = true;
      this.#send({ type: 'ping' });
    }, pingEvery);
  }

  #enter(state) {
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

// randomID also works outside secure contexts, where crypto.randomUUID is not
// available; for example, on a phone that opens the page by an IP address.
function randomID() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const chat = new Chat();
