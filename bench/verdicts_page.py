"""docs/verdicts.md and its picture: `python -m bench.verdicts_page docs [SCENES HOURS TIMES]` writes both."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.faults import FAULTS
from bench.report import Figure
from bench.verdicts import HOURS, SCENES, Watch, confusion, figures_of, measured
from edge.camera_node.verdict import KINDS

CELL_PX: Final = 58
LEFT_PX, TOP_PX = 110, 70

HEAD: Final = """# Whether a camera sees

Written by `python -m bench.verdicts_page docs{arguments}`, not by hand; `python -m bench verdicts` measures all of it
({scenes} scenes, {hours} simulated hours each). Not tested on real hardware, nor on real tampered cameras.

`pantau judge CLIP` says of a video file what the judge of a camera would say, one line a change of verdict;
`--every SECONDS` is how much video lies between two judged pictures, `--json` is for programs. The first four pictures
teach it the view. It is for fixed cameras: of one that never rests it says so, and judges no cover, blur or turning.

| verdict | what it is told by | after |
|---|---|---|
| `frozen` | the stream runs, but every place is stiller than this camera's own noise; a clock may go on | 15 s |
| `black` | dark, and without any pattern | 5 s |
| `dark` | the same view, at once below 40 % of its brightness; nightfall is slow, and is followed | 8 s |
| `overexposed` | plain white where there was a view | 5 to 8 s |
| `torn` | a decoder's grey, rows repeated, a cut across with the view whole above it | 8 s |
| `moved` | the known edges elsewhere, or other edges as sharp, and at rest | 8 to 40 s |
| `covered` | patterns gone, nothing sharp instead; edges gone beside sharp ones (paint) | 5 s (all) to 40 s (a tenth) |
| `blurred` | edges flatter than the pattern around them; mist and dusk take from both | 8 to 40 s |
| `noisy` | noise in the picture and between pictures, far above what is usual | 8 s |
| `colour_lost` | no colour at the same daylight; in the evening a camera may go over to infrared | 8 s |

What is usual is learned for day, dusk and night apart, only from pictures without any sign of a fault, and survives a
reboot. A verdict stays for 10 s at least. A defocus that takes hours is learned like dusk, and not found.

## Measured

{conditions}.

False alarms are a count: with none at all it takes 144 hours to bound them at 0.5 a day; fewer hours bound them worse.

Nothing was tuned on these scenes, neither faults nor false alarms: they were drawn after the last change of the judge.

"""


def page(arguments: str, conditions: str, figures: Sequence[Figure], watches: Sequence[Watch]) -> str:
    """The page as Markdown."""
    parts = [HEAD.format(arguments=arguments, scenes=SCENES, hours=HOURS, conditions=conditions)]
    parts.append("| figure | value | unit | reach | |\n|---|---|---|---|---|\n")
    parts += [f"| {f.name} | {f.value:.4g} | {f.unit} | {f.reach or ''} | {f.note} |\n" for f in figures]
    alarms = [alarm for each in watches for alarm in each.alarms]
    if alarms:
        parts.append("\nThe false alarms:\n\n" + "".join(f"* {alarm}\n" for alarm in alarms))
    parts.append("\nWhat was said of medium and strong faults, drawn scenes and clips together:\n\n")
    parts.append("![Confusion table: each fault in a row, what was said of it in columns](verdicts.svg)\n")
    return "".join(parts)


def picture(table: Mapping[str, Mapping[str, int]]) -> str:
    """The confusion table as SVG: rows are faults, columns are what was said, darker is more of the row."""
    wide, high = LEFT_PX + CELL_PX * len(KINDS) + 10, TOP_PX + 30 * len(FAULTS) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="11">'
    ]
    parts.append(f'<rect width="{wide}" height="{high}" fill="white"/><text x="8" y="20">said →, was ↓</text>')
    for column, said in enumerate(KINDS):
        x = LEFT_PX + CELL_PX * column + CELL_PX / 2
        parts.append(
            f'<text x="{x}" y="{TOP_PX - 8}" text-anchor="start" transform="rotate(-35 {x} {TOP_PX - 8})">{said}</text>'
        )
    parts += _rows(table)
    return "\n".join([*parts, "</svg>", ""])


def _rows(table: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for row, was in enumerate(FAULTS):
        y, whole = TOP_PX + 30 * row, max(1, sum(table[was].values()))
        yield f'<text x="{LEFT_PX - 8}" y="{y + 19}" text-anchor="end">{was}</text>'
        for column, said in enumerate(KINDS):
            count = table[was].get(said, 0)
            x, hue = LEFT_PX + CELL_PX * column, "34,120,70" if said == was else "190,60,40"
            fill = f"rgba({hue},{count / whole:.2f})"
            yield f'<rect x="{x}" y="{y}" width="{CELL_PX}" height="30" fill="{fill}" stroke="#ccc"/>'
            ink = "white" if count / whole > 0.6 else "black"
            if count:
                yield f'<text x="{x + CELL_PX / 2}" y="{y + 19}" text-anchor="middle" fill="{ink}">{count}</text>'


def main(argv: list[str]) -> int:
    """Measure and write; the folder, then how many scenes, hours each, and times each clip."""
    folder, *rest = argv
    scenes, hours, times = rest or (str(SCENES), str(HOURS), "3")
    trials, watches, conditions = measured(int(scenes), float(hours), int(times))
    figures = figures_of(trials, watches)
    (Path(folder) / "verdicts.svg").write_text(picture(confusion(trials)), "utf-8")
    arguments = "".join(f" {each}" for each in rest)
    (Path(folder) / "verdicts.md").write_text(page(arguments, conditions, figures, watches), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
