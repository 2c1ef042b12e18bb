"""A server that never reads while it writes, as a simple blocking one does: it begins with 16 MiB.

Made of the sans-IO part of `websockets`, which does whatever it is told to.
"""

import json
import socket
import ssl
import sys

from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

GREETING = bytes(16 << 20)


def serve(connection):
    protocol = ServerProtocol(max_size=None)
    while data := connection.recv(65536):
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
                protocol.send_binary(GREETING)
            elif event.opcode is Opcode.TEXT:
                protocol.send_text(event.data)
            elif event.opcode is Opcode.BINARY:
                protocol.send_binary(event.data)
        for data in protocol.data_to_send():
            if data:
                connection.sendall(data)
            elif isinstance(connection, ssl.SSLSocket):
                return protocol.close_rcvd, is_notified(connection)
            else:
                connection.shutdown(socket.SHUT_WR)
    return protocol.close_rcvd, False


def is_notified(connection):
    """Sends close_notify, and waits for the peer's."""
    try:
        connection.unwrap()
    except OSError:
        return False
    return True


with socket.create_server(("127.0.0.1", 0)) as listener:
    scheme = "ws"
    if files := sys.argv[1:]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*files)
        listener, scheme = tls.wrap_socket(listener, server_side=True), "wss"
    print(f"listening {scheme}://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        with listener.accept()[0] as connection:
            closed, notified = serve(connection)
        record = {"code": closed.code if closed else 1006, "reason": closed.reason if closed else ""}
        print(json.dumps(record | {"close_notify": notified}), flush=True)
