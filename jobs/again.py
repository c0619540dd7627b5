"""What a job raises that cannot be ended now."""

from datetime import timedelta


class Again(Exception):
    """The job is to be worked on again, by anybody, after a while."""

    def __init__(self, delay: timedelta, reason: str) -> None:
        super().__init__(reason)
        self.delay = delay
