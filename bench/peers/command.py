"""Groundswell beside its peers, on the same database and data, interleaved in one run.

    python -m bench peers [--rounds 8] [--seconds 1] [--connections 4] [--only NAME ...] [--workloads NAME ...]

One process each: Groundswell, the same with graphql-core's executor, PostGraphile 5 (Grafserv, its fastest settings),
Mercurius (graphql-jit, batched loaders), rows of asyncpg written by orjson without any GraphQL, and one SQL statement that
answers the JSON. Node comes from a wheel, the peers from npm, the first time. Answers are compared before anything is
timed. Only Groundswell checks a credential and reads under row-level security: the others are the superuser and read
views of one tenant. They are spared its transactions, too.
"""

import argparse
import asyncio
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench.peers.contest import Contest, Figures
from bench.peers.contestants import MAKERS, contestants
from bench.peers.data import fill
from bench.peers.node import NoPeersError
from bench.peers.report import print_report, write
from bench.peers.workloads import Workload, workloads
from bench.server import embedded

NAMES = [workload.path for workload in workloads(())]


def main(arguments: list[str]) -> int:
    """Exit code 0 if all targets of what was measured were reached."""
    given = parser().parse_args(arguments)
    # As Ctrl-C does: the servers are ended, whoever ends the benchmark.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
            campaign_ids = asyncio.run(fill(url))
            chosen = [one for one in workloads(campaign_ids) if one.path in given.workloads]
            return compete(url, Path(folder), chosen, given)
    except NoPeersError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        "bench peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=8)
    options.add_argument("--seconds", type=float, default=1.0, help="of a contestant at a workload in a round")
    options.add_argument("--connections", type=int, default=4, help="that ask at once, each in turn")
    options.add_argument("--only", nargs="+", choices=list(MAKERS), default=list(MAKERS), help="these contestants")
    options.add_argument("--workloads", nargs="+", choices=NAMES, default=NAMES, help="these workloads")
    options.add_argument("--json", type=Path, help="a file for the figures")
    return options


def compete(url: str, folder: Path, chosen: Sequence[Workload], given: argparse.Namespace) -> int:
    """Starts the servers, measures, prints."""
    them = contestants(url, given.only)
    contest = Contest(them, chosen, given.rounds, given.seconds, given.connections)
    with ExitStack() as running:
        for contestant in them:
            running.enter_context(contestant.running(folder / f"{contestant.name}.log"))
        figures: Figures = uvloop.run(contest.run(url))
    print(
        f"{given.rounds} rounds of {given.seconds:g} s, {given.connections} connections, {os.cpu_count()} cores,",
        end=" ",
    )
    print(f"Python {platform.python_version()}")
    if given.json:
        write(figures, given.json)
    return 0 if print_report(figures, chosen, them) else 1
