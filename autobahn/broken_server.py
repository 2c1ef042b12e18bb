"""A small echo server with a fault: `broken_server.py none|utf8|late|rsv|pong|gone`.

One connection after the other, no compression.
"""

import base64
import codecs
import hashlib
import socket
import sys

FAULT = sys.argv[1]
CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10


class Failed(Exception):
    """The connection has to be failed, with this close code."""


def serve(stream):
    """The opening handshake, then messages until one side closes."""
    reader = stream.makefile("rb")
    key = b""
    while (line := reader.readline()) not in [b"\r\n", b""]:
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-key":
            key = value.strip()
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    stream.sendall(head + accept + b"\r\n\r\n")
    try:
        while echo(reader, stream):
            pass
    except Failed as failed:
        send(stream, CLOSE, failed.args[0].to_bytes(2, "big"))
    stream.shutdown(socket.SHUT_WR)
    reader.read()


def echo(reader, stream):
    """Echoes one message; false after a Close frame."""
    message, kind, decoder = b"", None, codecs.getincrementaldecoder("utf-8")()
    while True:
        first, second = reader.read(2)
        fin, opcode = first & 0x80, first & 0x0F
        if first & 0x70 and FAULT != "rsv":
            raise Failed(1002)
        length = second & 0x7F
        if opcode in [CLOSE, PING, PONG]:
            if length > 125 or not fin:
                raise Failed(1002)
        elif opcode > 2 or (kind is None) == (opcode == CONTINUATION):
            raise Failed(1002)
        else:
            kind = opcode if kind is None else kind

        payload = b""
        for part in parts(reader, length):
            payload += part
            if opcode in [CONTINUATION, TEXT] and kind == TEXT and FAULT not in ["utf8", "late"]:
                decode(decoder, part)
        if opcode == CLOSE:
            send(stream, CLOSE, payload[:2])
            return False
        if opcode == PING:
            send(stream, PONG, b"" if FAULT == "pong" else payload)
        if opcode in [CLOSE, PING, PONG]:
            continue
        message += payload
        if fin:
            if kind == TEXT and FAULT != "utf8":
                decode(decoder, message if FAULT == "late" else b"", final=True)
            send(stream, kind, message)
            return True


def parts(reader, length):
    """The payload of a frame, as it comes, unmasked."""
    if length >= 126:
        length = int.from_bytes(reader.read(2 if length == 126 else 8), "big")
    mask, at = reader.read(4), 0
    while at < length:
        part = reader.read1(length - at)
        if not part:
            raise ConnectionError("the frame is cut off")
        yield bytes(byte ^ mask[(at + i) % 4] for i, byte in enumerate(part))
        at += len(part)


def decode(decoder, data, final=False):
    try:
        decoder.decode(data, final)
    except UnicodeDecodeError:
        raise Failed(1007) from None


def send(stream, opcode, payload):
    length = len(payload)
    if length < 126:
        head = bytes([0x80 | opcode, length])
    elif length < 1 << 16:
        head = bytes([0x80 | opcode, 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 127]) + length.to_bytes(8, "big")
    stream.sendall(head + payload)


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening on ws://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    connections = 0
    while connections < 2 or FAULT != "gone":
        stream, _ = listener.accept()
        connections += 1
        with stream:
            try:
                serve(stream)
            except (OSError, ValueError) as error:
                print(error, file=sys.stderr)


main()
