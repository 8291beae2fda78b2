// The entry point of the page.
import { board } from '/js/board.js';
import { chat } from '/js/chat.js';
import { el, heading } from '/js/dom.js';
import { announce } from '/js/notices.js';
import * as router from '/js/router.js';
import { boardView } from '/js/views/board.js';
import { chatView } from '/js/views/chat.js';
import { dashboardView } from '/js/views/dashboard.js';
import { routesView } from '/js/views/routes.js';
import { taskView } from '/js/views/task.js';

// showConnection updates the indicator in the corner. It shows one state for both
// connections.
function showConnection() {
  const light = document.getElementById('connection');
  const states = [board.state, chat.state];
  const state = states.find((s) => s !== 'live') ?? 'live';
  if (light.dataset.state === state) return;
  light.dataset.state = state;
  light.textContent = { connecting: 'Connecting', live: 'Live', waiting: 'Reconnecting' }[state];
}

function showUnread() {
  const badge = document.getElementById('unread');
  badge.hidden = chat.unread === 0;
  badge.textContent = chat.unread;
  badge.setAttribute('aria-label', `${chat.unread} unread`);
}

function notFoundView() {
  return {
    title: 'Not found',
    element: el('section', { class: 'narrow' },
      heading('Page not found'),
      el('p', {}, 'There is no page at this address. ', el('a', { href: '/' }, 'Back to the board'))),
  };
}

board.addEventListener('state', showConnection);
chat.addEventListener('state', showConnection);
chat.addEventListener('change', showUnread);
board.addEventListener('change', ({ detail }) => {
  if (detail.task) announce(`${detail.before ? 'Changed' : 'Added'}: ${detail.task.title}, ${detail.task.status}`);
  else if (detail.deleted?.length) announce(`Deleted: ${detail.deleted.map((task) => task.title).join(', ')}`);
});

board.start();
chat.start();
router.start([
  [/^\/$/, boardView],
  [/^\/tasks\/(\d+)$/, taskView],
  [/^\/chat$/, chatView],
  [/^\/dashboard$/, dashboardView],
  [/^\/routes$/, routesView],
  [/^/, notFoundView],
]);
