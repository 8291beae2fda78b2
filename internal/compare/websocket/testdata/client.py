"""Plays the scenarios as a client: client.py ws://HOST/ NAME..."""

import asyncio
import json
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

FINISHED = (1000, "")
CLIENT_BYE = (4000, "client says bye")
SERVER_BYE = (4001, "server says bye: жаль")


def pattern(length):
    return bytes((i * 7 + (i >> 8) * 13 + (i >> 16)) & 255 for i in range(length))


def chat():
    messages = ['{"type":"message","number":%d},' % i * (i * i) for i in range(30)]
    return messages + ["short", "long " * 200000]


async def exchange(ws, messages):
    for message in messages:
        await ws.send(message)
        await expect(ws, message)


async def expect(ws, message):
    if await ws.recv() != message:
        raise Exception("a wrong answer to %d" % len(message))


async def ends(ws, want):
    await ws.wait_closed()
    if (ws.close_code, ws.close_reason) != want:
        raise Exception("ended with %r" % ((ws.close_code, ws.close_reason),))


async def echo(ws, want):
    try:
        while True:
            await ws.send(await ws.recv())
    except websockets.ConnectionClosed:
        pass
    await ends(ws, want)


async def fragments(ws):
    message = "дом 世界 " * 30000
    parts, start, length = [], 0, 1
    while start < len(message):
        parts.append(message[start : start + length])
        start, length = start + length, length * 2 + 1
    await ws.send(parts)
    await expect(ws, message)


async def ping(ws):
    for _ in range(3):
        await (await ws.ping("python asks"))
        await exchange(ws, ["after the ping"])


ACTIVE = {
    "text": lambda ws: exchange(ws, ["a", "Grüße, 世界 🌍", "дом " * 20000]),
    "binary": lambda ws: exchange(ws, [pattern(n) for n in (1, 125, 126, 127, 4095, 4096, 65535, 65536, 200000)]),
    "empty": lambda ws: exchange(ws, ["", b""]),
    "16MiB": lambda ws: exchange(ws, [pattern(1 << 16) * 256]),
    "fragments": fragments,
    "deflate": lambda ws: exchange(ws, chat()),
    "deflate-context": lambda ws: exchange(ws, chat()),
    "ping-by-client": ping,
    "client-closes": lambda ws: exchange(ws, ["hello"]),
    "client-dies": lambda ws: exchange(ws, ["hello"]),
}

PASSIVE = {
    "ping-by-server": FINISHED,
    "server-closes": SERVER_BYE,
    "server-dies": (1006, ""),
}


def check_agreement(name, extensions):
    wanted = name.startswith("deflate")
    independent = "server_no_context_takeover" in extensions
    if wanted != extensions.startswith("permessage-deflate") or wanted and independent != (name == "deflate"):
        raise Exception("agreed on extensions %r" % extensions)


def offer(name):
    if name == "deflate":
        return [ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)]
    if name == "deflate-context":
        return [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
    return None


async def one(base, name):
    async with websockets.connect(base + name, max_size=None, compression=None, extensions=offer(name)) as ws:
        check_agreement(name, ws.response_headers.get("Sec-WebSocket-Extensions", ""))
        if name in PASSIVE:
            return await echo(ws, PASSIVE[name])
        await ACTIVE[name](ws)
        if name == "client-dies":
            ws.transport.abort()
            return
        bye = CLIENT_BYE if name == "client-closes" else FINISHED
        await ws.close(*bye)
        if ws.close_code != bye[0]:
            raise Exception("ended with %r" % ws.close_code)


async def main(base, *names):
    for name in names:
        result = ""
        try:
            await one(base, name)
        except Exception as e:
            result = repr(e)
        print(json.dumps({"name": name, "result": result}), flush=True)


asyncio.run(main(*sys.argv[1:]))
