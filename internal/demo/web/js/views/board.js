// The board, with a column for each status.
import { attempt } from '/js/api.js';
import { board } from '/js/board.js';
import { el, heading, place } from '/js/dom.js';

const columns = [
  { status: 'todo', name: 'To do' },
  { status: 'doing', name: 'Doing' },
  { status: 'done', name: 'Done' },
];

export function boardView() {
  const cards = new Map(); // by the task's id
  const lists = columns.map(column);
  const clear = el('button', { type: 'button', class: 'quiet', click: clearDone }, 'Clear done');
  const element = el('section', { class: 'board' },
    heading('Board'),
    el('p', { class: 'lead' }, 'Open it in a second window: changes here appear there.'),
    newTask(),
    el('div', { class: 'columns' }, ...lists.map((list) => list.element)),
    el('p', { class: 'actions' },
      el('a', { class: 'button quiet', href: '/api/tasks/export', download: true }, 'Download as CSV'),
      clear));

  function render({ detail } = {}) {
    const focused = document.activeElement;
    for (const id of cards.keys()) {
      if (!board.tasks.has(id)) cards.delete(id);
    }
    for (const task of board.tasks.values()) {
      if (!cards.has(task.id)) cards.set(task.id, card(task.id));
      cards.get(task.id).update(task);
    }
    for (const list of lists) {
      const tasks = [...board.tasks.values()].filter((task) => task.status === list.status);
      list.show(tasks.map((task) => cards.get(task.id).element));
    }
    clear.disabled = ![...board.tasks.values()].some((task) => task.status === 'done');
    element.toggleAttribute('aria-busy', !board.loaded);
    // If a card with the focus moves to another column, it keeps the focus.
    if (focused !== document.activeElement && focused?.isConnected) {
      (focused.disabled ? focused.closest('li')?.querySelector('a') : focused)?.focus();
    }
    if (detail?.task) cards.get(detail.task.id).flash();
  }

  board.addEventListener('change', render);
  render();
  return { title: 'Board', element, stop: () => board.removeEventListener('change', render) };
}

// newTask is the form at the top.
function newTask() {
  const title = el('input', {
    id: 'new-title', name: 'title', maxlength: '200', required: true, autocomplete: 'off',
    placeholder: 'What needs to be done?',
  });
  return el('form', {
    class: 'new-task',
    async submit(event) {
      event.preventDefault();
      const text = title.value;
      title.value = '';
      // If the request fails, restore the text, unless the user has typed another.
      if (!await attempt('POST', '/api/tasks', { title: text })) title.value ||= text;
    },
  },
  el('label', { for: 'new-title', class: 'unseen' }, 'New task'),
  title,
  el('button', { type: 'submit' }, 'Add task'));
}

function clearDone() {
  const ids = [...board.tasks.values()].filter((task) => task.status === 'done').map((task) => task.id);
  attempt('POST', '/api/tasks/bulk-delete', { ids: ids.slice(0, 100) });
}

function move(task, status) {
  return attempt('PATCH', `/api/tasks/${task.id}`, { status, version: task.version });
}

// column creates a list of cards. Cards can be dropped on it, or moved with their
// buttons, which also work with the keyboard.
function column({ status, name }) {
  const count = el('span', { class: 'count' }, '0');
  const list = el('ul', { class: 'cards' });
  const empty = el('p', { class: 'empty' }, 'Nothing here');
  const element = el('section', {
    class: 'column', 'data-status': status, 'aria-labelledby': `column-${status}`,
    dragover(event) {
      if (!event.dataTransfer.types.includes('text/x-task')) return;
      event.preventDefault();
      element.classList.add('target');
    },
    dragleave: () => element.classList.remove('target'),
    drop(event) {
      event.preventDefault();
      element.classList.remove('target');
      const task = board.tasks.get(Number(event.dataTransfer.getData('text/x-task')));
      if (task && task.status !== status) move(task, status);
    },
  }, el('h2', { id: `column-${status}` }, name, ' ', count), list, empty);
  return {
    status,
    element,
    show(nodes) {
      place(list, nodes);
      count.textContent = nodes.length;
      empty.hidden = nodes.length > 0;
    },
  };
}

// card creates the card of a task. Its elements are kept when the task changes, so
// that changes by other users do not remove the focus.
function card(id) {
  let task;
  const title = el('a', { href: `/tasks/${id}` });
  const description = el('p');
  const step = (by) => columns[columns.findIndex((c) => c.status === task.status) + by];
  const mover = (by, arrow) => el('button', {
    type: 'button', class: 'quiet', click: () => move(task, step(by).status),
  }, arrow);
  const back = mover(-1, '←');
  const forward = mover(1, '→');
  const remove = el('button', {
    type: 'button', class: 'quiet', click: () => attempt('DELETE', `/api/tasks/${id}`),
  }, '✕');
  const element = el('li', {
    class: 'card', draggable: 'true',
    dragstart(event) {
      event.dataTransfer.setData('text/x-task', id);
      event.dataTransfer.effectAllowed = 'move';
    },
  }, title, description,
  el('div', { class: 'card-end' }, el('span', { class: 'number' }, `#${id}`), back, forward, remove));

  function label(button, to) {
    button.disabled = !to;
    button.setAttribute('aria-label', to ? `Move “${task.title}” to ${to.name}` : 'No column on this side');
  }
  return {
    element,
    update(newer) {
      if (task === newer) return;
      task = newer;
      title.textContent = task.title;
      description.textContent = task.description;
      description.hidden = task.description === '';
      label(back, step(-1));
      label(forward, step(1));
      remove.setAttribute('aria-label', `Delete “${task.title}”`);
    },
    // flash highlights the card for a moment.
    flash() {
      element.classList.remove('changed');
      void element.offsetWidth; // restarts the animation
      element.classList.add('changed');
    },
  };
}
