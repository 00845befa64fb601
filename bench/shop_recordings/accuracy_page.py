"""The page of docs/accuracy.md: how often the first line was right, fault by fault."""

from __future__ import annotations

from collections.abc import Sequence

from bench.shop_recordings.judging import Judged, Said

GATE = 0.9

_HEAD = """\
# Accuracy

<!-- Written by `python bench/accuracy.py evaluate --write`; edit bench/shop_recordings. -->

How often the first thing that Longpole says is the truth. The
[sample shop](../sample-apps/README.md) was started once for each seed and went through every
fault of [`faults.toml`](../sample-apps/faults.toml): 8 seconds healthy, 8 seconds faulty. The truth
was written down before any result was seen; the detectors know neither the shop nor its faults.

**Right** is: the first entry of `longpole findings` over the faulty window names the detector, the
service and the operation of `faults.toml`; or, for faults that one trace shows, the first entry of
the verdict of the slowest affected trace does. That trace is chosen by the label alone: the longest
one that began in the window, has the fault's root, holds a span of its service and operation, and
is in the shop's ledger of traces in which the fault really acted. The median one of these is
judged, too, but nothing counts as right for it.

```sh
python bench/accuracy.py record                # runs the shop, about ten minutes a seed; resumable
python bench/accuracy.py evaluate --write      # judges the recordings again; needs no shop
```
"""


def accuracy_page(judged: Sequence[Judged], when: str) -> str:
    """The whole page; `when` says when and on what it was measured."""
    healthy = [one for one in judged if one.fault == "healthy"]
    names = sorted({one.fault for one in judged} - {"healthy"})
    lines = [
        _HEAD,
        f"\n{when}\n",
        "\n| fault | visible in | right | by findings | by the slowest's verdict "
        "| by the median's | expected |\n",
        "| --- | --- | --- | --- | --- | --- | --- |\n",
    ]
    for name in names:
        of_fault = [one for one in judged if one.fault == name]
        right = sum(one.is_right for one in of_fault)
        by_findings = sum(one.by_findings.place == one.expected for one in of_fault)
        by_verdict = sum(one.by_verdict.place == one.expected for one in of_fault)
        by_median = sum(one.by_median.place == one.expected for one in of_fault)
        has_trace = any(one.trace_id for one in of_fault)
        detector, service, operation = of_fault[0].expected
        mark = "" if right >= GATE * len(of_fault) else " **below 9 of 10**"
        lines.append(
            f"| {name} | {of_fault[0].visible} | {right} of {len(of_fault)}{mark} | {by_findings} "
            f"| {by_verdict if has_trace else '-'} | {by_median if has_trace else '-'} "
            f"| `{detector}` {service} › {operation} |\n"
        )
    silent = sum(one.warnings == 0 for one in healthy)
    lines.append(f"\n**Healthy minutes:** {silent} of {len(healthy)} without any warning.\n")
    wrong = [one for one in judged if one.fault != "healthy" and not one.is_right]
    loud = [one for one in healthy if one.warnings]
    if wrong or loud:
        lines.append("\n## What was said instead\n\n")
        lines.append("| seed | recording | first finding | first verdict entry |\n")
        lines.append("| --- | --- | --- | --- |\n")
        lines += [
            f"| {one.seed} | {one.fault} | {_words(one.by_findings)} | {_words(one.by_verdict)} |\n"
            for one in [*wrong, *loud]
        ]
    return "".join(lines)


def _words(said: Said) -> str:
    detector, service, operation = said.place
    return f"`{detector}` {service} › {operation}" if service else "nothing"
