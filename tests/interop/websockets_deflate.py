"""The cases of Python's `websockets` as a client that compresses. Keep in step with ws_deflate.mjs."""

import json
import os
import sys
from contextlib import asynccontextmanager

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets_common import BYTES, TEXT, closed_by_the_server, exchange, exchange_at_once, open_to, run

PLAIN, DEFLATE, SMALL = sys.argv[1:]
MIB = 1 << 20

RANDOM = os.urandom(MIB)
# For each window, what repeats itself just beyond it: whoever looks too far back is found out, where a message begins
# or an inflater's buffer is full.
BEYOND = []
for bits in range(8, 16):
    period = 5 << bits - 2
    BEYOND += [os.urandom(period) * max(2, 20_000 // period)] * 2
SHARED = os.urandom(150).hex()
SIMILAR = [json.dumps({"number": number, "SHARED": SHARED}) for number in range(200)]


@asynccontextmanager
async def agree(url=DEFLATE, **parameters):
    """Offers the extension with these parameters; the server has to agree on just these."""
    offer = ClientPerMessageDeflateFactory(**parameters)
    async with open_to(url, compression=None, extensions=[offer]) as ws:
        expected = ["permessage-deflate"]
        for name, value in parameters.items():
            if value is not None:
                expected.append(name if value is True else f"{name}={value}")
        agreed = ws.response.headers.get("Sec-WebSocket-Extensions", "")
        assert sorted(agreed.split("; ")) == sorted(expected), agreed
        yield ws


async def echoes(*messages, url=DEFLATE):
    async with agree(url) as ws:
        await exchange(ws, *messages)


async def talk(ws):
    """The messages that show whether both sides keep to the parameters."""
    await exchange(ws, "", "Hello", TEXT, "", "Hello", b"", BYTES, *BEYOND, RANDOM[:70_000])
    await exchange_at_once(ws, SIMILAR)
    await ws.send(["", "Hel", "", "lo", ""])
    assert await ws.recv() == "Hello"
    await exchange(ws, "Hello")


async def keeps_to(*offers):
    for parameters in offers:
        try:
            async with agree(**parameters) as ws:
                await talk(ws)
        except Exception as error:
            raise AssertionError(f"{parameters}: {error!r}") from error


async def received(ws, *messages):
    """How many bytes come back."""
    before = ws.bytes_received
    await exchange(ws, *messages)
    return ws.bytes_received - before


async def closed_for(code, url, message, **options):
    async with agree(url) as ws:
        await ws.send(message, **options)
        await closed_by_the_server(ws, code)


async def agreed_on():
    async with agree():
        pass


async def declined():
    async with open_to(PLAIN, compression="deflate") as ws:
        assert "Sec-WebSocket-Extensions" not in ws.response.headers
        await exchange(ws, "Hello")


async def not_offered():
    async with open_to(DEFLATE, compression=None) as ws:
        assert "Sec-WebSocket-Extensions" not in ws.response.headers
        await exchange(ws, "Hello", "Hello")


async def text():
    await echoes("Hello", TEXT, "\0", "Hello", TEXT * 1000)


async def binary():
    await echoes(b"\0", BYTES, BYTES)


async def empty_messages():
    await echoes("", "", b"", "Hello", "", "Hello")


async def lengths():
    lengths = [*range(110, 130), *range(65520, 65540)]
    await echoes(*(RANDOM[:n] for n in lengths), *("x" * n for n in lengths))


async def sixteen_mib():
    await echoes(b"x" * (16 * MIB))


async def random_data():
    await echoes(RANDOM, "Hello", RANDOM)


async def it_saves_bytes():
    async with agree() as ws:
        count = await received(ws, TEXT * 100_000, b"x" * MIB)
        assert count < 100_000, f"{count} bytes"


async def similar_messages_save_bytes():
    async with agree() as ws:
        count = await received(ws, *SIMILAR)
        assert count < 64 * len(SIMILAR), f"{count} bytes"


async def many_at_once():
    async with agree() as ws:
        await exchange_at_once(ws, [str(i) * (i % 70) for i in range(1000)])


async def fragments():
    async with agree() as ws:
        await ws.send(["Hel", "", "lo, ", "world"])
        assert await ws.recv() == "Hello, world"
        await ws.send([b"", BYTES, RANDOM, BYTES, b""])
        assert await ws.recv() == BYTES + RANDOM + BYTES


async def fragments_inside_characters():
    async with agree() as ws:
        await ws.send([bytes([byte]) for byte in TEXT.encode()], text=True)
        assert await ws.recv() == TEXT


async def fragments_from_the_server():
    await echoes(TEXT * 1000, RANDOM[:60_000], RANDOM[:1000], SHARED, url=SMALL)


async def ping_between_fragments():
    async with agree() as ws:

        async def parts():
            yield "one, "
            await (await ws.ping(b"between"))
            yield "two"

        await ws.send(parts())
        assert await ws.recv() == "one, two"


async def some_messages_are_not_compressed():
    async with agree() as ws:
        for compress in [True, False, True, False, True]:
            if compress:
                await ws.send(SHARED)
            else:
                extensions, ws.protocol.extensions = ws.protocol.extensions, []
                ws.protocol.send_text(SHARED.encode())
                ws.protocol.extensions = extensions
                ws.transport.write(b"".join(ws.protocol.data_to_send()))
            assert await ws.recv() == SHARED


async def no_context_takeover():
    server, client = {"server_no_context_takeover": True}, {"client_no_context_takeover": True}
    await keeps_to(server, client, server | client)


async def windows_of_the_server():
    await keeps_to(*({"server_max_window_bits": bits} for bits in range(8, 16)))


async def windows_of_the_client():
    # `websockets` does not offer 8 bits for itself.
    await keeps_to(*({"client_max_window_bits": bits} for bits in [None, *range(9, 16)]))


async def all_parameters():
    neither = {"server_no_context_takeover": True, "client_no_context_takeover": True}
    await keeps_to({**neither, "server_max_window_bits": 9, "client_max_window_bits": 9})


async def as_large_as_may_be():
    await echoes(bytes(70_000), url=SMALL)


async def too_large_a_message():
    await closed_for(1009, SMALL, bytes(70_001))


async def too_large_in_fragments():
    await closed_for(1009, SMALL, [bytes(70_000), b"\0"])


async def far_too_large_a_message():
    await closed_for(1009, SMALL, bytes(16 * MIB))


async def invalid_utf8():
    await closed_for(1007, DEFLATE, b"Hello \xff", text=True)


async def invalid_data():
    async with agree() as ws:
        # A DEFLATE block of the type 3.
        ws.transport.write(b"\xc1\x81\0\0\0\0\x07")
        await closed_by_the_server(ws, 1007)


async def compressed_but_not_agreed_on():
    async with open_to(DEFLATE, compression=None) as ws:
        ws.transport.write(b"\xc1\x81\0\0\0\0\0")
        await closed_by_the_server(ws, 1002)


run(
    [
        agreed_on,
        declined,
        not_offered,
        text,
        binary,
        empty_messages,
        lengths,
        sixteen_mib,
        random_data,
        it_saves_bytes,
        similar_messages_save_bytes,
        many_at_once,
        fragments,
        fragments_inside_characters,
        fragments_from_the_server,
        ping_between_fragments,
        some_messages_are_not_compressed,
        no_context_takeover,
        windows_of_the_server,
        windows_of_the_client,
        all_parameters,
        as_large_as_may_be,
        too_large_a_message,
        too_large_in_fragments,
        far_too_large_a_message,
        invalid_utf8,
        invalid_data,
        compressed_but_not_agreed_on,
    ]
)
