// Tests of the other parts of the page: keyboard, phone, dark theme, dashboard.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Visitor, launch, live } from './browser.mjs';
import { Demo } from './demo.mjs';
import { card, column, until } from './page.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('the dashboard draws the metrics', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(`${demo.url}/dashboard`);
  await page.getByRole('button', { name: 'Make some traffic' }).click();
  const legend = (title) => page.locator('.chart').filter({ hasText: title }).locator('.legend');
  await until(page, () => [...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('.line, .bar')));
  await until(page, () => document.querySelectorAll('.bar[data-color="todo"]').length > 0); // some 304s
  await until(page, () => Number(document.querySelector('.tile dd').innerText) >= 120);
  await until(page, () => /p99 \d+ ms/.test(document.querySelectorAll('.chart .legend')[1].innerText));
  assert.match(await legend('Goroutines').innerText(), /now [1-9]/);
  assert.match(await legend('Heap').innerText(), /now [\d.]+ MB/);
});

test('the page can be used without a mouse', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser)).open(demo.url);
  await card(page, 'Start the demo').waitFor();
  // tabTo presses Tab until the focus is on the element with this name. The
  // focus must be visible.
  const tabTo = async (name) => {
    for (let n = 0; n < 60; n++) {
      await page.keyboard.press('Tab');
      const focus = await page.evaluate(() => {
        const element = document.activeElement;
        const label = element.getAttribute('aria-label') ?? element.labels?.[0]?.innerText ?? element.innerText;
        const style = getComputedStyle(element);
        return { label: label.trim(), outlined: style.outlineStyle !== 'none' };
      });
      assert.ok(focus.outlined, `the focus on “${focus.label}” cannot be seen`);
      if (focus.label === name) return;
    }
    assert.fail(`Tab does not lead to “${name}”`);
  };
  await tabTo('Skip to the content');
  await page.keyboard.press('Enter');
  await tabTo('New task');
  await page.keyboard.type('By keyboard');
  await page.keyboard.press('Enter');
  await card(page, 'By keyboard').waitFor();
  await tabTo('Move “By keyboard” to Doing');
  await page.keyboard.press('Enter');
  await column(page, 'Doing').getByRole('link', { name: 'By keyboard' }).waitFor();
  // The focus has moved with the card.
  await until(page, () => document.activeElement.getAttribute('aria-label') === 'Move “By keyboard” to Done');
  await until(page, () => document.querySelector('#announcer').innerText === 'Changed: By keyboard, doing');
  await page.keyboard.press('Enter');
  await column(page, 'Done').getByRole('link', { name: 'By keyboard' }).waitFor();
  await until(page, () => document.activeElement.innerText === 'By keyboard');
  await page.keyboard.press('Enter');
  await page.getByLabel('Title').waitFor();
  await until(page, () => document.activeElement.tagName === 'H1');
  await tabTo('Title');
  await page.keyboard.press('End');
  await page.keyboard.type(' alone');
  await page.keyboard.press('Enter');
  await until(page, () => document.querySelector('.facts').innerText.startsWith('Version 4'));
  const task = await demo.request('GET', '/api/tasks/6');
  assert.deepEqual([task.title, task.status], ['By keyboard alone', 'done']);
  await tabTo('Delete');
  await page.keyboard.press('Enter');
  await until(page, () => location.pathname === '/');
});

test('the page fits on a phone', async (t) => {
  const demo = await Demo.start(t);
  await demo.request('POST', '/api/tasks', { title: 'x'.repeat(200), description: 'y'.repeat(2000) });
  const page = await (await Visitor.arrive(t, browser, {
    viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true,
  })).open(demo.url);
  for (const path of ['/', '/tasks/6', '/chat', '/dashboard', '/routes']) {
    await page.goto(demo.url + path);
    await live(page);
    await page.locator('.card, form, .chart, tbody tr').first().waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${path} is ${width} pixels wide`);
  }
  await page.goto(demo.url);
  await card(page, 'Create a task').getByRole('button', { name: 'to Doing' }).tap();
  await column(page, 'Doing').getByRole('link', { name: 'Create a task' }).waitFor();
});

test('light and dark follow the system until the user chooses', async (t) => {
  const demo = await Demo.start(t);
  const page = await (await Visitor.arrive(t, browser, { colorScheme: 'dark' })).open(demo.url);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await background();
  assert.notEqual(dark, light);
  const toggle = page.getByRole('button', { name: 'Theme' });
  await toggle.click(); // light
  await toggle.click(); // dark
  assert.equal(await background(), dark);
  await page.reload();
  assert.equal(await background(), dark);
});

for (const allowed of [true, false]) {
  test(`a command is ${allowed ? 'copied' : 'selected if the browser does not allow copying'}`, async (t) => {
    const demo = await Demo.start(t);
    const permissions = allowed ? ['clipboard-read', 'clipboard-write'] : ['geolocation']; // only this one
    const page = await (await Visitor.arrive(t, browser, { permissions })).open(`${demo.url}/routes`);
    const command = page.locator('.commands dd').first();
    await command.getByRole('button').click();
    const text = await command.locator('code').innerText();
    if (allowed) {
      await command.getByText('Copied').waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text);
    } else {
      await page.getByRole('alert').getByText(/^The browser does not allow this page to copy\./).waitFor();
      assert.equal(await page.evaluate(() => getSelection().toString()), text);
    }
  });
}
