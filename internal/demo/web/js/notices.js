// Messages to the user.
import { el } from '/js/dom.js';

const shownFor = 8000; // milliseconds

// announce reports a change to screen readers.
export function announce(text) {
  document.getElementById('announcer').textContent = text;
}

// complain shows an error until the user dismisses it or some time has passed.
export function complain(text) {
  const region = document.getElementById('notices');
  const dismiss = () => {
    clearTimeout(timer);
    notice.remove();
  };
  const notice = el('div', { class: 'notice' },
    el('p', {}, text),
    el('button', { type: 'button', class: 'quiet', 'aria-label': 'Dismiss', click: dismiss }, '✕'));
  const timer = setTimeout(dismiss, shownFor);
  // Do not show the same text twice.
  for (const other of [...region.children]) {
    if (other.firstChild.textContent === text) other.remove();
  }
  region.append(notice);
}
