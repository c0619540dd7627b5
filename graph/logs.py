"""Logs: for people on a terminal, JSON lines everywhere else. To stderr, so that stdout stays a command's answer."""

import logging
import sys
from typing import Any

import structlog

from db import requests
from graph.redaction import redacted


def trace_ids(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Adds in which trace and span something is said, where traces are made at all. Nothing is imported for that."""
    tracing: Any = sys.modules.get("opentelemetry.trace")
    if tracing is not None:
        context = tracing.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"], event["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return event


def of_request(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Names the request that a line belongs to: only when there is a line, for most requests write none."""
    request = requests.current.get()
    if request is not None:
        line.setdefault("request_id", request.id)
        if request.trace_id is not None:
            line.setdefault("trace_id", request.trace_id)
    return line


def configure_logging(level: str) -> None:
    """Sets up structlog, and sends the standard library's loggers (uvicorn's) the same way."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        trace_ids,
        of_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    last: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,  # what errors say is looked through, too
        redacted,
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*last, renderer]))
    # Libraries, when they debug, write what passes through them: frames of WebSockets with their tokens, and the like.
    logging.basicConfig(level="INFO" if level == "debug" else level.upper(), handlers=[handler], force=True)
    logging.getLogger("groundswell").setLevel(level.upper())
    for chatty in ("alembic", "uvicorn", "uvicorn.error"):
        # What they say of each start and stop is said by us, in one line; what of each connection holds its address and query.
        logging.getLogger(chatty).setLevel(logging.WARNING)
