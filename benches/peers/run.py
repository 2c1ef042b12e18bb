#!/usr/bin/env python3
"""Measures WebSocket implementations side by side: builds all, measures all, prints tables, draws a chart.

    ./run.py                                     everything, by rounds
    ./run.py --short                             a look, with noisy numbers
    ./run.py --rows sansocket-tokio,tungstenite --tables echo --rounds 5
    ./run.py --server uws=./uws-echo             one more server; it takes `--port N`, and `--deflate` if it can
    ./run.py --report results/results.json       the tables and the chart again

Results go to results/: results.json, tables.md, chart.svg. On Linux only, with two CPUs or more.
"""

import argparse
import datetime
import json
import pathlib
import platform
import subprocess

import chart
import measure
import report
import rows
import scale

HERE = pathlib.Path(__file__).resolve().parent


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.report:
        results = json.loads(options.report.read_text())
        results["about"]["fastest"] = options.fastest
    else:
        results = {"about": about(options), "samples": []}
        for sample in samples(options):
            results["samples"].append(sample)
            # After each, so that what is there survives an interruption.
            (options.out / "results.json").write_text(json.dumps(results, indent=1))
    tables = report.tables(results)
    print(tables)
    (options.out / "tables.md").write_text(tables)
    (options.out / "chart.svg").write_text(chart.draw(results))


def samples(options):
    found = rows.find(HERE, options)
    yield from measure.all_tables(found, options)
    yield from scale.all_tables(HERE, found, options)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*measure.TABLES, *scale.TABLES]
    parser.add_argument("--rows", type=lambda text: text.split(","), help="only these (all)")
    parser.add_argument("--tables", type=lambda text: text.split(","), default=names, help=", ".join(names))
    parser.add_argument("--patterns", type=lambda text: text.split(","), help=", ".join(measure.PATTERNS))
    parser.add_argument("--rounds", type=int, default=7, help="samples of each number, by turns (7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a sample (1)")
    parser.add_argument("--fastest", action="store_true", help="show it instead of the median of the samples")
    parser.add_argument("--tries", type=int, default=4, help="of a sample that something else disturbs (4)")
    parser.add_argument("--idle", type=int, default=10_000, help="connections that idle (10000)")
    parser.add_argument("--handshakes", type=int, default=6000, help="of a sample (6000)")
    parser.add_argument("--short", action="store_true", help="one round of short samples, 1000 idle connections")
    parser.add_argument("--no-build", action="store_true", help="measure what is built")
    parser.add_argument("--server", action="append", default=[], metavar="NAME=COMMAND", help="one more server")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "results", help="directory for the results")
    parser.add_argument("--report", type=pathlib.Path, help="measure nothing; show this file")
    options = parser.parse_args()
    unknown = set(options.tables) - set(names) | set(options.patterns or []) - set(measure.PATTERNS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if options.short:
        options.rounds, options.seconds, options.tries = 1, 0.2, 1
        options.idle, options.handshakes = 1000, 1000
    return options


def about(options):
    """What the numbers are the numbers of."""
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True)
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{len(cpu)} CPUs ({cpu[0] if cpu else platform.machine()}), Linux {platform.release()}",
        "rustc": rustc.stdout.split()[1],
        "rounds": options.rounds,
        "fastest": options.fastest,
        "seconds": options.seconds,
        "versions": rows.versions(HERE),
    }


if __name__ == "__main__":
    main()
