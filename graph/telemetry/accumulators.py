"""Counts and histograms that cost a fraction of a microsecond: one thread adds to them, and Prometheus reads them now and again.

prometheus_client's own take a lock and look their labels up: some microseconds for each operation.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

OTHER = "other"
Labels = tuple[str, ...]


class Tally:
    """Counts by labels. Past ``most`` different ones, further ones count as ``other``: memory and series stay bounded."""

    def __init__(self, name: str, help_: str, labels: Labels, most: int = 200) -> None:
        self._name, self._help, self._labels = name, help_, labels
        self._most = most
        self._counts: dict[Labels, float] = {}

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
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, count in sorted(self._counts.items()):
            family.add_metric(labels, count)
        return family


class _Buckets:
    __slots__ = ("counts", "total")

    def __init__(self, bounds: int) -> None:
        self.counts = [0] * (bounds + 1)
        self.total = 0.0


class Histogram:
    """Observations by labels and by upper bounds. Bounded as Tally is."""

    def __init__(self, name: str, help_: str, labels: Labels, bounds: tuple[float, ...], most: int = 200) -> None:
        self._name, self._help, self._labels = name, help_, labels
        self._bounds = bounds
        self._most = most
        self._kept: dict[Labels, _Buckets] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Counts a value."""
        buckets = self._kept.get(labels) or self._made(labels)
        buckets.counts[bisect_left(self._bounds, value)] += 1
        buckets.total += value

    def _made(self, labels: Labels) -> _Buckets:
        if len(self._kept) >= self._most:
            labels = (OTHER,) * len(self._labels)
        return self._kept.setdefault(labels, _Buckets(len(self._bounds)))

    def family(self) -> HistogramMetricFamily:
        """As Prometheus reads it, in the order of the labels."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for labels, buckets in sorted(self._kept.items(), key=lambda kept: kept[0]):
            family.add_metric(labels, list(self._cumulative(buckets)), buckets.total)
        return family

    def _cumulative(self, buckets: _Buckets) -> Iterator[tuple[str, float]]:
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        return zip(names, accumulate(buckets.counts), strict=True)
