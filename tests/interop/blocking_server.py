"""A server that never reads while it writes, as a simple blocking one does: it begins with 16 MiB.

Made of the sans-IO part of `websockets`, which does whatever it is told to.
"""

import json
import socket

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
            else:
                connection.shutdown(socket.SHUT_WR)
    closed = protocol.close_rcvd
    print(json.dumps({"code": closed.code if closed else 1006, "reason": closed.reason if closed else ""}), flush=True)


with socket.create_server(("127.0.0.1", 0)) as listener:
    print("listening ws://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        with listener.accept()[0] as connection:
            serve(connection)
