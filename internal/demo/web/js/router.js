// Client-side routes. Links inside the page replace its content, but not the
// document, so the streams stay open.

let routes = [];
let current = null;

// start shows the view for the page's address, and replaces it when the address
// changes. A route is a pattern for the path and a function that returns a view.
// The function gets the matches of the pattern's groups. A view has a title, an
// element, and optionally a function stop, which is called when it is replaced.
export function start(table) {
  routes = table;
  document.addEventListener('click', follow);
  window.addEventListener('popstate', () => show(true));
  show(false);
}

// go changes the address.
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

// follow handles plain clicks on links to client-side routes. The browser handles
// other links, for example downloads, and clicks that open a new window.
function follow(event) {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.hash || /^\/(api|ready)\b/.test(link.pathname)) return;
  event.preventDefault();
  if (link.pathname !== location.pathname) go(link.pathname);
}
