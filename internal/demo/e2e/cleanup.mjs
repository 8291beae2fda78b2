const pending = new WeakMap();

// atEnd runs a function when the test ends. Unlike after, it runs the last one
// first, since pages are closed before the server that they talk to, and it
// runs them all, also if one fails.
export function atEnd(t, clean) {
  if (!pending.has(t)) {
    pending.set(t, []);
    t.after(() => run(pending.get(t)));
  }
  pending.get(t).push(clean);
}

async function run(cleanups) {
  const failures = [];
  for (const clean of cleanups.reverse()) {
    try {
      await clean();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
