"""``python -m bench [bombs | channels | crashes | crowd | events | exports | followers | ingest | interactions | live | mailing-metrics | mailings | metrics | peers | restarts | soak | telemetry | threads]``: everything without an argument."""

import sys

from bench import (
    bombs,
    channels,
    crashes,
    crowd,
    events,
    exports,
    followers,
    ingest,
    interactions,
    live,
    mailing_metrics,
    mailings,
    metrics,
    restarts,
    soak,
    telemetry,
    threads,
)
from bench.peers import command as peers

BENCHES = {
    "bombs": bombs.main,
    "events": events.main,
    "channels": channels.main,
    "crowd": crowd.main,
    "crashes": crashes.main,
    "exports": exports.main,
    "followers": followers.main,
    "ingest": ingest.main,
    "interactions": interactions.main,
    "live": live.main,
    "mailing-metrics": mailing_metrics.main,
    "mailings": mailings.main,
    "metrics": metrics.main,
    "peers": peers.main,
    "restarts": restarts.main,
    "soak": soak.main,
    "telemetry": telemetry.main,
    "threads": threads.main,
}


def main(arguments: list[str]) -> int:
    """Exit code 0 if every target was reached."""
    if not arguments:
        return max(bench([]) for bench in BENCHES.values())
    if arguments[0] not in BENCHES:
        print(f"There are the benchmarks {', '.join(BENCHES)}; --help after a name tells its options.")
        return 2
    return BENCHES[arguments[0]](arguments[1:])


sys.exit(main(sys.argv[1:]))
