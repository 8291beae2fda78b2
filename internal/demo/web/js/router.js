// Client-side routes: links inside the page change its content and not the
// document, so that the streams stay open.

let routes = [];
let current = null;

// start shows the view of the page's address, now and whenever it changes. A
// route is a pattern of the path and a function that is given what its groups
// matched and returns a view: its title, its element and, if it has to be
// told that it goes, a function stop.
export function start(table) {
  routes = table;
  document.addEventListener('click', follow);
  window.addEventListener('popstate', () => show(true));
  show(false);
}

// go changes to another address.
export function go(path) {
  history.pushState(null, '', path);
  show(true);
}

function show(moveFocus) {
  current?.stop?.();
  const path = location.pathname;
  for (const [pattern, open] of routes) {
    const match = pattern.exec(path);
    if (!match) continue;
    current = open(...match.slice(1));
    break;
  }
  document.title = `${current.title} · Stanza board`;
  document.getElementById('main').replaceChildren(current.element);
  for (const link of document.querySelectorAll('nav a')) {
    if (link.pathname === path) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (moveFocus) {
    window.scrollTo(0, 0);
    current.element.querySelector('h1')?.focus({ preventScroll: true });
  }
}

// follow takes over plain clicks on links to the page's own routes. Everything
// else is the browser's: other windows, downloads, the API.
function follow(event) {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.hash || /^\/(api|metrics|health)\b/.test(link.pathname)) return;
  event.preventDefault();
  if (link.pathname !== location.pathname) go(link.pathname);
}
