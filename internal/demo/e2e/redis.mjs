// Runs Redis, for several demos that share it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atEnd } from './cleanup.mjs';

// A Redis is a server on a Unix socket that stores nothing on disk.
export class Redis {
  // start runs the server until the test ends.
  static async start(t) {
    const redis = new Redis();
    const dir = await mkdtemp(join(tmpdir(), 'redis-'));
    atEnd(t, () => rm(dir, { recursive: true }));
    redis.socket = join(dir, 's');
    const server = spawn('redis-server', [
      '--port', '0', '--unixsocket', redis.socket, '--save', '', '--appendonly', 'no', '--dir', dir,
    ], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(server, 'exit');
    atEnd(t, () => {
      server.kill('SIGKILL');
      return ended;
    });
    let ready = false;
    for await (const line of createInterface({ input: server.stdout })) {
      ready = /eady to accept connections/.test(line);
      if (ready) break;
    }
    assert.ok(ready, 'redis-server ended without accepting connections');
    server.stdout.resume();
    return redis;
  }
}
