"""What permessage-deflate (RFC 7692) has of its own, both ways; and Chromium, if it is installed.

    echo_server --deflate  <-  websockets_deflate.py, ws_deflate.mjs    (they have the same cases)
    echo_server, both      <-  chromium_client.mjs
    echo_client --deflate  ->  websockets_server.py, ws_server.mjs      (the query has the server's parameters)
"""

import json
import os
import shutil

from harness import NODE, NORMAL, PYTHON, echo_server, report, run_against, run_clients, sizes, texts


def run(variant, certificates):
    our_server(variant, certificates)
    run_against(variant, certificates, "websockets deflate", [*PYTHON, "websockets_server.py"], CLIENT_CASES)
    run_against(variant, certificates, "ws deflate", [*NODE, "ws_server.mjs"], CLIENT_CASES)


def our_server(variant, certificates):
    protocols = ["--protocol", "chat", "--protocol", "superchat"]
    limits = ["--max-message", "70000", "--fragment-size", "1000"]
    with (
        echo_server(variant, certificates, *protocols) as plain,
        echo_server(variant, certificates, *limits) as small,
        echo_server(variant, certificates, "--deflate") as deflate,
        echo_server(variant, certificates, "--deflate", *limits) as small_deflate,
    ):
        clients = {
            "websockets deflate": [*PYTHON, "websockets_deflate.py"],
            "ws deflate": [*NODE, "ws_deflate.mjs"],
        }
        run_clients(variant, certificates, clients, plain.url, deflate.url, small_deflate.url)
        if shutil.which("chromium"):
            client = {"chromium": [*NODE, "chromium_client.mjs"]}
            run_clients(variant, certificates, client, plain.url, small.url, deflate.url, small_deflate.url)
        else:
            required = "SANSOCKET_INTEROP" in os.environ
            report(variant, "chromium", "skipped: it is not installed", "and it has to be" if required else None)
        servers = [plain, small, deflate, small_deflate]
        are_there = all(server.process.poll() is None for server in servers)
        report(variant, "echo_server", "they are still there", None if are_there else "one is gone")


TEXT = "κόσμε, € 😀"
SHARED = os.urandom(150).hex()
SIMILAR = texts(*(json.dumps({"number": number, "SHARED": SHARED}) for number in range(200)))
# For each window, what repeats itself just beyond it: whoever looks too far back is found out, where a message begins
# or an inflater's buffer is full.
BEYOND = []
for bits in range(8, 16):
    period = 5 << bits - 2
    BEYOND += texts(os.urandom(period // 2).hex() * max(2, 20_000 // period)) * 2
ALL_KINDS = texts("", "Hello", TEXT, "", "Hello", TEXT * 1000) + SIMILAR + BEYOND + sizes(0, 1, 1000, 70_000, 1 << 20)


def agreed(*parameters):
    """All kinds of messages, with the parameters that the server wants. It may limit our window because our client has
    offered `client_max_window_bits`."""
    name = ", ".join(parameters) or "no parameters"
    path = "&".join(["echo?deflate", *parameters])
    return name, path, ["--deflate", *ALL_KINDS], "closed: 1000", None, NORMAL | {"deflate": sorted(parameters)}


DEFLATED = {"deflate": []}
SAVES, COSTS = {"deflate": [], "saves_bytes": True}, {"deflate": None, "saves_bytes": False}
NEITHER = ["client_no_context_takeover", "server_no_context_takeover"]
# As for `run_against`.
CLIENT_CASES = [
    agreed(),
    agreed("server_no_context_takeover"),
    agreed("client_no_context_takeover"),
    agreed(*NEITHER),
    *(agreed(f"server_max_window_bits={bits}", f"client_max_window_bits={bits - 1}") for bits in range(9, 16)),
    agreed(*NEITHER, "server_max_window_bits=9", "client_max_window_bits=9"),
    ("not agreed on", "echo", ["--deflate", *SIMILAR], "closed: 1000", None, NORMAL | COSTS),
    ("not offered", "echo?deflate", SIMILAR, "closed: 1000", None, NORMAL | COSTS),
    ("it saves bytes", "echo?deflate", ["--deflate", *texts("x" * 100_000, TEXT * 1000)], "closed: 1000", None, NORMAL | SAVES),
    ("similar messages save bytes", "echo?deflate", ["--deflate", *SIMILAR], "closed: 1000", None, NORMAL | SAVES),
    ("fragments from us", "echo?deflate", ["--deflate", "--fragment-size", "3", *texts(TEXT, "", "abc"), *sizes(1000)], "closed: 1000", None, NORMAL | DEFLATED),
    ("1 MiB in fragments from us", "echo?deflate", ["--deflate", "--fragment-size", "65536", *sizes(1 << 20)], "closed: 1000", None, NORMAL | DEFLATED),
    ("fragments from the server", "fragments?deflate", ["--deflate", *texts(TEXT, ""), *sizes(3, 65536)], "closed: 1000", None, NORMAL | DEFLATED),
    ("pings from the server", "ping?deflate", ["--deflate", *texts("Hello"), *sizes(1000)], "closed: 1000", None, NORMAL | DEFLATED | {"pongs": 4}),
    ("the server closes first", "close?deflate", ["--deflate", *texts("Hello")], "", ("4000 (enough)",), DEFLATED | {"code": 4000, "reason": "enough"}),
    ("invalid UTF-8 from the server", "invalid?deflate", ["--deflate", *texts("Hello")], "", ("not valid UTF-8",), DEFLATED | {"code": 1007}),
    ("invalid data from the server", "invalid-deflate?deflate", ["--deflate", *texts("Hello")], "", ("",), DEFLATED | {"code": 1007}),
    ("compressed, but not agreed on", "invalid-deflate", ["--deflate", *texts("Hello")], "", ("",), {"deflate": None, "code": 1002}),
    ("too large a message from the server", "large?deflate", ["--deflate", *texts("Hello")], "", ("",), DEFLATED | {"code": 1009}),
]
