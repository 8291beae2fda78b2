// Plays the scenarios as a client: node client.mjs ws://HOST/ NAME...
import WebSocket from "ws";
import { play } from "./scenarios.mjs";

const [base, ...names] = process.argv.slice(2);
await play(WebSocket, base, names, {
	options: (name) => ({
		perMessageDeflate: name === "deflate" ? { serverNoContextTakeover: true, clientNoContextTakeover: true } : name === "deflate-context",
	}),
	ping: (socket) => new Promise((resolve, reject) => {
		socket.once("pong", (data) => String(data) === "node asks" ? resolve() : reject(new Error(`a pong of "${data}"`)));
		socket.ping("node asks");
	}),
	fragments: (socket, parts) => parts.forEach((part, i) => {
		if (i === 3) socket.ping(); // control frames may come between
		socket.send(part, { fin: i === parts.length - 1, binary: false });
	}),
	kill: (socket) => socket.terminate(),
}, (outcome) => console.log(JSON.stringify(outcome)));
