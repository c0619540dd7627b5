"""Counts and histograms that cost a fraction of a microsecond: one thread adds to them, and Prometheus reads them now and again.

prometheus_client's own take a lock and look their labels up: some microseconds for each operation. All here are bounded:
past ``most`` different labels, further ones count as ``other``.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

OTHER = "other"
Labels = tuple[str, ...]


class Tally:
    """Counts by labels. ``known``: those that are 0 from the start, since Prometheus sees no increase in what just appeared."""

    def __init__(self, name: str, help_: str, labels: Labels, most: int = 200, known: Iterable[Labels] = ()) -> None:
        self._name, self._help, self._labels = name, help_, labels
        self._most = most
        self._counts: dict[Labels, float] = dict.fromkeys(known, 0)

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Counts."""
        counts = self._counts
        if labels in counts:
            counts[labels] += amount
        elif len(counts) < self._most:
            counts[labels] = amount
        else:
            other = (OTHER,) * len(self._labels)
            counts[other] = counts.get(other, 0) + amount

    def family(self) -> CounterMetricFamily:
        """As Prometheus reads it, in the order of the labels."""
        return counter(self._name, self._help, self._labels, self._counts.items())


class Buckets:
    """Values, counted by upper bounds."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus reads it."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True))

    def family(self, name: str, help_: str) -> HistogramMetricFamily:
        """A histogram without labels."""
        return HistogramMetricFamily(name, help_, self.cumulative(), self.total)

    def include(self, other: "Buckets") -> None:
        """Adds what others have counted."""
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Histogram:
    """Values by labels."""

    def __init__(self, labels: Labels, bounds: tuple[float, ...], most: int = 200) -> None:
        self._labels, self._bounds = labels, bounds
        self._most = most
        self._kept: dict[Labels, Buckets] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Counts a value."""
        buckets = self._kept.get(labels) or self.of(labels)
        buckets.counts[bisect_left(self._bounds, value)] += 1  # not by its method: a call costs as much as the rest
        buckets.total += value

    def of(self, labels: Labels) -> Buckets:
        """What counts the values of some labels: whoever has many of these looks for it once."""
        if labels not in self._kept and len(self._kept) >= self._most:
            labels = (OTHER,) * len(self._labels)
        return self._kept.setdefault(labels, Buckets(self._bounds))

    def family(self, name: str, help_: str, by: int | None = None) -> HistogramMetricFamily:
        """As Prometheus reads it, in the order of the labels; by the first ``by`` of them."""
        family = HistogramMetricFamily(name, help_, labels=self._labels[:by])
        merged: dict[Labels, Buckets] = {}
        for labels, buckets in sorted(self._kept.items(), key=lambda kept: kept[0]):
            merged.setdefault(labels[:by], Buckets(self._bounds)).include(buckets)
        for labels, buckets in merged.items():
            family.add_metric(labels, buckets.cumulative(), buckets.total)
        return family

    def counts(self, name: str, help_: str) -> CounterMetricFamily:
        """How many values there were, by all labels: one look-up serves a counter and a histogram."""
        return counter(name, help_, self._labels, ((key, sum(kept.counts)) for key, kept in self._kept.items()))


def counter(name: str, help_: str, labels: Labels, counts: Iterable[tuple[Labels, float]]) -> CounterMetricFamily:
    """Counts as Prometheus reads them, in the order of the labels."""
    family = CounterMetricFamily(name, help_, labels=labels)
    for values, count in sorted(counts):
        family.add_metric(values, count)
    return family
