"""Takes the samples: the server has one CPU, the generator another. Each sample says by how much other work
disturbed it; a disturbed one is taken again."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time

SERVER_CPU, LOAD_CPU = "0", "1"
# Disturbance, in CPUs, up to which a sample is quiet.
QUIET = 0.1

# Name: what the generator does. "pipe" has 32 messages under way on each of 16 connections, "lat" one.
PATTERNS = {
    "pipe": {"connections": 16, "ahead": 32, "size": 64},
    "lat1": {"connections": 1, "size": 64},
    "lat64": {"connections": 64, "size": 64},
    "lat512": {"connections": 512, "size": 64},
    "pipe 1 KiB": {"connections": 16, "ahead": 32, "size": 1 << 10},
    "text 1 KiB": {"connections": 16, "ahead": 32, "size": 1 << 10, "kind": "text"},
    "1 MiB": {"connections": 2, "size": 1 << 20},
}
DEFLATE = {
    "lat64": {"connections": 64, "size": 1 << 10, "kind": "json"},
    "pipe": {"connections": 16, "ahead": 16, "size": 1 << 10, "kind": "json"},
}
# Where system calls are counted.
TRACED = ("pipe", "lat1", "lat64", "1 MiB")
# What system calls are for; whatever else there is, is "other".
CALLS = {
    "read": ("read", "readv", "recvfrom", "recvmsg"),
    "write": ("write", "writev", "sendto", "sendmsg"),
    "wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll"),
}
# What the generator offers.
OFFER = "permessage-deflate"

ports = itertools.count(21_000 + os.getpid() % 5000)


def all_tables(found, options):
    for table in filter(TABLES.get, options.tables):
        # By turns, so that what changes with time changes all rows.
        for number in range(options.rounds if table not in ONCE else 1):
            for row in found:
                if row.patterns and table != "echo":
                    continue
                for sample in TABLES[table](row, options):
                    yield {"table": table, "row": row.name, "round": number, **sample}
                    if "error" in sample:
                        print(f"{table}, {row.name}: {sample['error']}", file=sys.stderr)
            print(f"{table}: round {number + 1} is done", file=sys.stderr, flush=True)


def echo(row, options):
    with Server(row) as server:
        for name in options.patterns or PATTERNS:
            if not has(row, name):
                continue
            yield {"column": name, **server.quiet("echo", options, seconds=options.seconds, **PATTERNS[name])}


def has(row, name):
    """One message at a time is no burst."""
    return not (row.batch and name.startswith("lat")) and (not row.patterns or name in row.patterns)


def syscalls(row, options):
    if not shutil.which("strace"):
        print(f"skipped: syscalls of {row.name} (there is no strace)", file=sys.stderr)
        return
    for name in TRACED:
        if has(row, name) and name in (options.patterns or TRACED):
            # Not the same server twice: it has been stopped at every call.
            with Server(row) as server:
                sample = server.load("syscalls", options, seconds=options.seconds, **PATTERNS[name])
            yield {"column": name, **sample, **a_message(sample)}


def a_message(sample):
    """Calls a message, by what they are for."""
    if "error" in sample:
        return {}
    counts, messages = dict(sample["calls"]), sample["messages"]
    each = {"all": sum(counts.values()) / messages}
    for purpose, names in CALLS.items():
        each[purpose] = sum(counts.pop(name, 0) for name in names) / messages
    return {**each, "other": sum(counts.values()) / messages}


def deflate(row, options):
    for setting, flags in row.deflate.items():
        with Server(row, flags) as server:
            for name, pattern in DEFLATE.items():
                sample = server.quiet("echo", options, seconds=options.seconds, deflate=OFFER, **pattern)
                yield {"column": name, "setting": setting, **sample}


def handshake(row, options):
    if not row.batch:
        with Server(row) as server:
            server.load("handshake", options, connections=32, count=options.handshakes // 10)
            yield server.quiet("handshake", options, connections=32, count=options.handshakes)


def memory(row, options):
    if not row.batch:
        for setting, flags in {None: [], **row.deflate}.items():
            with Server(row, flags) as server:
                offer = {} if setting is None else {"deflate": OFFER}
                sample = server.load("idle", options, connections=options.idle, size=1 << 10, **offer)
                # A floor sends back even that.
                if row.name.startswith("floor"):
                    sample.pop("begun", None)
                yield {"setting": setting, **sample}


def codec(row, _):
    yield from in_memory(row, "decode", "encode")


def mask(row, _):
    yield from in_memory(row, "mask")


def allocations(row, _):
    yield from in_memory(row, "allocations")


def in_memory(row, *tests):
    for test in tests if row.codec else ():
        wait_until_quiet()
        run = pinned(SERVER_CPU, [row.codec, test])
        done = subprocess.run(run, capture_output=True, text=True)
        if done.returncode != 0:
            yield {"error": f"{test}: {done.stderr.strip()[-300:]}"}
        for line in done.stdout.splitlines():
            yield json.loads(line)


TABLES = {
    "echo": echo,
    "syscalls": syscalls,
    "deflate": deflate,
    "handshake": handshake,
    "memory": memory,
    "codec": codec,
    "mask": mask,
    "allocations": allocations,
}
# These do not change from one time to the next.
ONCE = {"syscalls", "memory", "allocations"}


class Server:
    """A row's server while it is measured."""

    def __init__(self, row, flags=()):
        self.port = next(ports)
        command = pinned(SERVER_CPU, [*row.serve, "--port", str(self.port), *flags])
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        # taskset and the server are one process; it listens when it can.
        for _ in range(250):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def load(self, command, options, **arguments):
        """One sample."""
        flags = {"port": self.port, "pid": self.process.pid, **arguments}
        flags = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
        run = pinned(LOAD_CPU, [options.load, command, *flags])
        try:
            done = subprocess.run(run, capture_output=True, text=True, timeout=180)
            return json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return {"error": "no end after three minutes"}
        except ValueError:
            return {"error": done.stderr.strip()[-300:] or "no answer"}

    def quiet(self, command, options, **arguments):
        return quietest(options, lambda: self.load(command, options, **arguments))


def quietest(options, take):
    """Of some samples: the first that is quiet."""
    samples = []
    for _ in range(options.tries):
        samples.append(take())
        if samples[-1].get("disturbance", 0) <= QUIET:
            break
        wait_until_quiet()
    return min(samples, key=lambda sample: sample.get("disturbance", 0))


def wait_until_quiet():
    """A few seconds at most."""
    for _ in range(8):
        before = busy()
        time.sleep(0.25)
        if busy() - before <= 4:
            return


def busy():
    """Ticks, of a hundredth of a second, in which some CPU was busy or stolen."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, stolen, *_ = map(int, stat.readline().split()[1:])
    return user + nice + system + irq + softirq + stolen


def pinned(cpu, command):
    return ["taskset", "--cpu-list", cpu, *command]
