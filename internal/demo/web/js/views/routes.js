// The application's routes, and commands to try.
import { request } from '/js/api.js';
import { el, heading } from '/js/dom.js';
import { complain } from '/js/notices.js';

export function routesView() {
  const rows = el('tbody');
  const commands = el('dl', { class: 'commands' });
  const element = el('section', { class: 'narrow' },
    heading('Routes'),
    el('p', { class: 'lead' }, 'The routes of the router, also available ',
      el('a', { href: '/api/routes' }, 'as JSON'), '.'),
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of routes' },
      el('table', {},
        el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Method'), el('th', { scope: 'col' }, 'Path'))),
        rows)),
    el('h2', {}, 'From a terminal'),
    commands);
  load().catch((error) => element.append(el('p', { role: 'alert' }, error.message)));
  return { title: 'Routes', element };

  async function load() {
    const [{ routes }, { examples }] = await Promise.all([
      request('GET', '/api/routes'), request('GET', '/api/examples'),
    ]);
    rows.replaceChildren(...routes.map(({ method, path }) => el('tr', {},
      el('td', {}, el('span', { class: 'method', 'data-method': method }, method || 'any')),
      el('td', {}, el('code', {}, path)))));
    commands.replaceChildren(...examples.flatMap(({ does, command }) => {
      const code = el('code', {}, command);
      return [el('dt', {}, does), el('dd', {}, code, copyButton(code))];
    }));
  }
}

// copyButton creates a button that copies the text of an element. If the browser
// does not allow it, the button selects the text.
function copyButton(element) {
  if (!navigator.clipboard) return null; // not in a secure context
  return el('button', {
    type: 'button', class: 'quiet', 'aria-label': 'Copy',
    async click(event) {
      const button = event.currentTarget;
      try {
        await navigator.clipboard.writeText(element.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(element);
        complain('The browser does not allow this page to copy. The command is selected: copy it with the keyboard or the menu.');
      }
    },
  }, 'Copy');
}
