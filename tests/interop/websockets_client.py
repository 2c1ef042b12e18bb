"""The cases of Python's `websockets` as a client. Keep in step with ws_client.mjs."""

import sys

from websockets.exceptions import InvalidStatus
from websockets_common import BYTES, TEXT, closed_by_the_server, exchange, exchange_at_once, open_to, run

PLAIN, SMALL = sys.argv[1:]


async def echoes(url, *messages, **options):
    async with open_to(url, **options) as ws:
        await exchange(ws, *messages)


async def text():
    await echoes(PLAIN, "Hello", TEXT, "\0")


async def binary():
    await echoes(PLAIN + "/any/path?and=query", b"\0", BYTES)


async def empty_messages():
    await echoes(PLAIN, "", b"")


async def lengths():
    for n in [125, 126, 127, 65535, 65536, 65537]:
        await echoes(PLAIN, "x" * n, b"x" * n)


async def sixteen_mib():
    await echoes(PLAIN, b"x" * (16 << 20))


async def without_deflate():
    await echoes(PLAIN, "Hello", compression=None)


async def fragments():
    async with open_to(PLAIN) as ws:
        await ws.send(["Hel", "", "lo, ", "world"])
        assert await ws.recv() == "Hello, world"
        await ws.send([BYTES, b"", BYTES, b"x"])
        assert await ws.recv() == BYTES * 2 + b"x"


async def fragments_inside_characters():
    async with open_to(PLAIN) as ws:
        await ws.send([bytes([byte]) for byte in TEXT.encode()], text=True)
        assert await ws.recv() == TEXT


async def fragments_from_the_server():
    await echoes(SMALL, TEXT * 1000, BYTES, BYTES[:1000], BYTES[:1001])


async def ping():
    async with open_to(PLAIN) as ws:
        for payload in [b"", b"are you there?", b"x" * 125]:
            await (await ws.ping(payload))


async def ping_between_fragments():
    async with open_to(PLAIN) as ws:

        async def parts():
            yield "one, "
            await (await ws.ping(b"between"))
            yield "two"

        await ws.send(parts())
        assert await ws.recv() == "one, two"


async def many_at_once():
    messages = [str(i) * (i % 70) for i in range(1000)]
    async with open_to(PLAIN) as ws:
        await exchange_at_once(ws, messages)


async def subprotocol():
    async with open_to(PLAIN, subprotocols=["soap", "superchat", "chat"]) as ws:
        assert ws.subprotocol == "superchat"


async def no_common_subprotocol():
    async with open_to(PLAIN, subprotocols=["soap"]) as ws:
        assert ws.subprotocol is None


async def closes(code, reason):
    ws = await open_to(PLAIN)
    await ws.close(code, reason)
    assert (ws.close_code, ws.close_reason) == (code, reason), f"{ws.close_code} {ws.close_reason}"
    assert not ws.protocol.close_rcvd_then_sent


async def close_normally():
    await closes(1000, "")


async def close_with_a_reason():
    await closes(1001, TEXT)
    await closes(4999, "x" * 123)


async def close_without_a_code():
    ws = await open_to(PLAIN)
    ws.protocol.send_close()
    ws.transport.write(b"".join(ws.protocol.data_to_send()))
    await ws.wait_closed()
    assert ws.close_code == 1005, ws.close_code


async def closed_for(code, url, message, **options):
    async with open_to(url) as ws:
        await ws.send(message, **options)
        await closed_by_the_server(ws, code)


async def too_large_a_message():
    await closed_for(1009, SMALL, b"x" * 70_001)


async def too_large_in_fragments():
    await closed_for(1009, SMALL, [b"x" * 70_000, b"x"])


async def invalid_utf8():
    await closed_for(1007, PLAIN, b"Hello \xff", text=True)


async def rejected_upgrade():
    try:
        async with open_to(PLAIN, additional_headers={"Host": "twice.example"}):
            raise AssertionError("it was accepted")
    except InvalidStatus as refused:
        assert refused.response.status_code == 400, refused.response


CASES = [
    text,
    binary,
    empty_messages,
    lengths,
    sixteen_mib,
    without_deflate,
    fragments,
    fragments_inside_characters,
    fragments_from_the_server,
    ping,
    ping_between_fragments,
    many_at_once,
    subprotocol,
    no_common_subprotocol,
    close_normally,
    close_with_a_reason,
    close_without_a_code,
    too_large_a_message,
    too_large_in_fragments,
    invalid_utf8,
    rejected_upgrade,
]


run(CASES)
