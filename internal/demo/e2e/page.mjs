// What the tests do on a page.
import assert from 'node:assert/strict';

// The titles of the tasks that the demo starts with, column by column.
export const seeded = [
  'Create a task', 'Open the board in a second window', 'Stop the server and start it again', 'Read routes.go', 'Start the demo',
];

export const card = (page, title) => page.locator('.card').filter({ has: page.getByRole('link', { name: title, exact: true }) });
export const column = (page, name) => page.getByRole('region', { name });
export const titles = (page) => page.locator('.card > a').allTextContents();

// until waits until the page's function returns something true.
export const until = (page, condition, argument) => page.waitForFunction(condition, argument);

// mark puts a mark on a document; one that was loaded anew has none.
export const mark = (page) => page.evaluate(() => { window.marked = true; });
export async function assertMarked(page) {
  assert.ok(await page.evaluate(() => window.marked === true), 'the document was loaded anew');
}

// add puts a task on the board by the form.
export async function add(page, title) {
  await page.getByLabel('New task').fill(title);
  await page.getByRole('button', { name: 'Add task' }).click();
  await card(page, title).waitFor();
}
