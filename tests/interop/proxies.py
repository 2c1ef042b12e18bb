"""Our clients through proxies that many run: tinyproxy (HTTP) and microsocks (SOCKS 5), if they are installed."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

from harness import PATIENCE, VARIANTS, echo_client, echo_server, report

USER, PASSWORD = "user", "secret"
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
LogLevel Warning
BasicAuth {user} {password}
"""


def tinyproxy(port, directory):
    file = os.path.join(directory, "tinyproxy.conf")
    with open(file, "w") as config:
        config.write(TINYPROXY.format(port=port, user=USER, password=PASSWORD))
    return ["tinyproxy", "-d", "-c", file]


def microsocks(port, directory):
    return ["microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD]


class Proxy:
    """A proxy process, from when it listens."""

    def __init__(self, command):
        self.directory = tempfile.TemporaryDirectory()
        # The port may be taken before the proxy takes it.
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self.port = listener.getsockname()[1]
            with open(os.path.join(self.directory.name, "log"), "w") as log:
                args = command(self.port, self.directory.name)
                self.process = subprocess.Popen(args, stdout=log, stderr=log)
            if self.listens():
                return
        raise SystemExit(f"{args} did not start")

    def listens(self):
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return True
            except ConnectionRefusedError:
                time.sleep(0.01)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


# The program, the scheme of its URL, what it says to wrong credentials and to none
PROXIES = [
    (tinyproxy, "http", ("the proxy refused: 401",), ("the proxy refused: 407",)),
    (microsocks, "socks5", ("the proxy refused the user name",), ("accepts none of our ways",)),
]


def run(certificates):
    for program, scheme, refused, unknown in PROXIES:
        name = program.__name__
        if shutil.which(name) is None:
            required = "SANSOCKET_INTEROP" in os.environ
            report("", name, "skipped: it is not installed", "and it has to be" if required else None)
            continue
        with Proxy(program) as proxy:
            at = f"127.0.0.1:{proxy.port}"
            good, wrong, none = f"{scheme}://{USER}:{PASSWORD}@{at}", f"{scheme}://{USER}:wrong@{at}", f"{scheme}://{at}"
            for variant in VARIANTS:
                with echo_server(variant, certificates) as server:
                    through(variant, certificates, server, name, good, wrong, none, refused, unknown)


def through(variant, certificates, server, name, good, wrong, none, refused, unknown):
    def case(what, args, complaint=None, host="127.0.0.1", **env):
        messages = ["--message", "hello", "--binary", "1000000"]
        url = server.url.replace("127.0.0.1", host)
        client = echo_client(variant, certificates, url, *messages, *args, env=env)
        why = client.differs("" if complaint else "closed: 1000", complaint)
        report(variant, f"echo_client -> {name}", what, why)

    own = "https_proxy" if variant.is_secure else "http_proxy"
    others = "http_proxy" if variant.is_secure else "https_proxy"
    case("by address", ["--proxy", good])
    case("by name", ["--proxy", good], host="localhost")
    case("wrong credentials", ["--proxy", wrong], refused)
    case("no credentials", ["--proxy", none], unknown)
    case(f"${own}", ["--proxy-from-env"], **{own: good})
    case(f"${own}, wrong credentials", ["--proxy-from-env"], refused, **{own: wrong})
    case("$all_proxy, wrong credentials", ["--proxy-from-env"], refused, all_proxy=wrong)
    case(f"${others} is not for this scheme", ["--proxy-from-env"], **{others: wrong})
    case("$no_proxy", ["--proxy-from-env"], all_proxy=wrong, no_proxy="127.0.0.0/8")
    case("variables without --proxy-from-env", [], all_proxy=wrong)
