// Tests of the board in a browser. Each test starts its own demo. No test sleeps:
// locators and until wait for conditions.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Visitor, launch } from './browser.mjs';
import { Demo } from './demo.mjs';
import { add, assertMarked, card, column, mark, seeded, titles, until } from './page.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('the board loads', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(demo.url);
  assert.equal(await page.title(), 'Board · Stanza board');
  await card(page, 'Start the demo').waitFor();
  assert.deepEqual(await titles(page), seeded);
  assert.equal(await column(page, 'To do').locator('.card').count(), 3);
});

test('deep links work, and survive a reload and the back button', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(`${demo.url}/tasks/2`);
  const title = page.getByLabel('Title');
  await title.waitFor();
  assert.equal(await title.inputValue(), 'Create a task');
  await page.reload();
  await title.waitFor();
  assert.equal(await title.inputValue(), 'Create a task');
  await mark(page);

  await page.getByRole('navigation').getByRole('link', { name: 'Routes' }).click();
  await page.getByRole('heading', { name: 'Routes' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/routes');
  await page.getByRole('cell', { name: '/api/tasks/{id}' }).first().waitFor();
  const { routes } = await demo.request('GET', '/api/routes');
  assert.equal(await page.locator('tbody tr').count(), routes.length);
  await page.goBack();
  await title.waitFor();
  await assertMarked(page);

  await page.goto(`${demo.url}/no/such/page`);
  await page.getByRole('heading', { name: 'Page not found' }).waitFor();
  await page.goto(`${demo.url}/tasks/999`);
  await page.getByText('This task does not exist').waitFor();
});

test('what changes in one window appears in the other', async (t) => {
  const demo = await Demo.start(t);
  const here = await (await Visitor.arrive(t, browser)).open(demo.url);
  const there = await (await Visitor.arrive(t, browser)).open(demo.url);
  await mark(there);

  await add(here, 'Water the plants');
  await card(there, 'Water the plants').waitFor();

  await card(here, 'Water the plants').getByRole('button', { name: 'to Doing' }).click();
  await column(there, 'Doing').getByRole('link', { name: 'Water the plants' }).waitFor();

  await here.getByRole('link', { name: 'Water the plants' }).click();
  await here.getByLabel('Title').fill('Water all the plants');
  await here.getByLabel('Description').fill('Those on the roof too');
  await here.getByLabel('Done').check();
  await here.getByRole('button', { name: 'Save' }).click();
  await column(there, 'Done').getByRole('link', { name: 'Water all the plants' }).waitFor();
  await there.getByText('Those on the roof too').waitFor();

  await here.getByRole('button', { name: 'Delete' }).click();
  await card(there, 'Water all the plants').waitFor({ state: 'detached' });
  assert.deepEqual(await titles(there), seeded);
  await assertMarked(there);
});

// Changes that are made at the same time may arrive in either order, and after a
// board that includes them.
test('old news changes nothing', async (t) => {
  const demo = await Demo.start(t);
  const visitor = await Visitor.arrive(t, browser);
  const page = await visitor.open(demo.url);
  const task = (id, version, title) => ({
    id, version, title, description: '', status: 'todo', created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z',
  });
  const events = [
    ['board', { tasks: [task(1, 2, 'one, newer'), task(4, 1, 'four')], last_id: 4 }],
    ['saved', task(1, 1, 'one, older')],
    ['saved', task(3, 7, 'deleted before the board was loaded')],
    ['saved', task(6, 2, 'six, newer')],
    ['saved', task(6, 1, 'six, older')],
    ['saved', task(5, 1, 'five')], // its id is lower than one that came before
    ['deleted', [4, 7]],
    ['saved', task(4, 2, 'deleted since')],
    ['saved', task(7, 1, 'deleted before it came')],
    ['saved', task(8, 1, 'last')],
  ];
  const body = events.map(([name, data], n) => `id: ${n}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join('');
  await page.route('**/api/tasks/events*', (route) => route.fulfill({
    contentType: 'text/event-stream', body: `retry: 600000\n\n${body}`,
  }));
  await page.reload();
  await card(page, 'last').waitFor();
  assert.deepEqual((await titles(page)).sort(), ['five', 'last', 'one, newer', 'six, newer']);
});

test('a card can be dragged to another column', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(demo.url);
  await card(page, 'Create a task').dragTo(column(page, 'Done'));
  await column(page, 'Done').getByRole('link', { name: 'Create a task' }).waitFor();
});

test('users do not overwrite changes that they have not seen', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(`${demo.url}/tasks/2`);
  await page.getByLabel('Title').fill('Mine');
  await demo.request('PATCH', '/api/tasks/2', { title: 'Theirs' });
  await page.getByText('Somebody changed this task').waitFor();
  assert.equal(await page.getByLabel('Title').inputValue(), 'Mine');
  await page.getByRole('button', { name: 'Take their version' }).click();
  assert.equal(await page.getByLabel('Title').inputValue(), 'Theirs');

  await demo.request('PATCH', '/api/tasks/2', { title: 'Theirs again' });
  await until(page, () => document.querySelector('#title').value === 'Theirs again');
});

test('too many changes are rejected with a message', async (t) => {
  const demo = await Demo.start(t);
  const visitor = await Visitor.arrive(t, browser);
  visitor.expect(/status of 429/);
  const page = await visitor.open(demo.url);
  await Promise.all(Array.from({ length: 30 }, () => fetch(`${demo.url}/api/tasks/1`, { method: 'PATCH', body: '{"status":"doing"}' })));
  await page.getByLabel('New task').fill('One too many');
  await page.getByRole('button', { name: 'Add task' }).click();
  await page.getByRole('alert').getByText(/^Too many changes at once\. Try again in \d+ seconds?\.$/).waitFor();
  assert.equal(await page.getByLabel('New task').inputValue(), 'One too many');
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await page.locator('.notice').waitFor({ state: 'detached' });
});

test('the board is downloaded as CSV', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(demo.url);
  const [download] = await Promise.all([
    page.waitForEvent('download'), page.getByRole('link', { name: 'Download as CSV' }).click(),
  ]);
  assert.match(download.suggestedFilename(), /^tasks-\d{8}\.csv$/);
  const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n');
  assert.equal(lines[0].trim(), 'ID,Title,Description,Status,Created,Updated');
  assert.equal(lines.length, 6);
});

test('what users type is never markup', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(demo.url);
  const title = '<img src=x onerror="document.title=1"><style>*{display:none}</style>';
  await add(page, title);
  await page.getByRole('link', { name: title }).click();
  await page.getByLabel('Title').waitFor();
  assert.equal(await page.getByLabel('Title').inputValue(), title);
  assert.equal(await page.locator('main img, main style').count(), 0);
  const response = await page.goto(demo.url);
  const policy = response.headers()['content-security-policy'];
  assert.ok(policy.includes("script-src 'self'") && !policy.includes('unsafe'), policy);
});
