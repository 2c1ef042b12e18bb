"""Runs the suite against our examples, as `run.sh` says, and judges the reports."""

import argparse
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import broken
import cases
import judge

HERE = Path(__file__).resolve().parent
FRONT_ENDS = ["blocking", "tokio", "futures"]
WSTEST = shlex.split(os.environ["WSTEST"])
TESTEES = {"server": ("echo_server", "--addr", "127.0.0.1:0"), "client": ("autobahn_client",)}
AGENT = "sansocket"
# For a run of some hundred cases, in seconds: what hangs fails.
PATIENCE = 3600
# How many of a run's failures are worth reading.
SHOWN = 50


@dataclass(frozen=True)
class Run:
    """One run of the suite, with a report of its own: the compressed cases, or the others."""

    role: str
    name: str
    command: tuple
    deflate: bool
    cases: tuple

    def __str__(self):
        return f"{self.role}-{self.name}{'-deflate' if self.deflate else ''}"

    def start(self, reports):
        """The results, and how many seconds it took."""
        directory = reports / str(self)
        began = time.monotonic()
        judge_testee = {"server": judge_server, "client": judge_client}[self.role]
        try:
            judge_testee(self.command, directory, self.cases)
        except subprocess.TimeoutExpired as hung:
            print(f"{self}: {hung}", flush=True)
        seconds = time.monotonic() - began
        results = judge.read(directory, AGENT, self.cases)
        count = sum(result.passed for result in results)
        print(f"{self}: {count} of {len(results)} passed, {seconds:.0f} s", flush=True)
        failed = [result for result in results if not result.passed]
        for result in failed[:SHOWN]:
            print(f"FAIL  {self}  {result}", flush=True)
        if failed[SHOWN:]:
            print(f"FAIL  {self}  and {len(failed) - SHOWN} more", flush=True)
        return results, seconds


def judge_server(command, directory, wanted):
    """Lets the suite's client loose on a server, which says `listening on URL` first."""
    spec = make_spec("fuzzingclient", directory, wanted)
    with open(directory / "testee.log", "w") as log, spawned(command, stdout=subprocess.PIPE, stderr=log) as server:
        line = server.stdout.readline()
        if not line.startswith("listening on "):
            raise SystemExit(f"{command[0]} did not start: see {log.name}")
        spec["servers"] = [{"agent": AGENT, "url": line.split()[-1]}]
        with suite("fuzzingclient", directory, spec) as client:
            client.wait(PATIENCE)


def judge_client(command, directory, wanted):
    """Lets a client loose on the suite's server. The report is written before the client ends."""
    spec = make_spec("fuzzingserver", directory, wanted)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    spec["url"] = f"ws://127.0.0.1:{port}"
    with suite("fuzzingserver", directory, spec) as server:
        wait_for(port, server)
        with open(directory / "testee.log", "w") as log:
            subprocess.run([*command, "--agent", AGENT, spec["url"]], stdout=log, stderr=log, timeout=PATIENCE)


def make_spec(mode, directory, wanted):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    spec = json.loads((HERE / f"{mode}.json").read_text())
    return spec | {"outdir": str(directory), "cases": list(wanted)}


@contextmanager
def suite(mode, directory, spec):
    """A mode of the suite, until the end of the block."""
    file = directory / "spec.json"
    file.write_text(json.dumps(spec, indent=4))
    with open(directory / "suite.log", "w") as log:
        with spawned([*WSTEST, "--mode", mode, "--spec", file, "--webport", "0"], stdout=log, stderr=log) as process:
            yield process


@contextmanager
def spawned(command, **to):
    process = subprocess.Popen(command, text=True, **to)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_for(port, server):
    """Waits until somebody listens on the port."""
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit("the fuzzing server did not start: see its suite.log")


def runs(args):
    """Every role with every front end. The compressed cases take longest, and come first."""
    wanted = cases.select(args.cases or ["*"])
    examples = args.target / "release" / "examples"
    for deflate in [True, False]:
        part = tuple(case for case in wanted if cases.compressed(case) == deflate)
        flags = ["--deflate"] if deflate else []
        if part and args.server:
            yield Run("server", "other", tuple(shlex.split(args.server)), deflate, part)
        elif part:
            for role in ["server", "client"] if args.what == "all" else [args.what]:
                for name in args.front_end or FRONT_ENDS:
                    command = (*TESTEES[role], "--front-end", name, *flags)
                    yield Run(role, name, (examples / command[0], *command[1:]), deflate, part)


def matrix(args):
    """One verdict for each case of each run."""
    planned = list(runs(args))
    with ThreadPoolExecutor(args.jobs) as pool:
        done = list(pool.map(lambda run: run.start(args.target / "autobahn"), planned))

    rows = {}
    for run, (results, seconds) in zip(planned, done):
        so_far, before = rows.get((run.role, run.name), ([], 0))
        rows[run.role, run.name] = (so_far + results, before + seconds)
    print("\n" + judge.table([(", ".join(key), *row) for key, row in rows.items()]) + "\n")
    return [result.passed for results, _ in done for result in results]


def main():
    parser = argparse.ArgumentParser(prog="autobahn/run.sh", description="Lets Autobahn's test suite judge us.")
    parser.add_argument("what", nargs="?", default="all", choices=["server", "client", "all", "broken"])
    parser.add_argument("--front-end", action="append", choices=FRONT_ENDS, help="[default: every one]")
    parser.add_argument("--cases", action="append", metavar="PATTERN", help="such as '6.*' [default: every one]")
    parser.add_argument("--server", metavar="COMMAND", help="judge another server, which says where it is listening")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many runs at once")
    parser.add_argument("--target", type=Path, required=True, help=argparse.SUPPRESS)
    args = parser.parse_args()

    passed = broken.check(args.target) if args.what == "broken" else matrix(args)
    print(f"{passed.count(True)} passed, {passed.count(False)} failed")
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
