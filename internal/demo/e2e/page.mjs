// Helpers for tests of a page.
import assert from 'node:assert/strict';

// The titles of the first tasks, by column.
export const seeded = [
  'Create a task', 'Open the board in a second window', 'Stop the server and start it again', 'Read routes.go', 'Start the demo',
];

export const card = (page, title) => page.locator('.card').filter({ has: page.getByRole('link', { name: title, exact: true }) });
export const column = (page, name) => page.getByRole('region', { name });
export const titles = (page) => page.locator('.card > a').allTextContents();

// until waits until a function in the page returns a truthy value.
export const until = (page, condition, argument) => page.waitForFunction(condition, argument);

// mark marks the document. If the page is loaded again, the mark is lost.
export const mark = (page) => page.evaluate(() => { window.marked = true; });
export async function assertMarked(page) {
  assert.ok(await page.evaluate(() => window.marked === true), 'the document was loaded anew');
}

// add adds a task with the form.
export async function add(page, title) {
  await page.getByLabel('New task').fill(title);
  await page.getByRole('button', { name: 'Add task' }).click();
  await card(page, title).waitFor();
}

// say sends a message with the form of the chat.
export async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

// said returns the delivered messages on the page.
export const said = (page) => page.locator('.messages li:not(.pending) p').allTextContents();

// untilSaid waits until that many messages have been delivered to the page.
export const untilSaid = (page, count) => until(page,
  (want) => document.querySelectorAll('.messages li:not(.pending)').length === want, count);
