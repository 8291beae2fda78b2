// Runs the demo as a process, and interrupts its connections.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { atEnd } from './cleanup.mjs';

const { DEMO: program, DEMO_REDIS: programWithRedis } = process.env;
assert.ok(program && programWithRedis, 'DEMO and DEMO_REDIS must name the built programs: run .ci/e2e');

// A Demo is a running demo.
export class Demo {
  // start runs the program on a free port until the test ends. If there is a
  // Redis, the program keeps its state there.
  static async start(t, redis) {
    const demo = new Demo();
    demo.redis = redis;
    await demo.#run('127.0.0.1:0');
    atEnd(t, () => demo.stop());
    return demo;
  }

  // stop sends SIGTERM to the program, and waits until it has exited.
  async stop() {
    const process = this.process;
    if (!process) return;
    this.process = null;
    process.kill('SIGTERM');
    const [code] = await once(process, 'exit');
    assert.equal(code, 0, `the demo ended with status ${code}\n${this.stderr}`);
    assert.equal(this.stderr, '');
  }

  // kill ends the program like a crash.
  async kill() {
    const process = this.process;
    this.process = null;
    process.kill('SIGKILL');
    await once(process, 'exit');
  }

  // startAgain runs the program at the same address as before.
  startAgain() {
    return this.#run(this.address);
  }

  async #run(address) {
    this.stderr = '';
    const [command, options] = this.redis ? [programWithRedis, ['-redis', this.redis.socket]] : [program, []];
    this.process = spawn(command, ['-addr', address, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stderr.on('data', (data) => { this.stderr += data; });
    const lines = createInterface({ input: this.process.stdout });
    for await (const line of lines) {
      const match = /^Task board at (http:\/\/(\S+))/.exec(line);
      if (match) {
        [, this.url, this.address] = match;
        break;
      }
    }
    assert.ok(this.url, `no address printed: ${this.stderr}`);
    this.process.stdout.resume();
  }

  // request sends a request without the browser, and returns the JSON of the
  // response.
  async request(method, path, body) {
    const response = await fetch(this.url + path, { method, body: body && JSON.stringify(body) });
    assert.ok(response.ok, `${method} ${path}: status ${response.status}`);
    return response.status === 204 ? null : response.json();
  }
}

// A Cable is a proxy between a browser and the demo that can be interrupted.
export class Cable {
  #sockets = new Set();
  #cut = false;

  static async lay(t, demo) {
    const cable = new Cable();
    const [host, port] = demo.address.split(':');
    const server = net.createServer((near) => {
      if (cable.#cut) {
        near.destroy();
        return;
      }
      const far = net.connect(Number(port), host);
      for (const [from, to] of [[near, far], [far, near]]) {
        cable.#sockets.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          to.destroy();
          cable.#sockets.delete(from);
        });
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cable.url = `http://127.0.0.1:${server.address().port}`;
    atEnd(t, () => {
      cable.cut();
      server.close();
    });
    return cable;
  }

  cut() {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#cut = false;
  }
}

// A BrokenProxy answers all requests with status 502, as a proxy does while the
// server behind it is away.
export class BrokenProxy {
  #server = http.createServer((_, response) => response.writeHead(502).end());

  // start serves at an address until the test ends.
  static async start(t, address) {
    const proxy = new BrokenProxy();
    const [host, port] = address.split(':');
    proxy.#server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n'));
    proxy.#server.listen(Number(port), host);
    await once(proxy.#server, 'listening');
    atEnd(t, () => proxy.stop());
    return proxy;
  }

  // stop closes the listener and all connections.
  async stop() {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
