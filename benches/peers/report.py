"""The samples as tables, in Markdown."""

import collections
import dataclasses
import statistics

from measure import CALLS, QUIET, TRACED


def tables(results):
    about, samples = results["about"], results["samples"]
    parts = [heading(about)]
    for table in TABLES:
        cells = collect(results, table)
        if cells:
            parts.append(f"### {table.title}\n\n{markdown(cells)}")
    parts.append(noise(samples))
    failed = sorted({f"- {s['row']}, {s['table']}: {s['error']}" for s in samples if "error" in s})
    if failed:
        parts.append("Not measured:\n\n" + "\n".join(failed))
    return "\n\n".join(parts) + "\n"


def heading(about):
    versions = ", ".join(f"{name} {version}" for name, version in sorted(about["versions"].items()))
    which = "fastest" if about.get("fastest") else "median"
    rounds = "one sample" if about["rounds"] == 1 else f"the {which} of {about['rounds']} samples"
    return (
        f"{about['date']}, {about['machine']}, rustc {about['rustc']}. Each number is {rounds} of "
        f"{about['seconds']:g} s. {versions}."
    )


@dataclasses.dataclass
class Table:
    title: str
    # The samples' table, and what else they have to be.
    source: str
    # {what a sample has: the column's title}; an empty title stands for the sample's own column.
    values: dict[str, str]
    only: dict[str, str] = dataclasses.field(default_factory=dict)


PURPOSES = {purpose: purpose for purpose in ("all", *CALLS, "other")}

TABLES = [
    Table("Echo: CPU of the server, ns a message", "echo", {"ns": ""}),
    Table("Echo: messages a second", "echo", {"rate": ""}),
    Table("Echo: half of the answers come within so many µs", "echo", {"p50_us": ""}),
    Table("Echo: 99 % of the answers come within so many µs", "echo", {"p99_us": ""}),
    Table("Echo: minor page faults of the server a message", "echo", {"faults": "1 MiB"}, {"column": "1 MiB"}),
    *(
        Table(f"Echo: system calls of the server a message, {pattern}", "syscalls", PURPOSES, {"column": pattern})
        for pattern in TRACED
    ),
    Table("Compressed, 1 KiB of JSON: CPU of the server, ns a message", "deflate", {"ns": ""}),
    Table("Compressed, 1 KiB of JSON: bytes of an answer", "deflate", {"received": ""}),
    Table("Handshake: connect, upgrade, close", "handshake", {"ns": "CPU of the server, ns", "rate": "a second"}),
    Table(
        "Memory: resident bytes a connection",
        "memory",
        {"opened": "once open", "used": "after 1 KiB each", "begun": "after one byte of a header"},
    ),
    Table("Scale: CPU of the server, ns a message of 64 B, by connections", "scale", {"ns": ""}),
    Table("Scale: resident bytes a connection, once open", "scale", {"opened": ""}),
    Table("Scale: resident bytes a connection, after 1 KiB each", "scale", {"used": ""}),
    Table("Storm of connections: CPU of the server, ns a handshake", "scale", {"storm_ns": ""}),
    Table("Storm of connections: handshakes a second", "scale", {"storm_rate": ""}),
    Table("Broadcast of 64 B: CPU of the server, ns a member, by members", "broadcast", {"ns": ""}, {"size": 64}),
    Table("Broadcast of 1 KiB: CPU of the server, ns a member", "broadcast", {"ns": ""}, {"size": 1 << 10}),
    *(
        Table(f"In memory: {test}, {kind}, ns a message", "codec", {"ns": ""}, {"test": test, "kind": kind})
        for test, kinds in [
            ("decode", ["binary", "ascii", "cjk"]),
            ("encode, server", ["binary", "ascii"]),
            ("encode, client", ["binary", "ascii"]),
        ]
        for kind in kinds
    ),
    Table("In memory: masking in place, ns", "mask", {"ns": ""}),
    Table("In memory: allocations a message", "allocations", {"allocations": ""}),
    Table("In memory: bytes allocated a message", "allocations", {"bytes": ""}),
]


def collect(results, table):
    """{row: {column: median, or what the fastest sample has}}, of the quiet samples if there are any."""
    pick = fastest if results["about"].get("fastest") else median
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for sample in results["samples"]:
        is_meant = sample["table"] == table.source and "error" not in sample
        if is_meant and all(sample[name] == wanted for name, wanted in table.only.items()):
            for value, title in table.values.items():
                if value in sample:
                    column = title or sample.get("column") or sample["size"]
                    groups[label(sample)][column].append((sample, sample[value]))
    return {
        row: {column: pick(quiet(group)) for column, group in columns.items()} for row, columns in groups.items()
    }


def label(sample):
    setting = sample.get("setting")
    return sample["row"] if setting is None else f"{sample['row']}, deflate {setting}".rstrip()


def quiet(group):
    return [pair for pair in group if pair[0].get("disturbance", 0) <= QUIET] or group


def median(group):
    return statistics.median(value for _, value in group)


def fastest(group):
    """Of what is not timed, the median."""
    timed = [pair for pair in group if "ns" in pair[0]]
    return min(timed, key=lambda pair: pair[0]["ns"])[1] if timed else median(group)


def markdown(cells):
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    names = sorted(cells, key=lambda row: cells[row].get(columns[0], float("inf")))
    lines = ["| | " + " | ".join(map(str, columns)) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        shown = [number(cells[name][column]) if column in cells[name] else "" for column in columns]
        lines.append(f"| {emphasis(name)} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def emphasis(name):
    """Ours are bold; a floor is no server."""
    mark = "**" if name.startswith("sansocket") else "*" if name.startswith("floor") else ""
    return f"{mark}{name}{mark}"


def number(value):
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def noise(samples):
    """How far the samples of one number lie apart, and how many were disturbed."""
    groups = collections.defaultdict(list)
    for sample in samples:
        if "ns" in sample:
            # Whatever tells one number from another.
            names = ("table", "row", "column", "setting", "test", "kind", "size")
            groups[tuple(sample.get(name) for name in names)].append(sample)
    spreads = []
    for group in groups.values():
        times = [s["ns"] for s in group if s.get("disturbance", 0) <= QUIET]
        if len(times) > 1:
            spreads.append((max(times) - min(times)) / statistics.median(times))
    taken = [sample for sample in samples if "disturbance" in sample]
    disturbed = sum(sample["disturbance"] > QUIET for sample in taken)
    text = f"Noise: {disturbed} of {len(taken)} samples were disturbed by more than {QUIET:g} CPU, and do not count "
    text += "where there are others."
    if spreads:
        spreads.sort()
        ninth = spreads[int(0.9 * (len(spreads) - 1))]
        text += f" The quiet samples of a number lie {100 * statistics.median(spreads):.0f} % of their median apart"
        text += f" (half of the numbers; nine in ten: {100 * ninth:.0f} %)."
    return text
