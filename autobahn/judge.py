"""The verdict on a report, and the table of all."""

import json
from dataclasses import dataclass

import cases

STRICT = {"OK", "INFORMATIONAL"}


@dataclass(frozen=True)
class Result:
    """What a report says about a case."""

    case: str
    behavior: str
    close: str
    why: str

    @property
    def passed(self):
        return self.behavior in STRICT and self.close in STRICT

    def __str__(self):
        return f"{self.case}: {self.behavior}, closing {self.close}: {self.why}"


def read(directory, agent, wanted):
    """The results of the wanted cases; those that the report lacks are `MISSING`."""
    index = directory / "index.json"
    report = json.loads(index.read_text()).get(agent, {}) if index.exists() else {}
    return [result(directory, case, report.get(case)) for case in wanted]


def result(directory, case, entry):
    if entry is None:
        return Result(case, "MISSING", "MISSING", f"see the logs in {directory}")
    detail = json.loads((directory / entry["reportfile"]).read_text())
    why = f"{detail['result']} {detail['resultClose']} Expected {detail['expected']}, came {detail['received']}"
    return Result(case, entry["behavior"], entry["behaviorClose"], why[:1000])


def table(rows):
    """Markdown: of each row (name, results, seconds) how many cases of each group passed."""
    groups = sorted({cases.group(result.case) for _, results, _ in rows for result in results})
    lines = [["", *map(str, groups), "all", "time"], ["---"] * (len(groups) + 3)]
    for name, results, seconds in rows:
        of_group = [[result for result in results if cases.group(result.case) == group] for group in groups]
        lines.append([name, *map(passed, of_group), passed(results), f"{seconds:.0f} s"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def passed(results):
    count = sum(result.passed for result in results)
    return str(count) if count == len(results) else f"**{count} of {len(results)}**"
