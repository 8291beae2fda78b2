// delay returns how many milliseconds to wait before the nth attempt to
// reconnect, n counting from 0: twice as long each time, up to 10 seconds. Half
// of it is left to chance, so that the pages that lost a server together do not
// all come back to it in the same instant.
export function delay(attempt) {
  const longest = Math.min(10_000, 400 * 2 ** attempt);
  return longest / 2 + Math.random() * longest / 2;
}
