"""`pantau judge CLIP`: what the judge of a camera says of a video file, with the video's time."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from typer import Argument, Option

from edge.camera_node.clips import pictures
from edge.camera_node.verdict import Judge, Verdict


def judge(
    clip: Annotated[Path, Argument(metavar="CLIP", help="A video file of a fixed camera: mp4, avi, mkv, …")],
    every: Annotated[
        float, Option("--every", metavar="SECONDS", min=0.04, help="Seconds of video between two judged pictures.")
    ] = 1.0,
    as_json: Annotated[bool, Option("--json", help="One JSON object a change of verdict.")] = False,
) -> None:
    """Say of a video when its camera does not see, and why: one line a change of verdict.

    The first seconds teach the view: what is wrong from the start is found only when no view could be like that (black,
    plain white, frozen, torn, noisy).
    """
    console, camera = Console(soft_wrap=True, highlight=False), Judge()
    for at_s, picture in pictures(clip, every_s=every):
        if verdict := camera.see(picture, at_s):
            _say(console, at_s, verdict, as_json)
    _say(console, at_s, camera.verdict, as_json, last=True)


def _say(console: Console, at_s: float, verdict: Verdict, as_json: bool, *, last: bool = False) -> None:
    if as_json:
        print(json.dumps({"at_s": round(at_s, 3), "end": last, **asdict(verdict)}))
        return
    colour = "green" if verdict.kind == "seeing" else "red"
    end = " at the end" if last else ""
    sure = f"{verdict.confidence_percent} %"
    console.print(f"{at_s:9.1f} s  [{colour}]{verdict.kind:<12}[/]{sure:>5}  {escape(verdict.reason)}{end}")
