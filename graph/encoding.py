"""How answers are written: JSON, with times as RFC 3339 in UTC."""

import orjson


def encoded(answer: object) -> bytes:
    """The JSON of an answer."""
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z)
