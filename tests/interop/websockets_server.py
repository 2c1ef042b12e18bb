"""Python's `websockets` as a server; the path says how it behaves. Keep in step with ws_server.mjs."""

import asyncio
import http
import json
import socket
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def answer(ws, path, message, record):
    match path:
        case "/echo" | "/greeting":
            await ws.send(message)
        case "/fragments":
            await ws.send([message[:1], message[1:1], message[1:]])
        case "/ping":

            async def parts():
                for part in message[:2], message[2:]:
                    await (await ws.ping())
                    record["pongs"] += 1
                    yield part

            await ws.send(parts())
        case "/invalid":
            await ws.send(b"Hello \xff", text=True)
        case "/close":
            await ws.close(4000, "enough")
        case "/vanish":
            # Without a Close frame, and without close_notify.
            ws.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            ws.transport.abort()


async def handle(ws):
    path = ws.request.path
    headers = ws.request.headers
    record = {"pongs": 0, "subprotocol": ws.subprotocol}
    record |= {"color": headers.get("X-Color"), "origin": headers.get("Origin")}
    try:
        if path == "/greeting":
            await ws.send("welcome")
        if path == "/bye":
            await ws.close(1001)
        async for message in ws:
            await answer(ws, path, message, record)
    except ConnectionClosed:
        pass
    await ws.wait_closed()
    if path == "/wrong-subprotocol":
        return  # the client refused the handshake
    closed = ws.protocol.close_rcvd
    record |= {"code": closed.code if closed else 1006, "reason": closed.reason if closed else ""}
    print(json.dumps(record), flush=True)


def refuse(ws, request):
    if request.path == "/refuse":
        return ws.respond(http.HTTPStatus.FORBIDDEN, "not you\n")


def tamper(ws, request, response):
    if request.path == "/wrong-subprotocol":
        response.headers["Sec-WebSocket-Protocol"] = "another"


def choose(ws, offered):
    return "chat" if "chat" in offered else None


async def main():
    scheme, where = "ws", {"host": "127.0.0.1", "port": 0}
    match sys.argv[1:]:
        case ["--unix", path]:
            where = {"unix": True, "path": path}
        case [certificate, key]:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(certificate, key)
            scheme, where["ssl"] = "wss", tls
    server = await serve(
        handle,
        max_size=None,
        ping_interval=None,
        select_subprotocol=choose,
        process_request=refuse,
        process_response=tamper,
        **where,
    )
    address = server.sockets[0].getsockname()
    at = "localhost" if isinstance(address, str) else f"127.0.0.1:{address[1]}"
    print(f"listening {scheme}://{at}", flush=True)
    await server.serve_forever()


asyncio.run(main())
