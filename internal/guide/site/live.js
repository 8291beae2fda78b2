// live follows the feed at url. It calls on[name](data) for each event, and on.gap() at
// the start and whenever events may be missing, so that the page can start over.
export function live(url, on) {
  let source, timer, last = '', ended = false;
  const close = () => { clearTimeout(timer); source = source?.close(); };
  function open() {
    if (source || ended || document.hidden) return;
    source = new EventSource(last ? `${url}?lastEventID=${last}` : url);
    source.onopen = () => last || on.gap();
    source.onerror = () => source.readyState === EventSource.CLOSED && retry();
    for (const name in on) source.addEventListener(name, (event) => {
      last = event.lastEventId;
      on[name](event.data);
    });
  }
  function retry() { // EventSource itself does not, after 502 or 204
    close();
    timer = setTimeout(async () => {
      const response = await fetch(url).catch(() => null);
      response?.body?.cancel();
      ended = [204, 401, 403].includes(response?.status); // closed, or no access
      open();
    }, 1000 + 4000 * Math.random());
  }
  document.addEventListener('visibilitychange', () => document.hidden ? close() : open());
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  open();
}
