"""The live stream: looked at when Prometheus asks, so that it costs nothing before."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from graph.arrivals import TRANSPORTS
from graph.live.connections import Connections
from graph.live.hub import Live
from graph.live.streams import Streams
from jobs.sequencer import Sequencer


@dataclass(frozen=True)
class LiveMetrics:
    """Of one process."""

    live: Live
    streams: Streams
    connections: Connections
    sequencer: Sequencer

    def collect(self) -> Iterator[Metric]:
        """The metrics, in a fixed order."""
        yield self._connections()
        fills = self.streams.groups.fills()
        for name, help_, value in (
            ("subscriptions", "Subscriptions that are open.", self.live.subscriptions.total()),
            (
                "groups",
                "Subscriptions that ask different things, each of which is answered once.",
                len(self.streams.groups),
            ),
            ("mailbox_messages", "Messages that wait for their subscribers, all together.", sum(fills)),
            (
                "mailbox_messages_max",
                "Messages that wait for the subscriber who is the furthest behind.",
                max(fills, default=0),
            ),
            ("position", "Up to where in the log this process has handed out.", self.live.hub.position),
            ("sequencer_leader", "1 in the process that numbers the live events.", int(self.sequencer.leads)),
        ):
            yield GaugeMetricFamily(f"groundswell_live_{name}", help_, value)
        yield CounterMetricFamily(
            "groundswell_live_messages", "Messages that subscribers were given.", self.streams.delivered
        )
        ended = CounterMetricFamily(
            "groundswell_live_ended", "Subscriptions that were ended with an error, by code.", labels=("code",)
        )
        for code, count in sorted({"LAGGED": 0, **self.streams.ended}.items()):  # 0: an alert is about it
            ended.add_metric((code,), count)
        yield ended

    def _connections(self) -> Metric:
        family = GaugeMetricFamily(
            "groundswell_live_connections", "Connections that stay open, by transport.", labels=("transport",)
        )
        counts = self.connections.by_transport
        for transport in TRANSPORTS[1:]:
            family.add_metric((transport,), counts[transport])
        return family
