// delay returns the number of milliseconds to wait before an attempt to reconnect;
// the first attempt is 0. It doubles with each attempt, up to 10 seconds. Half of
// it is random, so that pages do not all reconnect to a restarted server at the
// same time.
export function delay(attempt) {
  const longest = Math.min(10_000, 400 * 2 ** attempt);
  return longest / 2 + Math.random() * longest / 2;
}
