// The page of one task.
import { attempt } from '/js/api.js';
import { board } from '/js/board.js';
import { el, heading } from '/js/dom.js';
import { announce } from '/js/notices.js';
import { go } from '/js/router.js';

const statuses = [['todo', 'To do'], ['doing', 'Doing'], ['done', 'Done']];

export function taskView(digits) {
  const id = Number(digits);
  const title = heading('Task ', el('span', { class: 'number' }, `#${id}`));
  const body = el('div');
  const element = el('section', { class: 'narrow' },
    el('p', {}, el('a', { href: '/' }, '← Board')), title, body);
  let form = null;

  // render is called for every change of the board, mostly of other tasks.
  function render() {
    const task = board.tasks.get(id);
    if (task && form) form.update(task);
    else if (task) {
      form = taskForm(task);
      body.replaceChildren(form.element);
    } else if (board.loaded) {
      form = null;
      body.replaceChildren(el('p', { role: 'status' }, 'This task does not exist, or was deleted.'));
    } else {
      body.replaceChildren(el('p', {}, 'Loading…'));
    }
  }

  board.addEventListener('change', render);
  render();
  return { title: `Task #${id}`, element, stop: () => board.removeEventListener('change', render) };
}

// taskForm creates a form for a task. It sends the version that the user has seen,
// so that users do not overwrite changes that they have not seen.
function taskForm(first) {
  let seen = first;
  const title = el('input', { id: 'title', name: 'title', maxlength: '200', required: true, autocomplete: 'off' });
  const description = el('textarea', { id: 'description', name: 'description', rows: '6', maxlength: '2000' });
  const radios = statuses.map(([value]) => el('input', { type: 'radio', name: 'status', value, id: `status-${value}` }));
  const facts = el('p', { class: 'facts' });
  const conflict = el('div', { class: 'conflict', role: 'status' });

  const draft = () => ({
    title: title.value,
    description: description.value,
    status: radios.find((radio) => radio.checked)?.value,
  });
  const edited = () => Object.entries(draft()).some(([field, value]) => value !== seen[field]);

  function fill(task) {
    seen = task;
    title.value = task.title;
    description.value = task.description;
    for (const radio of radios) radio.checked = radio.value === task.status;
    conflict.replaceChildren();
    showFacts();
  }

  function showFacts() {
    const time = new Date(seen.updated_at);
    facts.replaceChildren(`Version ${seen.version}, last changed `,
      el('time', { datetime: seen.updated_at }, time.toLocaleString()));
  }

  function update(task) {
    if (task.version === seen.version && task.updated_at === seen.updated_at) return;
    if (!edited()) {
      fill(task);
      return;
    }
    // Keep the text that the user has typed, and let them decide.
    seen = { ...task };
    showFacts();
    if (!edited()) { // it was this form's own save
      conflict.replaceChildren();
      return;
    }
    conflict.replaceChildren(
      el('p', {}, 'Somebody changed this task while you were editing it. If you save, your version replaces theirs.'),
      el('button', { type: 'button', class: 'quiet', click: () => fill(task) }, 'Take their version'));
  }

  const element = el('form', {
    class: 'task',
    async submit(event) {
      event.preventDefault();
      if (await attempt('PATCH', `/api/tasks/${seen.id}`, { ...draft(), version: seen.version })) announce('Saved');
    },
  },
  conflict,
  el('label', { for: 'title' }, 'Title'), title,
  el('label', { for: 'description' }, 'Description'), description,
  el('fieldset', {}, el('legend', {}, 'Status'),
    ...statuses.flatMap(([value, name], i) => [radios[i], el('label', { for: `status-${value}` }, name)])),
  facts,
  el('p', { class: 'actions' },
    el('button', { type: 'submit' }, 'Save'),
    el('button', {
      type: 'button', class: 'quiet',
      async click() {
        if (await attempt('DELETE', `/api/tasks/${seen.id}`) !== undefined) go('/');
      },
    }, 'Delete')));
  fill(first);
  return { element, update };
}
