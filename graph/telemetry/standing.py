"""What the database knows of itself and of all processes, as Prometheus reads it."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db.queries.followers.recounting import Totals
from db.queries.standing import Standing


@dataclass(frozen=True)
class DatabaseMetrics(Collector):
    """Of one moment; of none where the database could not be asked. ``position``: up to where this process has handed out."""

    standing: Standing | None
    position: int

    def collect(self) -> Iterator[Metric]:
        """The metrics, in a fixed order."""
        found = self.standing
        yield GaugeMetricFamily(
            "groundswell_database_up", "1 where the database answered within two seconds.", int(found is not None)
        )
        if found is None:
            return
        yield from _recounts(found.recounts)
        for name, help_, value in (
            ("outbox_entries", "Changes that are not numbered yet; at most 100000 are counted.", found.outbox),
            ("log_position", "Of the last entry in the log.", found.position),
            (
                "lag_entries",
                "Entries that this process has not handed out yet.",
                max(found.position - self.position, 0),
            ),
        ):
            yield GaugeMetricFamily(f"groundswell_live_{name}", help_, value)
        jobs = GaugeMetricFamily("groundswell_jobs", "Jobs in the queue.", labels=("kind", "status"))
        for kind, status, count in found.jobs:
            jobs.add_metric((kind, status), count)
        yield jobs
        mails = GaugeMetricFamily(
            "groundswell_mail_recipients",
            "Recipients of all mailings, by what became of their mail.",
            labels=("status",),
        )
        for status, count in found.recipients.items():
            mails.add_metric((status,), count)
        yield mails


def _recounts(totals: Totals) -> Iterator[Metric]:
    for name, help_, value in (
        ("score_recounts", "Recounts of all scores of a workspace that finished.", totals.recounts),
        (
            "follower_scores_differed",
            "Followers whose counts or times differed from their interactions, and were corrected.",
            totals.differed,
        ),
        ("follower_scores_dropped", "Followers whose score a recount corrected to a lower one.", totals.dropped),
        ("follower_tiers_dropped", "Followers whom a recount put into a lower tier.", totals.tiers_dropped),
        (
            "follower_ranks_differed",
            "Counts of followers by score that differed from the followers, and were corrected.",
            totals.ranks_differed,
        ),
    ):
        yield CounterMetricFamily(f"groundswell_{name}", help_, value)
    finished = GaugeMetricFamily(
        "groundswell_score_recount_finished_timestamp_seconds",
        "When the last recount of scores finished, in seconds since 1970; nothing before the first.",
    )
    if totals.finished_at is not None:
        finished.add_metric((), totals.finished_at.timestamp())
    yield finished
