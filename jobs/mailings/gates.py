"""Whether the mail server is there: while it is not, nothing is claimed, and it is asked now and then."""

import asyncio

import structlog

log = structlog.get_logger("groundswell.mail")

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0


class Gate:
    """Shut while the transport is away. Times are those of the running loop, in seconds."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why it is shut; None while it is open."""
        self._delay = FIRST_DELAY
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether messages are sent."""
        return self.reason is None

    @property
    def wait(self) -> float:
        """Seconds until the transport is to be asked again."""
        return max(0.0, self._until - _now())

    def shut(self, reason: str) -> float:
        """The transport is away. Answers for how many seconds it is left alone: twice as many each time, up to a minute."""
        if self.is_open:
            log.warning(
                "the mail server is away; nothing is lost, and what waits is sent when it is back", reason=reason
            )
        if self.wait == 0:
            self._until = _now() + self._delay
            self._delay = min(self._delay * 2, LONGEST_DELAY)
        self.reason = reason
        return self.wait

    def open(self) -> None:
        """The transport can be reached. It is left alone for as long as last time, and longer, if it is away again at once."""
        if not self.is_open:
            log.info("the mail server is back")
        self.reason = None

    def proved(self) -> None:
        """A message was taken, or at least answered."""
        self._delay = FIRST_DELAY


def _now() -> float:
    return asyncio.get_running_loop().time()
