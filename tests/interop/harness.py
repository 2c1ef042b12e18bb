"""Processes, ours and peers', and the verdict on each case."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

EXAMPLES = sys.argv[1]
PYTHON = [sys.executable]
NODE = ["node"]
# For what should take a second: a slow machine passes, and what hangs fails.
PATIENCE = 60
# What ours say about a stream that ends without a Close frame; with the front end for futures-io TLS says it first.
LOST = ("connection was lost", "without sending TLS close_notify")

results = []


def report(variant, peers, case, why=None):
    results.append(why is None)
    verdict = "ok  " if why is None else "FAIL"
    print(f"{verdict}  {variant!s:<12}  {peers:<33}  {case}{'' if why is None else ': ' + why}", flush=True)


@dataclass(frozen=True)
class Variant:
    """Which front end of ours, and whether with TLS."""

    front_end: str
    is_secure: bool

    def __str__(self):
        return f"{self.front_end} {'wss' if self.is_secure else 'ws'}"


VARIANTS = [Variant(front_end, is_secure) for is_secure in [False, True] for front_end in ["blocking", "tokio", "futures"]]
PLAIN, SECURE = VARIANTS[:3], VARIANTS[3:]


class Server:
    """A server process, ours or a peer, from the line in which it says where it listens."""

    def __init__(self, *command):
        self.complaints = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.complaints, text=True)
        self.url = None
        while self.url is None:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"{command} did not start")
            if line.startswith("listening"):
                self.url = line.split()[-1]

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

    def seconds(self):
        """How long it has computed (not waited). Zero where there is no /proc."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as stat:
                user, system = stat.read().rpartition(")")[2].split()[11:13]
        except FileNotFoundError:
            return 0
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def echo_server(variant, certificates, *args):
    tls = ["--tls", "--cert", certificates("good.pem"), "--key", certificates("good.key")] if variant.is_secure else []
    command = [os.path.join(EXAMPLES, "echo_server"), "--addr", "127.0.0.1:0", "--front-end", variant.front_end]
    return Server(*command, *tls, *args)


def run_clients(variant, certificates, commands, *urls):
    """Peers that are clients, by name, against our server; they have to have the same cases."""
    trust = {"SSL_CERT_FILE": certificates("ca.pem"), "NODE_EXTRA_CA_CERTS": certificates("ca.pem")}
    cases = {}
    for name, command in commands.items():
        peers = f"echo_server <- {name}"
        args = [*command, *urls]
        try:
            client = subprocess.run(args, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, env=os.environ | trust)
        except subprocess.TimeoutExpired:
            report(variant, peers, "all of it", "did not end")
            continue
        cases[name] = set()
        for line in client.stdout.splitlines():
            verdict, _, rest = line.partition(" ")
            case, _, why = rest.partition(": ")
            cases[name].add(case)
            report(variant, peers, case, None if verdict == "ok" else why)
        if client.returncode != 0:
            report(variant, peers, "the peer itself", f"exit code {client.returncode}")
    if len(set(map(frozenset, cases.values()))) != 1 or not all(cases.values()):
        report(variant, "echo_server", "all clients have the same cases", str(cases))


# No proxy but those of a case.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@dataclass
class Ended:
    """A client of ours that has ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    def differs(self, stdout, stderr):
        """Why this is not what was expected, if so: something on stdout; and to fail saying one of some things, or not
        to fail."""
        if self.code != (0 if stderr is None else 1):
            return f"exit code {self.code}: {self.stderr.strip()}"
        if stdout not in self.stdout:
            return f"it printed {self.stdout!r}"
        if stderr is not None and not any(text in self.stderr for text in stderr):
            return f"it complained {self.stderr!r}"
        return None


def echo_client(variant, certificates, url, *args, trust="ca.pem", env={}):
    command = [os.path.join(EXAMPLES, "echo_client"), url, "--front-end", variant.front_end]
    if variant.is_secure and trust is not None:
        command += ["--tls", certificates(trust)]
    if "--timeout" not in args:
        command += ["--timeout", str(PATIENCE)]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        client = subprocess.Popen([*command, *args], stdout=stdout, stderr=stderr, env=ENVIRONMENT | env)
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
        said = []
        for file in stdout, stderr:
            file.seek(0)
            said.append(file.read().decode())
    return Ended(client.returncode, *said, usage.ru_utime + usage.ru_stime)


def sizes(*numbers):
    return [arg for n in numbers for arg in ("--binary", str(n))]


def texts(*contents):
    return [arg for text in contents for arg in ("--message", text)]


NORMAL = {"code": 1000, "reason": ""}


def run_against(variant, certificates, name, command, cases):
    """Our client against a peer that is a server. A case is a name, a path, arguments, what is on stdout, what is on
    stderr (then it fails), and what the server saw."""
    tls = [certificates("good.pem"), certificates("good.key")] if variant.is_secure else []
    with Server(*command, *tls) as server:
        for case, path, args, stdout, stderr, seen in cases:
            client = echo_client(variant, certificates, f"{server.url}/{path}", *args)
            record = server.record() if seen is not None else {}
            why = client.differs(stdout, stderr)
            if any(record.get(key) != value for key, value in (seen or {}).items()):
                why = why or f"the server saw {record}, not {seen}"
            report(variant, f"echo_client -> {name}", case, why)
