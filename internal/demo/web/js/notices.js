// What the page has to say beside its content.
import { el } from '/js/dom.js';

const shownFor = 8000; // milliseconds

// announce tells screen readers of a change that the eye sees anyway.
export function announce(text) {
  document.getElementById('announcer').textContent = text;
}

// complain shows what went wrong, until it is dismissed or a while has passed.
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
  // The same words twice say nothing new, however often they are the answer.
  for (const other of [...region.children]) {
    if (other.firstChild.textContent === text) other.remove();
  }
  region.append(notice);
}
