"""Subscriptions as multipart responses, as Apollo's clients ask for them: for those that speak neither of the others."""

from contextlib import aclosing

from starlette.types import Receive, Send

from graph.access import Viewer
from graph.errors import internal
from graph.live.connections import Connections, Ending
from graph.live.streams import Refused, Request, Streams
from graph.transport.streaming import Frames, Stream, json

MEDIA_TYPE = "multipart/mixed"
HEADERS = {
    "Content-Type": 'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"',
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


def part(content: str) -> str:
    """One part, and the boundary behind it: clients take a part for complete once they have seen that."""
    return f"\r\nContent-Type: application/json\r\n\r\n{content}\r\n--graphql"


HEARTBEAT = part("{}")
BEGIN = f"--graphql{HEARTBEAT}"
END = "--\r\n"


async def answer(
    receive: Receive,
    send: Send,
    streams: Streams,
    connections: Connections,
    viewer: Viewer,
    request: Request,
    every: float,
) -> None:
    """A connection for one operation."""
    stream = Stream(receive, send, HEADERS)
    with connections.opened(viewer, stream.end):
        await stream.run(_frames(streams, viewer, request), HEARTBEAT, every, _last, first=BEGIN)


async def _frames(streams: Streams, viewer: Viewer, request: Request) -> Frames:
    try:
        async with aclosing(streams.run(viewer, request)) as messages:
            async for message in messages:
                yield part(f'{{"payload":{message.body}}}')
    except Refused as refused:
        yield part(json({"payload": {"errors": refused.formatted}}))
    except Exception as error:
        yield part(json({"payload": {"errors": [internal(error).formatted]}}))
    yield END


def _last(ending: Ending) -> str:
    return part(json({"payload": None, "errors": [ending.error()]})) + END
