"""The results as one SVG: a panel of bars for each question. Short bars are good."""

import html

import report

# Title, unit, the samples' table, what they have, and in which column.
PANELS = [
    ("16 × 32 messages of 64 B", "CPU ns a message", "echo", "ns", "pipe"),
    ("64 connections, one message of 64 B each", "CPU ns a message", "echo", "ns", "lat64"),
    ("16 × 32 messages of 1 KiB of text", "CPU ns a message", "echo", "ns", "text 1 KiB"),
    ("messages of 1 MiB", "CPU ns a message", "echo", "ns", "1 MiB"),
    ("16 × 16 messages of 1 KiB of JSON, compressed", "CPU ns a message", "deflate", "ns", "pipe"),
    ("connect, upgrade, close", "CPU ns", "handshake", "ns", None),
    ("idle connections that have echoed 1 KiB each", "resident bytes a connection", "memory", "used", None),
]

WIDTH, BAR, GAP, NAMES, HEAD = 960, 14, 5, 250, 46
COLOURS = {"ours": "#1f6feb", "floor": "#bbbbbb", "other": "#6e7781"}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px }
.unit { fill: #57606a }
.ground { fill: #ffffff }
@media (prefers-color-scheme: dark) { .ground { fill: #0d1117 } text { fill: #e6edf3 } .unit { fill: #9198a1 } }
"""


def draw(results):
    parts, top = [], GAP
    for title, unit, source, value, column in PANELS:
        # Where the samples have no column of their own, the unit is as good a name as any.
        table = report.Table(title, source, {value: "" if column else unit})
        cells = report.collect(results, table)
        bars = sorted((cells[row][column or unit], row) for row in cells if (column or unit) in cells[row])
        if bars:
            panel, height = draw_panel(title, unit, bars, top)
            parts += panel
            top += height
    about = results["about"]
    parts.append(text(GAP, top + 14, f"{about['date']}, {about['machine']}, rustc {about['rustc']}", "unit"))
    height = top + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
        f'<style>{STYLE}</style>\n<rect class="ground" width="{WIDTH}" height="{height}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def draw_panel(title, unit, bars, top):
    parts = [text(GAP, top + 20, title, "title"), text(GAP, top + 36, unit, "unit")]
    room, most = WIDTH - NAMES - 90, max(value for value, _ in bars) or 1
    for index, (value, row) in enumerate(bars):
        y = top + HEAD + index * (BAR + GAP)
        width = max(1, room * value / most)
        colour = COLOURS[kind(row)]
        parts.append(text(NAMES - 8, y + 11, row, anchor="end"))
        parts.append(f'<rect x="{NAMES}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
        parts.append(text(NAMES + width + 6, y + 11, report.number(value)))
    return parts, HEAD + len(bars) * (BAR + GAP) + 14


def kind(row):
    return "ours" if row.startswith("sansocket") else "floor" if row.startswith("floor") else "other"


def text(x, y, content, name="", anchor="start"):
    attributes = (f' class="{name}"' if name else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{html.escape(content)}</text>'
