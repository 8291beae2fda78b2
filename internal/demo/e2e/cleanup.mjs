const pending = new WeakMap();

// atEnd runs a function when the test ends. Unlike t.after, it runs the last
// function first, so that pages are closed before their server, and it runs all
// functions, even if one fails.
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
