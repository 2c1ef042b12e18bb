"""Whether `run.py` fails when it should: a server with a fault has to fail the cases about it, and no other."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import cases

HERE = Path(__file__).resolve().parent
PATTERNS = ["2.*", "3.*", "6.3.*", "6.4.*"]
# What is wrong, the cases to try, and those of them that fail, some of them in this way.
FAULTS = [
    ("none", PATTERNS, [], None),
    ("none", ["12.1.1"], ["12.1.1"], "UNIMPLEMENTED"),
    ("utf8", PATTERNS, ["6.3.*", "6.4.*"], "FAILED"),
    ("late", PATTERNS, ["6.4.*"], "NON-STRICT"),
    ("rsv", PATTERNS, ["3.[1-6]"], "FAILED"),
    ("pong", PATTERNS, ["2.[23469]", "2.1?"], "FAILED"),
    ("gone", ["2.[1-4]"], ["2.[34]"], "MISSING"),
]


def check(target):
    """One verdict for each fault."""
    return [check_fault(target, *fault) for fault in FAULTS]


def check_fault(target, fault, tried, to_fail, behavior):
    server = shlex.join([sys.executable, str(HERE / "broken_server.py"), fault])
    command = [sys.executable, HERE / "run.py", "server", "--server", server, "--target", target]
    command += [f"--cases={pattern}" for pattern in tried]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    failed = dict(re.findall(r"^FAIL  \S+  (\S+): ([^,]+),", run.stdout, re.MULTILINE))
    expected = set(cases.select(to_fail)) & set(cases.select(tried))
    is_right = failed.keys() == expected and run.returncode == bool(expected)
    is_right = is_right and (behavior is None or behavior in failed.values())
    verdict = "ok  " if is_right else "FAIL"
    print(f"{verdict}  {fault}: exit code {run.returncode}, failed {failed or 'nothing'}", flush=True)
    return is_right
