// Tests of two instances of the demo with one Redis.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Visitor, launch, live, unreachable } from './browser.mjs';
import { BrokenProxy, Demo } from './demo.mjs';
import { add, assertMarked, card, column, mark, said, say, seeded, titles, until, untilSaid } from './page.mjs';
import { Redis } from './redis.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

// assertComplete asserts that a page has the same tasks as the server, each once.
async function assertComplete(page, demo) {
  const { tasks } = await demo.request('GET', '/api/tasks?limit=100');
  const want = tasks.map((task) => task.title).sort();
  await until(page, (count) => document.querySelectorAll('.card').length === count, want.length);
  assert.deepEqual((await titles(page)).sort(), want);
}

test('two windows on two instances show one board and one chat', async (t) => {
  const redis = await Redis.start(t);
  const [one, two] = [await Demo.start(t, redis), await Demo.start(t, redis)];
  const here = await (await Visitor.arrive(t, browser)).open(one.url);
  const there = await (await Visitor.arrive(t, browser)).open(two.url);
  for (const page of [here, there]) {
    await card(page, 'Start the demo').waitFor();
    await mark(page);
    assert.deepEqual(await titles(page), seeded); // only one of them added the first tasks
  }
  await add(here, 'Water the plants');
  await card(there, 'Water the plants').waitFor();
  await card(there, 'Water the plants').getByRole('button', { name: 'to Doing' }).click();
  await column(here, 'Doing').getByRole('link', { name: 'Water the plants' }).waitFor();

  // A conflict is noticed on the other instance.
  await there.getByRole('link', { name: 'Water the plants' }).click();
  await there.getByLabel('Title').fill('Water all the plants');
  await card(here, 'Water the plants').getByRole('button', { name: 'to Done' }).click();
  await there.getByText('Somebody changed this task').waitFor();
  await there.getByRole('button', { name: 'Take their version' }).click();
  await there.getByRole('button', { name: 'Delete' }).click();
  await card(here, 'Water the plants').waitFor({ state: 'detached' });

  for (const page of [here, there]) await page.getByRole('navigation').getByRole('link', { name: 'Chat' }).click();
  await say(here, 'Is anybody there?');
  await untilSaid(there, 1);
  await say(there, 'Yes');
  for (const page of [here, there]) {
    await untilSaid(page, 2);
    assert.deepEqual(await said(page), ['Is anybody there?', 'Yes']);
    await assertMarked(page);
  }
});

test('nothing is lost or duplicated, and there is no gap, when an instance is killed', async (t) => {
  const redis = await Redis.start(t);
  const [one, two] = [await Demo.start(t, redis), await Demo.start(t, redis)];
  const visitor = await Visitor.arrive(t, browser);
  visitor.expect(unreachable);
  await visitor.countGaps();
  const board = await visitor.open(one.url);
  const near = await visitor.open(`${one.url}/chat`);
  const far = await (await Visitor.arrive(t, browser)).open(`${two.url}/chat`);
  for (const page of [board, near]) await mark(page);
  await add(board, 'before');
  const messages = [];
  for (let n = 1; n <= 3; n++) {
    // The page does not know whether the messages before the end have arrived.
    for (let m = 1; m <= 3; m++) {
      messages.push(`before end ${n}: ${m}`);
      await say(near, messages.at(-1));
    }
    await one.kill();
    for (const page of [board, near]) await page.locator('#connection[data-state="waiting"]').waitFor();
    messages.push(`near, while it was gone ${n}`, `far, while it was gone ${n}`);
    await say(near, messages.at(-2));
    await say(far, messages.at(-1));
    await two.request('POST', '/api/tasks', { title: `while it was gone ${n}` });
    await two.request('DELETE', `/api/tasks/${n}`);
    await one.startAgain();
    for (const page of [board, near]) await live(page);
    await card(board, `while it was gone ${n}`).waitFor();
    for (const page of [near, far]) await untilSaid(page, messages.length);
  }
  await assertComplete(board, two);
  for (const page of [near, far]) assert.deepEqual((await said(page)).sort(), [...messages].sort());
  assert.deepEqual(await said(near), await said(far)); // in one order
  for (const page of [board, near]) {
    await assertMarked(page);
    assert.equal(await page.evaluate(() => window.gaps), 0);
  }
});

// EventSource gives up if it gets a response that is not a stream.
test('pages come back after a proxy has answered with 502', async (t) => {
  const redis = await Redis.start(t);
  const [one, two] = [await Demo.start(t, redis), await Demo.start(t, redis)];
  const visitor = await Visitor.arrive(t, browser);
  visitor.expect(unreachable, /status of 502/, /Unexpected response code: 502/);
  await visitor.countGaps();
  const page = await visitor.open(one.url);
  await card(page, 'Start the demo').waitFor();
  await mark(page);
  const refused = () => page.waitForResponse((response) => response.url().includes('/events') && response.status() === 502);

  const first = refused();
  await one.kill();
  const proxy = await BrokenProxy.start(t, one.address);
  await first;
  await refused(); // the page tries again
  await two.request('POST', '/api/tasks', { title: 'while it was away' });
  await two.request('DELETE', '/api/tasks/1');
  const asked = page.waitForResponse((response) => response.url().includes('/events') && response.ok());
  await proxy.stop();
  await one.startAgain();

  const position = new URL((await asked).url()).searchParams.get('lastEventID');
  assert.match(position, /^\d+-\d+\.\w+$/, 'the page did not send the id of the last event');
  await live(page);
  await card(page, 'while it was away').waitFor();
  await card(page, 'Read routes.go').waitFor({ state: 'detached' });
  await assertComplete(page, two);
  await assertMarked(page);
  assert.equal(await page.evaluate(() => window.gaps), 0);
});
