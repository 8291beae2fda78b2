// Starts Debian's Chromium, and opens pages whose errors fail the test.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { atEnd } from './cleanup.mjs';

// launch starts a browser with a new profile, which is removed afterwards. Its
// back/forward cache is on, as it is for users. By default, Playwright turns it
// off.
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

// What Chromium logs when a server cannot be reached.
export const unreachable = /net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|SOCKET_NOT_CONNECTED)|WebSocket connection .* failed/;

// A Visitor is a user of a browser. The pages of a Visitor share their storage.
export class Visitor {
  #context;
  #complaints = [];
  // Browsers log this if the user leaves a page before its chat has connected.
  #expected = [/^warning: WebSocket connection to .* WebSocket is closed before the connection is established\.$/];

  // arrive starts a new session. When the test ends, it fails if there were
  // errors in the console, uncaught exceptions, or violations of the content
  // policy, unless they were expected.
  static async arrive(t, browser, options = {}) {
    const visitor = new Visitor();
    visitor.#context = await browser.newContext({ acceptDownloads: true, ...options });
    visitor.#context.setDefaultTimeout(15_000);
    await visitor.#context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    atEnd(t, async () => {
      await visitor.#context.close();
      const unexpected = visitor.#complaints.filter((text) => !visitor.#expected.some((pattern) => pattern.test(text)));
      assert.deepEqual(unexpected, [], 'errors in the browser');
    });
    return visitor;
  }

  // expect allows errors that match the patterns.
  expect(...patterns) {
    this.#expected.push(...patterns);
  }

  // countGaps makes pages that are opened later count, in window.gaps, the gaps
  // that their streams and WebSockets announce.
  countGaps() {
    return this.#context.addInitScript(() => {
      window.gaps = 0;
      const { EventSource, WebSocket } = window;
      window.EventSource = class extends EventSource {
        constructor(...options) {
          super(...options);
          super.addEventListener('gap', () => window.gaps++);
        }
      };
      window.WebSocket = class extends WebSocket {
        constructor(...options) {
          super(...options);
          super.addEventListener('message', ({ data }) => {
            if (JSON.parse(data).event === 'gap') window.gaps++;
          });
        }
      };
    });
  }

  // open opens a page and waits until it is live.
  async open(url) {
    const page = await this.#context.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.#complaints.push(`exception: ${error.stack}`));
    await page.goto(url);
    await live(page);
    return page;
  }
}

// live waits until a page has connected its event stream and its WebSocket.
export function live(page) {
  return page.locator('#connection[data-state="live"]').waitFor();
}
