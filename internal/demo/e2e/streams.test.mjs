// Tests of the chat, and of both streams when the server or the network fails.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Visitor, launch, live, unreachable } from './browser.mjs';
import { Cable, Demo } from './demo.mjs';
import { add, assertMarked, card, mark, said, say, seeded, titles, until, untilSaid } from './page.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('people chat from two windows', async (t) => {
  const demo = await Demo.start(t);
  const ada = await (await Visitor.arrive(t, browser)).open(`${demo.url}/chat`);
  const bob = await (await Visitor.arrive(t, browser)).open(`${demo.url}/chat`);
  for (const [page, name] of [[ada, 'Ada'], [bob, 'Bob']]) {
    await page.getByLabel('Your name').fill(name);
    await page.getByRole('button', { name: 'Change' }).click();
  }
  for (const page of [ada, bob]) {
    await until(page, () => document.querySelector('.people').innerText === 'Ada\nBob');
  }
  await say(ada, 'Is anybody <b>here</b>?');
  await bob.getByText('Is anybody <b>here</b>?').waitFor();
  await bob.getByRole('navigation').getByRole('link', { name: 'Board', exact: true }).click();
  await say(ada, 'Hello?');
  await until(bob, () => document.querySelector('#unread').innerText === '1');
  await bob.getByRole('navigation').getByRole('link', { name: 'Chat' }).click();
  assert.deepEqual(await said(bob), ['Is anybody <b>here</b>?', 'Hello?']);
  assert.ok(await bob.locator('#unread').isHidden());
  await bob.close();
  await until(ada, () => document.querySelector('.people').innerText === 'Ada');
});

for (const [fate, end] of [['is stopped', (demo) => demo.stop()], ['is killed', (demo) => demo.kill()]]) {
  test(`nothing is lost or duplicated when the server ${fate} and started again`, async (t) => {
    const demo = await Demo.start(t);
    const visitor = await Visitor.arrive(t, browser);
    visitor.expect(unreachable);
    await visitor.countGaps();
    const board = await visitor.open(demo.url);
    const talk = await visitor.open(`${demo.url}/chat`);
    for (const page of [board, talk]) await mark(page);
    await add(board, 'Only the old server has this');
    await say(talk, 'before');
    await untilSaid(talk, 1);

    await end(demo);
    for (const page of [board, talk]) await page.locator('#connection[data-state="waiting"]').waitFor();
    await say(talk, 'while it was gone');
    await talk.locator('.pending').waitFor();
    await demo.startAgain();
    // Another client sends a request before the pages have reconnected.
    await demo.request('POST', '/api/tasks', { title: 'Only the new server has this' });

    for (const page of [board, talk]) await live(page);
    await card(board, 'Only the new server has this').waitFor();
    const { tasks } = await demo.request('GET', '/api/tasks?limit=100');
    assert.deepEqual((await titles(board)).sort(), tasks.map((task) => task.title).sort());
    await untilSaid(talk, 2);
    assert.deepEqual(await said(talk), ['before', 'while it was gone']);

    // Both streams continue.
    await demo.request('DELETE', '/api/tasks/1');
    await card(board, 'Read routes.go').waitFor({ state: 'detached' });
    await say(talk, 'after');
    await untilSaid(talk, 3);
    for (const page of [board, talk]) {
      await assertMarked(page);
      assert.notEqual(await page.evaluate(() => window.gaps), 0); // the feeds began anew
    }
  });
}

test('a message that comes again after a gap is shown once', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(`${demo.url}/chat`);
  const message = (id) => ({ id, name: 'Ada', text: id, time: '2026-01-01T00:00:00Z' });
  const connections = [
    [{ id: 'a1' }, { id: 'b1' }, { id: 'a2', event: 'said', data: message('one') }, { id: 'b2', event: 'people', data: ['Ada'] }],
    [{ id: 'begin', event: 'gap', data: {} }, { id: 'a8', event: 'said', data: message('one') }, { id: 'a9', event: 'said', data: message('two') }],
  ];
  const positions = [];
  await page.routeWebSocket('**/api/chat*', (socket) => {
    positions.push(new URL(socket.url()).searchParams.get('after'));
    for (const event of connections.shift() ?? []) socket.send(JSON.stringify(event));
    if (connections.length > 0) socket.close();
  });
  await page.reload();
  await untilSaid(page, 2);
  assert.deepEqual(await said(page), ['one', 'two']);
  assert.equal(await page.evaluate(async () => (await import('/js/chat.js')).chat.messages.length), 2);
  assert.deepEqual(positions, ['', 'a2']); // not that of another feed
});

test('an interrupted connection continues where it was', async (t) => {
  const demo = await Demo.start(t);
  const cable = await Cable.lay(t, demo);
  const visitor = await Visitor.arrive(t, browser);
  visitor.expect(unreachable);
  const board = await visitor.open(cable.url);
  const near = await visitor.open(`${cable.url}/chat`);
  const far = await (await Visitor.arrive(t, browser)).open(`${demo.url}/chat`);
  await card(board, 'Start the demo').waitFor();
  const asked = [];
  board.on('request', async (request) => {
    if (request.url().includes('/events')) asked.push((await request.allHeaders())['last-event-id']);
  });

  cable.cut();
  for (const page of [board, near]) await page.locator('#connection[data-state="waiting"]').waitFor();
  for (let n = 1; n <= 5; n++) await demo.request('POST', '/api/tasks', { title: `missed ${n}` });
  await demo.request('DELETE', '/api/tasks/1');
  for (let n = 1; n <= 5; n++) await say(far, `missed ${n}`);
  await say(near, 'from the other side');
  await untilSaid(far, 5);

  cable.mend();
  for (const page of [board, near]) await live(page);
  await card(board, 'missed 5').waitFor();
  const { tasks } = await demo.request('GET', '/api/tasks?limit=100');
  assert.deepEqual((await titles(board)).sort(), tasks.map((task) => task.title).sort());
  assert.match(asked.at(-1) ?? '', /^5\.\w+$/, 'the browser did not send the id of the last event');
  for (const page of [near, far]) {
    await untilSaid(page, 6);
    assert.deepEqual((await said(page)).sort(), ['from the other side', ...[1, 2, 3, 4, 5].map((n) => `missed ${n}`)]);
  }
});

// Browsers keep pages that the user has left for the back button. If such pages
// kept their event streams, six of them would use all HTTP/1.1 connections that a
// browser opens to one server.
test('pages that the user has left have no connection', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(demo.url);
  for (const path of ['/chat', '/dashboard', '/routes', '/tasks/1', '/?again', '/chat?again', '/?last']) {
    await mark(page);
    await page.goto(demo.url + path);
    await live(page);
  }
  await card(page, 'Start the demo').waitFor();
  await onlyInFlight(demo, 2); // the last page's event stream and WebSocket

  await page.goBack({ waitUntil: 'commit' });
  await assertMarked(page); // it was kept
  await say(page, 'back again');
  await untilSaid(page, 1);
  await page.goBack({ waitUntil: 'commit' });
  await assertMarked(page);
  await demo.request('POST', '/api/tasks', { title: 'Added after it was away' });
  await card(page, 'Added after it was away').waitFor();
  await onlyInFlight(demo, 2);
});

test('a page that the user comes back to has what happened meanwhile, once', async (t) => {
  const demo = await Demo.start(t);
  const visitor = await Visitor.arrive(t, browser);
  visitor.expect(/status of 404/); // the page of /ready has no icon
  await visitor.countGaps();
  const page = await visitor.open(`${demo.url}/chat`);
  const other = await (await Visitor.arrive(t, browser)).open(`${demo.url}/chat`);
  await say(other, 'before');
  await untilSaid(page, 1);
  for (let round = 1; round <= 2; round++) {
    await mark(page);
    await page.goto(`${demo.url}/ready`);
    await onlyInFlight(demo, 2); // the other page's event stream and WebSocket
    await say(other, `while it was away ${round}`);
    await untilSaid(other, 2 * round);
    await demo.request('POST', '/api/tasks', { title: `while it was away ${round}` });
    await demo.request('DELETE', `/api/tasks/${round}`);

    await page.goBack({ waitUntil: 'commit' });
    await assertMarked(page); // it was kept
    await live(page);
    await say(page, `back ${round}`);
    for (const window of [page, other]) await untilSaid(window, 1 + 2 * round);
  }
  const messages = ['before', 'while it was away 1', 'back 1', 'while it was away 2', 'back 2'];
  for (const window of [page, other]) assert.deepEqual(await said(window), messages);

  await page.getByRole('navigation').getByRole('link', { name: 'Board', exact: true }).click();
  await card(page, 'while it was away 2').waitFor();
  assert.deepEqual((await titles(page)).sort(), [
    ...seeded.filter((title) => !['Read routes.go', 'Create a task'].includes(title)),
    'while it was away 1', 'while it was away 2',
  ].sort());
  assert.equal(await page.evaluate(() => window.gaps), 0);
  await onlyInFlight(demo, 4);
});

// onlyInFlight waits until the demo serves the given number of requests, without
// the request for the metrics.
async function onlyInFlight(demo, want) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const metrics = await (await fetch(`${demo.url}/api/metrics`)).text();
    const inFlight = Number(/^http_requests_in_flight (\d+)$/m.exec(metrics)[1]) - 1;
    if (inFlight === want) return;
    assert.ok(Date.now() < deadline, `${inFlight} requests are in flight, want ${want}`);
  }
}
