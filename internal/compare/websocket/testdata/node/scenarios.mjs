// The client's half of the scenarios, for Node's ws and for browsers. What
// only one of them can do is in `can`:
//   ping(socket)        sends a ping and returns a promise of its pong
//   fragments(socket, parts)  sends the parts as one message of several frames
//   kill(socket)        ends the network connection

const finished = { code: 1000, reason: "" };
const clientBye = { code: 4000, reason: "client says bye" };
const serverBye = { code: 4001, reason: "server says bye: жаль" };

export const unsupported = "unsupported";

// connect opens a connection. Its next() resolves with the next message, and
// with undefined once the connection has ended, as ended then tells.
async function connect(WebSocket, url, options) {
	const socket = options ? new WebSocket(url, options) : new WebSocket(url);
	socket.binaryType = "arraybuffer";
	const messages = [], waiting = [];
	const c = {
		socket,
		next: () => messages.length > 0 || c.ended
			? Promise.resolve(messages.shift())
			: new Promise((resolve) => waiting.push(resolve)),
		closed: new Promise((resolve) => socket.addEventListener("close", (e) => {
			c.ended = { code: e.code, reason: e.reason, clean: e.wasClean };
			for (const resolve of waiting) resolve(undefined);
			resolve(c.ended);
		})),
	};
	socket.addEventListener("message", (e) => {
		if (waiting.length > 0) waiting.shift()(e.data);
		else messages.push(e.data);
	});
	const failure = new Promise((_, reject) => socket.addEventListener("error", () => reject(new Error("connecting failed"))));
	failure.catch(() => {}); // after the connection is open, close tells
	await Promise.race([new Promise((resolve) => socket.addEventListener("open", resolve)), failure]);
	return c;
}

function same(a, b) {
	if (typeof a === "string" || typeof b === "string") return a === b;
	const x = new Uint8Array(a), y = new Uint8Array(b);
	return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

const size = (m) => m?.length ?? m?.byteLength;

async function expect(c, message) {
	const got = await c.next();
	if (got === undefined) throw new Error(`ended with ${JSON.stringify(c.ended)} instead of the answer to ${size(message)}`);
	if (!same(got, message)) throw new Error(`the answer to ${size(message)} is ${size(got)} others`);
}

async function exchange(c, messages) {
	for (const message of messages) {
		c.socket.send(message);
		await expect(c, message);
	}
}

async function close(c, { code, reason }) {
	c.socket.close(code, reason);
	await ends(c, { code, reason: "" }); // the answer repeats the code only
}

async function ends(c, want) {
	const got = await c.closed;
	if (got.code !== want.code || got.reason !== want.reason || got.clean !== (want.code !== 1006)) {
		throw new Error(`ended with ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
	}
}

// echo answers every message with itself until the connection ends.
async function echo(c, want) {
	for (;;) {
		const message = await c.next();
		if (message === undefined) break;
		c.socket.send(message);
	}
	await ends(c, want);
}

function pattern(length) {
	const p = new Uint8Array(length);
	for (let i = 0; i < length; i++) p[i] = i * 7 + (i >> 8) * 13 + (i >> 16);
	return p;
}

function chat() {
	const all = [];
	for (let i = 0; i < 30; i++) all.push(`{"type":"message","number":${i}},`.repeat(i * i));
	return [...all, "short", "long ".repeat(200000)];
}

const scenarios = {
	"text": (c) => exchange(c, ["a", "Grüße, 世界 🌍", "дом ".repeat(20000)]),
	"binary": (c) => exchange(c, [1, 125, 126, 127, 4095, 4096, 65535, 65536, 200000].map(pattern)),
	"empty": (c) => exchange(c, ["", new Uint8Array(0)]),
	"16MiB": (c) => exchange(c, [pattern(16 << 20)]),
	"fragments": async (c, can) => {
		const message = "дом 世界 ".repeat(30000);
		if (!can.fragments) return exchange(c, [message]); // of its own making, if any
		const bytes = new TextEncoder().encode(message), parts = [];
		for (let start = 0, length = 1; start < bytes.length; start += length, length = length * 2 + 1) {
			parts.push(bytes.subarray(start, start + length));
		}
		can.fragments(c.socket, parts);
		await expect(c, message);
	},
	"deflate": (c) => exchange(c, chat()),
	"deflate-context": (c) => exchange(c, chat()),
	"ping-by-client": async (c, can) => {
		for (let i = 0; i < 3; i++) {
			await can.ping(c.socket);
			await exchange(c, ["after the ping"]);
		}
	},
};

const passive = {
	"ping-by-server": (c) => echo(c, finished),
	"server-closes": (c) => echo(c, serverBye),
	"server-dies": (c) => echo(c, { code: 1006, reason: "" }),
};

// checkAgreement checks that what a scenario is about was agreed on.
function checkAgreement(name, extensions) {
	const wanted = name.startsWith("deflate");
	const independent = extensions.includes("server_no_context_takeover");
	const told = extensions.includes(";"); // Node's ws keeps the parameters to itself
	if (wanted !== extensions.startsWith("permessage-deflate") || told && independent !== (name === "deflate")) {
		throw new Error(`agreed on extensions "${extensions}"`);
	}
}

async function one(WebSocket, base, name, can) {
	if (name === "ping-by-client" && !can.ping || name === "client-dies" && !can.kill) return unsupported;
	const c = await connect(WebSocket, base + name, can.options?.(name));
	checkAgreement(name, c.socket.extensions);
	if (passive[name]) {
		await passive[name](c);
	} else if (name === "client-closes") {
		await exchange(c, ["hello"]);
		await close(c, clientBye);
	} else if (name === "client-dies") {
		await exchange(c, ["hello"]);
		can.kill(c.socket);
	} else {
		await scenarios[name](c, can);
		await close(c, finished);
	}
	return "";
}

// play plays the scenarios and reports what came of each: "" if all is well.
export async function play(WebSocket, base, names, can, report) {
	for (const name of names) {
		let result;
		try {
			result = await one(WebSocket, base, name, can);
		} catch (e) {
			result = String(e);
		}
		await report({ name, result });
	}
}
