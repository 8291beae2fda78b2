// Plays the server's half of the scenarios, until its standard input ends. Its
// first line of output is the port; then it reports what came of each.
import { WebSocketServer } from "ws";
import { createServer } from "node:http";

const finished = { code: 1000, reason: "" };
const clientBye = { code: 4000, reason: "client says bye" };
const serverBye = { code: 4001, reason: "server says bye: жаль" };

// cut splits a message into parts of growing size.
function cut(message) {
	const parts = [];
	for (let start = 0, length = 1; start < message.length; start += length, length = length * 2 + 1) {
		parts.push(message.subarray(start, start + length));
	}
	return parts.length > 0 ? parts : [message];
}

function echo(socket, inFragments) {
	socket.on("message", (data, binary) => {
		const parts = inFragments ? cut(data) : [data];
		parts.forEach((part, i) => socket.send(part, { binary, fin: i === parts.length - 1 }));
	});
}

const message = (socket) => new Promise((resolve) => socket.once("message", (data) => resolve(data.toString())));
const pong = (socket) => new Promise((resolve) => socket.once("pong", (data) => resolve(data.toString())));
const closed = (socket) => new Promise((resolve) => socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })));

async function exchange(socket, text) {
	const answer = message(socket);
	socket.send(text);
	if (await answer !== text) throw new Error("a wrong answer");
}

async function say(socket, bye) {
	const end = closed(socket);
	socket.close(bye.code, bye.reason);
	check(await end, { ...bye });
}

function check(got, want) {
	// The peer answers with the code, and need not repeat the reason.
	if (got.code !== want.code || got.reason !== want.reason && got.reason !== "") {
		throw new Error(`ended with ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
	}
}

async function serve(name, socket) {
	switch (name) {
	case "ping-by-server":
		for (let i = 0; i < 3; i++) {
			const answer = pong(socket);
			socket.ping("node asks");
			await exchange(socket, "after the ping");
			if (await answer !== "node asks") throw new Error("a wrong pong");
		}
		return say(socket, finished);
	case "server-closes":
		await exchange(socket, "hello");
		return say(socket, serverBye);
	case "server-dies":
		await exchange(socket, "hello");
		return socket.terminate();
	}
	echo(socket, name === "fragments");
	const want = { "client-closes": clientBye, "client-dies": { code: 1006, reason: "" } }[name] ?? finished;
	check(await closed(socket), want);
}

const deflate = {
	"deflate": { serverNoContextTakeover: true, clientNoContextTakeover: true },
	"deflate-context": { threshold: 0 },
};
const http = createServer();
http.on("upgrade", (request, connection, head) => {
	const name = request.url.slice(1);
	const server = new WebSocketServer({ noServer: true, perMessageDeflate: deflate[name] ?? false });
	server.handleUpgrade(request, connection, head, async (socket) => {
		socket.on("error", () => {}); // close tells
		let result = "";
		try {
			await serve(name, socket);
		} catch (e) {
			result = String(e);
		}
		console.log(JSON.stringify({ name, result }));
	});
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
process.stdin.on("end", () => process.exit()).resume();
