"""What each client may use up in a minute, in this process: a bucket that fills by itself, and is charged before an operation runs."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

WINDOW = 60
"""Seconds in which an empty budget is full again."""
MOST_CLIENTS = 10_000
"""Whose budgets are kept. That of who has not asked for longest is forgotten first, and by then nearly always full."""


class _Bucket:
    __slots__ = ("at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left, self.at = left, at


class Standing(NamedTuple):
    """How a client stands."""

    limit: int
    remaining: int
    seconds: int
    """Until the budget is full again."""

    @property
    def reset_at(self) -> datetime:
        """When it is full again."""
        return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self.seconds)


class Charge:
    """What an operation was charged, as long as it is not settled."""

    __slots__ = ("_bucket", "_budgets", "always", "requested", "used")

    def __init__(self, requested: int, always: int, budgets: "Budgets", bucket: _Bucket | None) -> None:
        self.requested = requested
        self.always = always
        """What of it is used whatever is answered."""
        self.used = requested
        """What it really used; before that is known, what it asked for."""
        self._budgets, self._bucket = budgets, bucket

    def settle(self, used: int) -> None:
        """Gives back what was not used; what was used beyond is charged as well."""
        bucket = self._bucket
        if bucket is not None and used != self.used:
            bucket.left = min(bucket.left + self.used - used, self._budgets.limit)
        self.used = used

    @property
    def standing(self) -> Standing | None:
        """How the client stands now; None where it has no budget."""
        return None if self._bucket is None else self._budgets.standing(self._bucket)

    def told(self) -> dict[str, Any]:
        """What ``extensions.cost`` says."""
        found: dict[str, Any] = {"requested": self.requested, "used": self.used}
        standing = self.standing
        if standing is not None:
            found |= {"limit": standing.limit, "remaining": standing.remaining, "resetAt": standing.reset_at}
        return found


class Budgets:
    """The budgets of all clients. ``limit``: what each may use up in a minute; 0: as much as it likes."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._rate = limit / WINDOW
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()
        self.policy = f'"cost";q={limit};w={WINDOW}'
        """As the header RateLimit-Policy says it."""

    def charge(self, client: Hashable, requested: int, always: int) -> Charge | int:
        """Charges a client; the seconds after which it can ask again where too little is left."""
        if not self.limit:
            return Charge(requested, always, self, None)
        bucket = self._bucket_of(client)
        if bucket.left < requested:
            return max(1, ceil((requested - bucket.left) / self._rate))
        bucket.left -= requested
        return Charge(requested, always, self, bucket)

    def standing(self, bucket: _Bucket) -> Standing:
        """How much a bucket held when it was last looked at; what it has been filled with since is not in it."""
        return Standing(self.limit, max(0, int(bucket.left)), ceil((self.limit - bucket.left) / self._rate))

    def standing_of(self, client: Hashable) -> Standing:
        """How a client stands."""
        return self.standing(self._bucket_of(client))

    def _bucket_of(self, client: Hashable) -> _Bucket:
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self.limit, self._clock())
            if len(self._buckets) > MOST_CLIENTS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            now, left = self._clock(), bucket.left
            if left < self.limit:
                left += (now - bucket.at) * self._rate
                bucket.left = left if left < self.limit else self.limit
            bucket.at = now
        return bucket
