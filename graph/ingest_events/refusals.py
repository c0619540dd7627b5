"""Requests that are not looked at further: nothing of them was recorded."""

from graph.refusals import Refusal


def bad_body(message: str) -> Refusal:
    """A body that cannot be read: 400."""
    return Refusal(400, "BAD_USER_INPUT", message)


def too_slow(seconds: float) -> Refusal:
    """A body that took too long to come: 408."""
    return Refusal(408, "TIMED_OUT", f"A body has to come within {seconds:g} s. Nothing was recorded.")


def too_large(message: str) -> Refusal:
    """A body with more than is taken at once: 413."""
    return Refusal(413, "TOO_LARGE", f"{message} Nothing was recorded: send it in parts.")


def unsupported(message: str, headers: dict[str, str] | None = None) -> Refusal:
    """A body of another type or encoding: 415."""
    return Refusal(415, "UNSUPPORTED_TYPE", message, headers)


def too_many(retry_after: int) -> Refusal:
    """More requests at once than the process takes: 429."""
    message = "Too many requests send events just now. Send it again."
    return Refusal(429, "LIMIT_REACHED", message, {"Retry-After": str(retry_after)})


def unavailable(retry_after: int) -> Refusal:
    """The database cannot be asked who is asking: 503."""
    message = "The database cannot be reached just now. Send it again."
    return Refusal(503, "UNAVAILABLE", message, {"Retry-After": str(retry_after)})
