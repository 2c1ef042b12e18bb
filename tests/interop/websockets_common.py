"""What the clients that are Python's `websockets` have in common."""

import asyncio

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

TEXT = "κόσμε, € 😀"
BYTES = bytes(range(256)) * 40


class Counting(ClientConnection):
    """Counts what it receives: `bytes_received`."""

    bytes_received = 0

    def data_received(self, data):
        self.bytes_received += len(data)
        super().data_received(data)


def open_to(url, **options):
    return connect(url, proxy=None, max_size=None, ping_interval=None, create_connection=Counting, **options)


async def exchange(ws, *messages):
    """Sends each message when the one before has come back."""
    for message in messages:
        await ws.send(message)
        answer = await ws.recv()
        assert answer == message, f"{len(message)} came back as {len(answer)}"


async def exchange_at_once(ws, texts):
    """Sends all of them before any has come back."""
    sending = asyncio.gather(*map(ws.send, texts))
    for text in texts:
        assert await ws.recv() == text
    await sending


async def closed_by_the_server(ws, code):
    """The server closes first, and says why."""
    try:
        raise AssertionError(f"{len(await ws.recv())} came back")
    except ConnectionClosed as closed:
        assert closed.rcvd_then_sent is True
        assert closed.rcvd.code == code and closed.rcvd.reason, closed.rcvd


def run(cases):
    asyncio.run(run_each(cases))


async def run_each(cases):
    for case in cases:
        name = case.__name__.replace("_", " ")
        try:
            await asyncio.wait_for(case(), 20)
            print(f"ok {name}", flush=True)
        except Exception as error:
            print(f"FAIL {name}: {error!r}", flush=True)
