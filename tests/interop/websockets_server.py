"""Python's `websockets` as a server; the path says how it behaves. Keep in step with ws_server.mjs.

It compresses where the query says `deflate`; what else is in there are parameters of the extension.
"""

import asyncio
import http
import json
import socket
import ssl
import sys
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


class Counting(ServerConnection):
    """Counts what it receives: `bytes_received`."""

    bytes_received = 0

    def data_received(self, data):
        self.bytes_received += len(data)
        super().data_received(data)


def parameters(header):
    """What was agreed on about the extension, in order; None without it."""
    return header and sorted(header.split("; ")[1:])


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
        case "/large":
            await ws.send(bytes((16 << 20) + 1))
        case "/invalid-deflate":
            ws.transport.write(b"\xc1\x01\x07")  # a DEFLATE block of the type 3
        case "/vanish":
            # Without a Close frame, and without close_notify.
            ws.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            ws.transport.abort()


async def handle(ws):
    path = urlsplit(ws.request.path).path
    headers = ws.request.headers
    record = {"pongs": 0, "subprotocol": ws.subprotocol}
    record |= {"color": headers.get("X-Color"), "origin": headers.get("Origin")}
    record |= {"deflate": parameters(ws.response.headers.get("Sec-WebSocket-Extensions"))}
    before, bytes_in_messages = ws.bytes_received, 0
    try:
        if path == "/greeting":
            await ws.send("welcome")
        if path == "/bye":
            await ws.close(1001)
        async for message in ws:
            bytes_in_messages += len(message.encode() if isinstance(message, str) else message)
            await answer(ws, path, message, record)
    except ConnectionClosed:
        pass
    await ws.wait_closed()
    if path == "/wrong-subprotocol":
        return  # the client refused the handshake
    closed = ws.protocol.close_rcvd
    record |= {"saves_bytes": ws.bytes_received - before < bytes_in_messages / 2}
    record |= {"code": closed.code if closed else 1006, "reason": closed.reason if closed else ""}
    print(json.dumps(record), flush=True)


def prepare(ws, request):
    if request.path == "/refuse":
        return ws.respond(http.HTTPStatus.FORBIDDEN, "not you\n")
    query = dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
    if query.pop("deflate", None) is not None:
        options = {name: int(value) if value else True for name, value in query.items()}
        ws.protocol.available_extensions = [ServerPerMessageDeflateFactory(**options)]


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
        process_request=prepare,
        process_response=tamper,
        compression=None,
        create_connection=Counting,
        **where,
    )
    address = server.sockets[0].getsockname()
    at = "localhost" if isinstance(address, str) else f"127.0.0.1:{address[1]}"
    print(f"listening {scheme}://{at}", flush=True)
    await server.serve_forever()


asyncio.run(main())
