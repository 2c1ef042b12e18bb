"""Samples of many connections: what each costs, a storm of handshakes, and one message for all."""

import pathlib
import resource
import sys

import rows
from measure import Server, quietest

TABLES = ["scale", "broadcast"]
CONNECTIONS = [1000, 2000, 5000, 10_000, 20_000]
MEMBERS = [10, 100, 1000, 10_000]
# Bytes of a message that goes to all.
SIZES = [64, 1 << 10]
# Messages that one burst of requests leads to, at least: so that with few members the requests cost little.
BURST = 100
# How the server of `broadcast` says the same to all.
WAYS = {
    "sansocket-tokio, prepared": "prepared",
    "sansocket-tokio, str": "text",
    "floor-tokio, write_all": "write-all",
    "floor-tokio, try_write": "try-write",
}
# Descriptors of a process that are no connections.
OTHERS = 100


def all_tables(here, found, options):
    most = raise_limit() - OTHERS
    if "scale" in options.tables:
        counts = sorted({min(count, most) for count in CONNECTIONS[: 1 if options.short else None]})
        runs = [([], {"connections": count, "size": 64}) for count in counts]
        yield from turns("scale", [row for row in found if not row.batch], runs, options)
    if "broadcast" in options.tables:
        runs = [
            (["--size", str(size)], {"connections": members, "size": size, "ahead": max(1, BURST // members)})
            for size in SIZES
            for members in MEMBERS[: 3 if options.short else None]
        ]
        yield from turns("broadcast", ways(here, options), runs, options)


def turns(table, found, runs, options):
    """All rows for each number, so that what is compared is taken within seconds."""
    for number in range(options.rounds):
        for flags, run in runs:
            for row in found:
                sample = alone(row, flags, table, options, seconds=options.seconds, **run)
                column = f"{run['connections']:,}".replace(",", " ")
                yield {"table": table, "row": row.name, "round": number, "column": column, **run, **sample}
                if "error" in sample:
                    print(f"{table}, {row.name}, {column}: {sample['error']}", file=sys.stderr)
        print(f"{table}: round {number + 1} is done", file=sys.stderr, flush=True)


def alone(row, flags, command, options, **arguments):
    """A quiet sample, of a server of its own: memory that was used once stays, and members that are gone."""

    def take():
        with Server(row, flags) as server:
            return server.load(command, options, **arguments)

    return quietest(options, take)


def ways(here, options):
    """The rows of `broadcast`: one server, which can do it in several ways."""
    if not options.no_build:
        rows.build(here, "broadcast", required=True)
    program = str(pathlib.Path(options.load).with_name("broadcast"))
    return [rows.Row(name, [program, way], None, {}) for name, way in WAYS.items()]


def raise_limit():
    """As many descriptors as the system lets a process have; generator and servers inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
