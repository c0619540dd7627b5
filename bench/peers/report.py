"""What was measured, as tables that are Markdown too, and whether the targets were reached."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.peers.contest import Figures, Slice
from bench.peers.contestants import OURS, Contestant
from bench.peers.workloads import Workload

TARGETS = {
    "hello": {"postgraphile": 1.0},
    "flat": {"postgraphile": 1.0},
    "dashboard": {"postgraphile": 1.5, "mercurius": 1.3, "rows": 0.85, "stock": 7.0},
    "threads": {"postgraphile": 1.0, "mercurius": 1.0},
    "metrics": {"postgraphile": 1.0, "mercurius": 1.0},
}
"""By workload and contestant: how many requests Groundswell must answer at least for each of the other's."""
COLUMNS = ("requests/s", "rounds", "p50 ms", "p99 ms", "server CPU ms", "PostgreSQL CPU ms", "ours to it")


def summary(slices: Sequence[Slice], ours: Sequence[Slice] | None) -> dict[str, Any]:
    """The figures of a contestant at a workload: medians of rounds, times and CPU of all requests, per request."""
    times = sorted(time for one in slices for time in one.times)
    rates = [one.rate for one in slices]
    cuts = quantiles(times, n=100) if len(times) > 1 else times * 99
    # Of the rounds' own ratios: what slows a round down slows both.
    ratios = [mine.rate / one.rate for mine, one in zip(ours, slices, strict=True)] if ours else []
    return {
        "rate": median(rates),
        "rates": rates,
        "p50": cuts[49] * 1000,
        "p99": cuts[98] * 1000,
        "server": sum(one.server for one in slices) / len(times) * 1000,
        "postgres": sum(one.postgres for one in slices) / len(times) * 1000,
        "ratio": median(ratios) if ratios else None,
    }


def summaries(figures: Figures) -> dict[str, dict[str, dict[str, Any]]]:
    """By workload and contestant."""
    return {
        workload: {name: summary(slices, found.get(OURS)) for name, slices in found.items()}
        for workload, found in figures.items()
    }


def print_report(figures: Figures, workloads: Sequence[Workload], contestants: Sequence[Contestant]) -> bool:
    """Prints all tables, then the targets of what was measured. Answers whether all of these were reached."""
    found = summaries(figures)
    titles = {contestant.name: contestant.title for contestant in contestants}
    for workload in workloads:
        print(f"\n### {workload.name}\n")
        print_table([(titles[name], *cells(one)) for name, one in found[workload.path].items()])
    print("\n### targets\n")
    return print_targets(found, workloads, titles)


def cells(found: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    spread = f"{min(found['rates']):,.0f} to {max(found['rates']):,.0f}"
    ratio = "" if found["ratio"] is None else f"{found['ratio']:.2f}"
    times = (f"{found[name]:.2f}" for name in ("p50", "p99", "server", "postgres"))
    return (f"{found['rate']:,.1f}", spread, *times, ratio)


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Aligned for the eye, numbers to the right."""
    head = ("", *COLUMNS)
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = ("-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:]))
    for row in (head, rule, *rows):
        padded = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        print(f"| {row[0].ljust(widths[0])} | {' | '.join(padded)} |")


def print_targets(
    found: dict[str, dict[str, dict[str, Any]]], workloads: Sequence[Workload], titles: dict[str, str]
) -> bool:
    """A line for each target."""
    reached = True
    for workload in workloads:
        for name, least in TARGETS.get(workload.path, {}).items():
            ratio = found[workload.path].get(name, {}).get("ratio")
            if ratio is not None:
                reached &= ratio >= least
                verdict = "reached" if ratio >= least else "MISSED"
                print(f"- {workload.name}, to {titles[name]}: {ratio:.2f}, target {least:.2f}: {verdict}")
    return reached


def write(figures: Figures, file: Path) -> None:
    """The same figures for a program."""
    file.write_text(json.dumps(summaries(figures), indent=1))
