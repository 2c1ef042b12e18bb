"""Runs every case both ways, prints a line for each, and how many passed.

    echo_server  <-  websockets_client.py, ws_client.mjs      (they have the same cases)
    echo_client  ->  websockets_server.py, ws_server.mjs      (they have the same paths)
    echo_client  ->  blocking_server.py                       (writes before it reads)

each with every front end of ours, with TLS and without, and what deflate.py has, Chromium among it; then what TLS and
proxies have of their own.

A client peer gets URLs, prints "ok CASE" or "FAIL CASE: WHY" for each of its cases, and exits.
A server peer gets a certificate and a key, if it is to use TLS; it prints "listening URL", then a line of JSON for
each connection that has ended.
"""

import os
import socket
import sys
import tempfile
import time
from urllib.parse import urlsplit

import deflate
import proxies
import tls_endings
import tls_trust
from certificates import Certificates
from harness import (
    LOST,
    NODE,
    NORMAL,
    PATIENCE,
    PLAIN,
    PYTHON,
    VARIANTS,
    Server,
    echo_client,
    echo_server,
    report,
    results,
    run_against,
    run_clients,
    sizes,
    texts,
)

MIB = 1 << 20


def our_server(variant, certificates):
    """Our server and every client. One server process serves them all, the bad ones too."""
    protocols = ["--protocol", "chat", "--protocol", "superchat"]
    limits = ["--max-message", "70000", "--fragment-size", "1000"]
    with (
        echo_server(variant, certificates, *protocols) as plain,
        echo_server(variant, certificates, *limits) as small,
    ):
        for case, sent in BAD_PEERS:
            bad_peer(variant, plain.url, case, sent)
        clients = {"websockets": [*PYTHON, "websockets_client.py"], "ws": [*NODE, "ws_client.mjs"]}
        run_clients(variant, certificates, clients, plain.url, small.url)
        still_there = plain.process.poll() is None and small.process.poll() is None
        report(variant, "echo_server", "it is still there", None if still_there else "it is gone")


BAD_PEERS = [
    ("a peer that says nothing and leaves", b""),
    ("a peer that speaks no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ("a peer that leaves inside its request", b"GET / HTTP/1.1\r\nHost: a\r\nUpgr"),
    (
        "a peer that breaks the protocol at once",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\xff\xff\xff\xff",
    ),
]


def bad_peer(variant, url, case, sent):
    """Sends bytes, ends its side, and waits until the server has ended its own."""
    address = urlsplit(url)
    why = None
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass  # that is an end too
        except TimeoutError:
            why = "the server keeps the connection"
    report(variant, "echo_server <- bytes", case, why)


CLIENT_CASES = [
    ("nothing at all", "echo", [], "closed: 1000", None, NORMAL),
    ("text", "echo", texts("Hello", "κόσμε, € 😀", "\x01"), "closed: 1000", None, NORMAL),
    ("binary", "echo", sizes(1, 1000), "closed: 1000", None, NORMAL),
    ("empty messages", "echo", texts("") + sizes(0), "closed: 1000", None, NORMAL),
    ("lengths of 7, 16 and 64 bits, binary", "echo", sizes(125, 126, 127, 65535, 65536, 65537), "back came 65537 bytes", None, NORMAL),
    ("lengths of 7, 16 and 64 bits, text", "echo", texts(*("x" * n for n in (125, 126, 127, 65535, 65536, 65537))), "closed: 1000", None, NORMAL),
    ("16 MiB", "echo", sizes(16 * MIB), "back came 16777216 bytes", None, NORMAL),
    ("more than 16 MiB", "echo", sizes(17 * MIB), "back came 17825792 bytes", None, NORMAL),
    ("200 messages at once", "echo", texts(*map(str, range(200))), "closed: 1000", None, NORMAL),
    ("fragments from us", "echo", ["--fragment-size", "3", *texts("κόσμε, € 😀", "abc", "abcd"), *sizes(1000)], "closed: 1000", None, NORMAL),
    ("16 MiB in fragments from us", "echo", ["--fragment-size", "65536", *sizes(16 * MIB)], "closed: 1000", None, NORMAL),
    ("fragments from the server", "fragments", texts("κόσμε, € 😀", "") + sizes(3, 65536), "closed: 1000", None, NORMAL),
    ("pings from the server", "ping", texts("Hello") + sizes(1000), "closed: 1000", None, NORMAL | {"pongs": 4}),
    ("a greeting", "greeting", texts("Hello"), 'the server says the text "welcome"', None, NORMAL),
    ("a subprotocol", "echo", ["--protocol", "superchat", "--protocol", "chat", *texts("Hello")], "subprotocol: chat", None, NORMAL | {"subprotocol": "chat"}),
    ("no subprotocol in common", "echo", ["--protocol", "soap", *texts("Hello")], "subprotocol: none", None, NORMAL | {"subprotocol": None}),
    ("header fields and an origin", "echo", ["--header", "X-Color: dark blue", "--origin", "https://a.example"], "closed: 1000", None, NORMAL | {"color": "dark blue", "origin": "https://a.example"}),
    ("a subprotocol that was not asked for", "wrong-subprotocol", ["--protocol", "soap"], "", ("subprotocol",), None),
    ("a rejected upgrade", "refuse", texts("Hello"), "", ("403",), None),
    ("the server closes first", "close", texts("Hello"), "", ("4000 (enough)",), {"code": 4000, "reason": "enough"}),
    ("the server closes at once", "bye", texts("Hello"), "", ("1001 going away",), {"code": 1001, "reason": ""}),
    ("the server vanishes", "vanish", texts("Hello"), "", LOST, {"code": 1006, "reason": ""}),
    ("the server answers nothing", "silent", ["--timeout", "0.5", *texts("Hello")], "", ("the time is up",), {"code": 1006, "reason": ""}),
    ("invalid UTF-8 from the server", "invalid", texts("Hello"), "", ("not valid UTF-8",), {"code": 1007, "reason": "a text message is not valid UTF-8"}),
]


def blocking_cases(variant):
    seen = NORMAL | {"close_notify": variant.is_secure}
    return [
        ("16 MiB against 16 MiB", "", sizes(16 * MIB), "the server says 16777216 bytes", None, seen),
        ("many messages, written before more are read", "", texts("Hello") + sizes(*[100_000] * 100), "closed: 1000", None, seen),
    ]


def our_client(variant, certificates):
    """Every server and our client."""
    run_against(variant, certificates, "websockets", [*PYTHON, "websockets_server.py"], CLIENT_CASES)
    run_against(variant, certificates, "ws", [*NODE, "ws_server.mjs"], CLIENT_CASES)
    run_against(variant, certificates, "blocking", [*PYTHON, "blocking_server.py"], blocking_cases(variant))


def unix_socket(certificates):
    path = certificates("socket")
    with Server(*PYTHON, "websockets_server.py", "--unix", path) as server:
        for variant in PLAIN:
            client = echo_client(variant, certificates, f"{server.url}/echo", "--unix", path, *texts("Hello"))
            report(variant, "echo_client -> websockets", "a Unix socket", client.differs("closed: 1000", None))


def main():
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(directory)
        for variant in VARIANTS:
            our_server(variant, certificates)
            our_client(variant, certificates)
            deflate.run(variant, certificates)
        unix_socket(certificates)
        tls_trust.run(certificates)
        tls_endings.run(certificates)
        proxies.run(certificates)
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed, in {time.monotonic() - began:.0f} seconds")
    sys.exit(1 if failed else 0)


os.chdir(os.path.dirname(os.path.abspath(__file__)))
main()
