// The chat: its messages, and the people in it.
import { chat } from '/js/chat.js';
import { el, heading, place } from '/js/dom.js';

export function chatView() {
  const people = el('ul', { class: 'people' });
  const log = el('ol', { class: 'messages', role: 'log', 'aria-label': 'Messages', tabindex: '0' });
  const empty = el('p', { class: 'empty' }, 'Nobody has said anything yet.');
  const shown = new Map(); // elements by the id of their message
  const element = el('section', { class: 'chat' },
    heading('Chat'),
    el('div', { class: 'talk' }, empty, log, sayForm()),
    el('aside', {}, el('h2', {}, 'Who is here'), people, nameForm()));

  function render() {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const rows = chat.messages.map((message) => row(message.id, message));
    for (const [id, text] of chat.outbox) rows.push(row(id, { name: chat.name, text, mine: true }, true));
    place(log, rows);
    const ids = new Set([...chat.messages.map((message) => message.id), ...chat.outbox.keys()]);
    for (const id of shown.keys()) {
      if (!ids.has(id)) shown.delete(id);
    }
    empty.hidden = rows.length > 0;
    people.replaceChildren(...chat.people.map((name) => el('li', {}, name)));
    // Scroll only if the user has not scrolled up.
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  // row returns the element of a message. It is the same element before and after
  // the message was delivered, so that screen readers read it once.
  function row(id, message, pending = false) {
    if (!shown.has(id)) {
      shown.set(id, el('li', { class: message.mine ? 'mine' : null },
        el('span', { class: 'who' }, message.name), ' ', el('time'), el('p', {}, message.text)));
    }
    const item = shown.get(id);
    item.classList.toggle('pending', pending);
    const time = item.querySelector('time');
    if (pending) time.textContent = 'Sending…';
    else if (!time.dateTime) {
      time.dateTime = message.time;
      time.textContent = new Date(message.time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    }
    return item;
  }

  chat.addEventListener('change', render);
  chat.read(true);
  return {
    title: 'Chat',
    element,
    stop() {
      chat.removeEventListener('change', render);
      chat.read(false);
    },
  };
}

function sayForm() {
  const text = el('input', {
    id: 'say', maxlength: '1000', required: true, autocomplete: 'off', placeholder: 'Say something',
  });
  return el('form', {
    class: 'say',
    submit(event) {
      event.preventDefault();
      if (text.value.trim() === '') return;
      chat.say(text.value.trim());
      text.value = '';
    },
  }, el('label', { for: 'say', class: 'unseen' }, 'Message'), text, el('button', { type: 'submit' }, 'Send'));
}

function nameForm() {
  const name = el('input', { id: 'name', maxlength: '40', required: true, autocomplete: 'nickname' });
  name.value = chat.name;
  return el('form', {
    class: 'name',
    submit(event) {
      event.preventDefault();
      if (name.value.trim() !== '') chat.rename(name.value.trim());
    },
  }, el('label', { for: 'name' }, 'Your name'), name, el('button', { type: 'submit', class: 'quiet' }, 'Change'));
}
