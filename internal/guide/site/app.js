import { live } from '/live.js';

const $ = (id) => document.getElementById(id);

// call sends a request to the API. If it fails, call shows the error and returns null. The
// errors of a proxy are not JSON.
async function call(method, path, body) {
  const response = await fetch('/api' + path, {
    method,
    headers: body && { 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  }).catch(() => null);
  const answer = response?.status === 204 ? {} : await response?.json().catch(() => null);
  $('problem').textContent = response?.ok ? '' : answer?.error ?? 'The server does not respond.';
  if (response?.status === 401) begin(); // the session may have ended
  return response?.ok ? answer : null;
}

// onSubmit calls f with the values of a form.
function onSubmit(id, f) {
  $(id).addEventListener('submit', async (event) => {
    event.preventDefault();
    if (await f(Object.fromEntries(new FormData(event.target)))) event.target.reset();
  });
}

// Incidents.

const incidents = new Map();

function show() {
  $('incidents').replaceChildren(...[...incidents.values()].sort((a, b) => b.id - a.id).map((i) => {
    const item = document.createElement('li');
    item.className = i.state;
    item.textContent = `${i.severity}: ${i.title}`;
    return item;
  }));
}

live('/api/live', {
  gap() {}, // the event "incidents" follows
  incidents(data) {
    incidents.clear();
    for (const i of JSON.parse(data)) incidents.set(i.id, i);
    show();
  },
  saved(data) {
    const i = JSON.parse(data);
    incidents.set(i.id, i);
    show();
  },
  deleted(data) {
    incidents.delete(JSON.parse(data));
    show();
  },
});

onSubmit('report', (values) => call('POST', '/incidents', values));

// Users and the chat.

let socket, last = '', again;

function join() {
  if (socket) return;
  const url = `/api/chat?after=${last}`;
  socket = new WebSocket(url.replace(/^/, location.origin.replace(/^http/, 'ws')));
  socket.onmessage = ({ data }) => {
    const { id, event, data: said } = JSON.parse(data);
    last = id ?? last;
    if (event === 'gap') $('messages').replaceChildren();
    if (event !== 'said') return;
    const item = document.createElement('li');
    item.textContent = `${said.user}: ${said.text}`;
    $('messages').append(item);
  };
  socket.onclose = () => {
    socket = null;
    retry();
  };
}

function leave() {
  clearTimeout(again);
  if (socket) socket.onclose = null;
  socket = socket?.close();
}

onSubmit('say', (values) => {
  socket?.send(JSON.stringify(values));
  return socket;
});

function retry() {
  clearTimeout(again);
  again = setTimeout(begin, 1000 + 4000 * Math.random());
}

async function begin() {
  const status = await fetch('/api/me').then((response) => response.status, () => 0);
  if (status !== 200 && status !== 401) return retry(); // the user may still be logged in
  const known = status === 200;
  $('login').hidden = known;
  $('editor').hidden = $('room').hidden = !known;
  if (known) join();
  else leave();
}

onSubmit('login', async (values) => {
  const answer = await call('POST', '/login', values);
  await begin();
  return answer;
});

$('logout').addEventListener('click', async () => {
  await call('POST', '/logout');
  await begin();
});

addEventListener('pagehide', leave); // so that the browser can keep the page
addEventListener('pageshow', begin);
