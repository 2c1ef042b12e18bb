"""Reads what our encoder has written with Python's `wsproto`, and compares what it sees with what was meant.

Each line of standard input is one connection: who wrote it ("client" or "server"), the bytes in
hexadecimal, and the events that they mean, all between spaces:

    client 8185ffffffffb79a939390 text:48656c6c6f
"""

import random
import sys

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage


def pieces(wire, source):
    """The bytes whole, or cut at random: wsproto must not care, and does it the harder way too."""
    if len(wire) > 1 << 17 or source.random() < 0.5:
        yield wire
        return
    while wire:
        n = source.randint(1, source.choice([1, 10, 1000, 100_000]))
        yield wire[:n]
        wire = wire[n:]


def events(writer, wire, source):
    reader = Connection(ConnectionType.SERVER if writer == "client" else ConnectionType.CLIENT)
    message = b""
    for piece in pieces(wire, source):
        reader.receive_data(piece)
        for event in reader.events():
            match event:
                case Message():
                    message += event.data.encode() if isinstance(event, TextMessage) else event.data
                    if event.message_finished:
                        kind = "binary" if isinstance(event, BytesMessage) else "text"
                        yield f"{kind}:{message.hex()}"
                        message = b""
                case Ping():
                    yield f"ping:{event.payload.hex()}"
                case Pong():
                    yield f"pong:{event.payload.hex()}"
                case CloseConnection():
                    yield f"close:{int(event.code)}:{(event.reason or '').encode().hex()}"
                case _:
                    yield repr(event)
    if message:
        yield f"unfinished:{message.hex()}"


def main():
    source = random.Random(6455)
    count = 0
    for count, line in enumerate(sys.stdin, 1):
        writer, wire, *expected = line.split(" ")
        expected = [event for event in map(str.strip, expected) if event]
        seen = list(events(writer, bytes.fromhex(wire), source))
        for i in range(max(len(seen), len(expected))):
            pair = [one[i] if i < len(one) else "nothing" for one in (expected, seen)]
            if pair[0] != pair[1]:
                sys.exit("connection %d, event %d: %.200s was meant, %.200s was seen" % (count, i, *pair))
    print(f"{count} connections")


main()
