// Puts the page together.
import { board } from '/js/board.js';
import { el, heading } from '/js/dom.js';
import { announce } from '/js/notices.js';
import * as router from '/js/router.js';
import { boardView } from '/js/views/board.js';
import { dashboardView } from '/js/views/dashboard.js';
import { routesView } from '/js/views/routes.js';
import { taskView } from '/js/views/task.js';

// The light in the corner.
function showConnection() {
  const light = document.getElementById('connection');
  if (light.dataset.state === board.state) return;
  light.dataset.state = board.state;
  light.textContent = { connecting: 'Connecting', live: 'Live', waiting: 'Reconnecting' }[board.state];
}

function notFoundView() {
  return {
    title: 'Not found',
    element: el('section', { class: 'narrow' },
      heading('There is nothing here'),
      el('p', {}, 'No page of the board has this address. ', el('a', { href: '/' }, 'Back to the board'))),
  };
}

board.addEventListener('state', showConnection);
board.addEventListener('change', ({ detail }) => {
  if (detail.task) announce(`${detail.before ? 'Changed' : 'Added'}: ${detail.task.title}, ${detail.task.status}`);
  else if (detail.deleted?.length) announce(`Deleted: ${detail.deleted.map((task) => task.title).join(', ')}`);
});

router.start([
  [/^\/$/, boardView],
  [/^\/tasks\/(\d+)$/, taskView],
  [/^\/dashboard$/, dashboardView],
  [/^\/routes$/, routesView],
  [/^/, notFoundView],
]);
board.start();
