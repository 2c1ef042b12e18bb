"""Runs every case both ways, prints a line for each, and how many passed.

    echo_server  <-  websockets_client.py, ws_client.mjs      (they have the same cases)
    echo_client  ->  websockets_server.py, ws_server.mjs      (they have the same paths)
    echo_client  ->  blocking_server.py                       (writes before it reads)

A client peer gets URLs, prints "ok CASE" or "FAIL CASE: WHY" for each of its cases, and exits.
A server peer prints "listening URL", then a line of JSON for each connection that has ended.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from urllib.parse import urlsplit

EXAMPLES = sys.argv[1]
PYTHON = sys.executable
NODE = "node"
MIB = 1 << 20
# For what should take a second: a slow machine passes, and what hangs fails.
PATIENCE = 60

results = []


def report(peers, case, why=None):
    results.append(why is None)
    print(f"{'ok  ' if why is None else 'FAIL'}  {peers:<30}  {case}{'' if why is None else ': ' + why}", flush=True)


class Server:
    """A server process, ours or a peer, from the line in which it says where it listens."""

    def __init__(self, *command):
        self.complaints = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.complaints, text=True)
        *_, self.url = self.process.stdout.readline().split() or [None]
        if self.url is None:
            raise SystemExit(f"{command} did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if not all(results):
            self.complaints.seek(0)
            print(f"{' '.join(self.process.args)} said:\n{self.complaints.read()}", end="")

    def record(self):
        """What a peer has seen of the connection that ended last."""
        return json.loads(self.process.stdout.readline())


def echo_server(*args):
    return Server(os.path.join(EXAMPLES, "echo_server"), "--addr", "127.0.0.1:0", *args)


def our_server():
    """Our server and every client. One server process serves them all, the bad ones too."""
    protocols = ["--protocol", "chat", "--protocol", "superchat"]
    with echo_server(*protocols) as plain, echo_server("--max-message", "70000", "--fragment-size", "1000") as small:
        for case, sent in BAD_PEERS:
            bad_peer(plain.url, case, sent)
        cases = {}
        for name, command in [("websockets", [PYTHON, "websockets_client.py"]), ("ws", [NODE, "ws_client.mjs"])]:
            peers = f"echo_server <- {name}"
            try:
                client = subprocess.run(
                    [*command, plain.url, small.url], stdout=subprocess.PIPE, text=True, timeout=PATIENCE
                )
            except subprocess.TimeoutExpired:
                report(peers, "all of it", "did not end")
                continue
            cases[name] = set()
            for line in client.stdout.splitlines():
                verdict, _, rest = line.partition(" ")
                case, _, why = rest.partition(": ")
                cases[name].add(case)
                report(peers, case, None if verdict == "ok" else why)
            if client.returncode != 0:
                report(peers, "the peer itself", f"exit code {client.returncode}")
        if len(set(map(frozenset, cases.values()))) != 1 or not all(cases.values()):
            report("echo_server", "both clients have the same cases", str(cases))
        still_there = plain.process.poll() is None and small.process.poll() is None
        report("echo_server", "it is still there", None if still_there else "it is gone")


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


def bad_peer(url, case, sent):
    """Sends bytes, ends its side, and waits until the server has ended its own."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass  # that is an end too
        except TimeoutError:
            return report("echo_server <- bytes", case, "the server keeps the connection")
    report("echo_server <- bytes", case)


def sizes(*numbers):
    return [arg for n in numbers for arg in ("--binary", str(n))]


def texts(*contents):
    return [arg for text in contents for arg in ("--message", text)]


NORMAL = {"code": 1000, "reason": ""}
FAILS = 1
# case, path, arguments, what is on stdout, what is on stderr (then it fails), what the server saw
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
    ("a subprotocol that was not asked for", "wrong-subprotocol", ["--protocol", "soap"], "", "subprotocol", None),
    ("a rejected upgrade", "refuse", texts("Hello"), "", "403", None),
    ("the server closes first", "close", texts("Hello"), "", "4000 (enough)", {"code": 4000, "reason": "enough"}),
    ("the server closes at once", "bye", texts("Hello"), "", "1001 going away", {"code": 1001, "reason": ""}),
    ("the server vanishes", "vanish", texts("Hello"), "", "connection was lost", {"code": 1006, "reason": ""}),
    ("the server answers nothing", "silent", ["--timeout", "0.5", *texts("Hello")], "", "the time is up", {"code": 1006, "reason": ""}),
    ("invalid UTF-8 from the server", "invalid", texts("Hello"), "", "not valid UTF-8", {"code": 1007, "reason": "a text message is not valid UTF-8"}),
]
BLOCKING_CASES = [
    ("16 MiB against 16 MiB", "", sizes(16 * MIB), "the server says 16777216 bytes", None, NORMAL),
    ("many messages, written before more are read", "", texts("Hello") + sizes(*[100_000] * 100), "closed: 1000", None, NORMAL),
]


def our_client():
    """Every server and our client."""
    for name, command, cases in [
        ("websockets", [PYTHON, "websockets_server.py"], CLIENT_CASES),
        ("ws", [NODE, "ws_server.mjs"], CLIENT_CASES),
        ("blocking", [PYTHON, "blocking_server.py"], BLOCKING_CASES),
    ]:
        with Server(*command) as server:
            for case, *what in cases:
                report(f"echo_client -> {name}", case, client_case(server, *what))


def client_case(server, path, args, stdout, stderr, seen):
    """Why it failed, if it did."""
    if "--timeout" not in args:
        args = [*args, "--timeout", str(PATIENCE)]
    client = subprocess.run(
        [os.path.join(EXAMPLES, "echo_client"), f"{server.url}/{path}", *args], capture_output=True, text=True
    )
    record = server.record() if seen is not None else {}
    if client.returncode != (0 if stderr is None else FAILS):
        return f"exit code {client.returncode}: {client.stderr.strip()}"
    if stdout not in client.stdout:
        return f"it printed {client.stdout!r}"
    if (stderr or "") not in client.stderr:
        return f"it complained {client.stderr!r}"
    wrong = {key: record.get(key) for key, value in (seen or {}).items() if record.get(key) != value}
    if wrong:
        return f"the server saw {record}, not {seen}"
    return None


def main():
    our_server()
    our_client()
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


os.chdir(os.path.dirname(os.path.abspath(__file__)))
main()
