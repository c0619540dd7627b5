"""Idempotency keys: whose a key is, which request it stands for, and how the answer to it is kept.

Of a key only a hash is kept, and an answer only enciphered with the key: some answers hold a secret that is shown this once, and
nobody who has the database has that.
"""

import asyncio
import hashlib
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from graphql import ExecutionResult, GraphQLError
from starlette.datastructures import UploadFile

from graph.access import Viewer
from graph.encoding import encoded
from graph.errors import bad_input

LONGEST_KEY = 255
_NONCE_BYTES = 12
_COMPRESSED_FROM = 512
"""Bytes of an answer from which on compressing it is worth the while."""


class StoredError(GraphQLError):
    """An error of an answer that is given again, as it was."""

    def __init__(self, formatted: Mapping[str, Any]) -> None:
        super().__init__(formatted["message"], path=formatted.get("path"), extensions=formatted.get("extensions"))
        self._formatted: Any = dict(formatted)

    @property
    def formatted(self) -> Any:
        """The error as the answer holds it."""
        return self._formatted


@dataclass(frozen=True)
class Key:
    """A key of somebody's: the same text is another key for another workspace, subject or actor."""

    workspace_id: int
    digest: bytes
    """What it is found by. Nobody finds the key from it."""
    _cipher: bytes

    @classmethod
    def of(cls, text: str, viewer: Viewer) -> "Key":
        """The key of a text as its client sent it, which ``check`` has passed."""
        actor = viewer.actor
        who = None if actor is None else [actor.user_id, actor.profile_id, actor.profile_type]
        whole = orjson.dumps([viewer.workspace_id, viewer.subject, who, text])
        digest, cipher = (hashlib.sha256(purpose + whole).digest() for purpose in (b"digest ", b"cipher "))
        return cls(viewer.workspace_id, digest, cipher)

    def sealed(self, result: ExecutionResult) -> bytes:
        """Data and errors of an answer, so that only who has the key can read them."""
        errors = [error.formatted for error in result.errors or ()]
        # The parts are put together by hand: data is given again byte for byte, and nobody has to read it for that.
        data = encoded(result.data)
        body = len(data).to_bytes(4, "big") + data + encoded(errors)
        packed = b"\1" + zlib.compress(body, 1) if len(body) >= _COMPRESSED_FROM else b"\0" + body
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._cipher).encrypt(nonce, packed, self.digest)

    def opened(self, sealed: bytes) -> ExecutionResult:
        """The answer that was sealed. Its data is JSON already."""
        packed = AESGCM(self._cipher).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self.digest)
        body = zlib.decompress(packed[1:]) if packed[:1] == b"\1" else packed[1:]
        end = 4 + int.from_bytes(body[:4], "big")
        errors: list[GraphQLError] = [StoredError(error) for error in orjson.loads(body[end:])]
        data: Any = orjson.Fragment(body[4:end])
        return ExecutionResult(data, errors or None)


def check(given: object) -> str:
    """The text of a key. Raises BAD_USER_INPUT for what is none."""
    if isinstance(given, str) and 0 < len(given) <= LONGEST_KEY and given.isascii() and given.isprintable():
        return given
    raise bad_input(f"An idempotency key has 1 to {LONGEST_KEY} printable ASCII characters.")


def reused() -> GraphQLError:
    """The error for a key that stands for another request."""
    message = "This idempotency key was used for another request. Nothing was done: take a new key for each request."
    return GraphQLError(message, extensions={"code": "IDEMPOTENCY_KEY_REUSED"})


def in_progress() -> GraphQLError:
    """The error for a key whose first request still runs."""
    message = "The first request of this idempotency key still runs. Send it again in a moment, with the same key."
    return GraphQLError(message, extensions={"code": "IDEMPOTENCY_IN_PROGRESS"})


async def request_hash(query: str, name: str | None, variables: Mapping[str, Any] | None) -> bytes:
    """What tells one request from another: its text, which of its operations, its variables, and the bytes of its files.

    Raises BAD_USER_INPUT for variables that are nested too deep.
    """
    files: dict[int, Any] = {}
    for upload in uploads_in(variables):
        digest = await asyncio.to_thread(_digest_of, upload)
        files[id(upload)] = {"name": upload.filename, "sha256": digest}
    asked = [query, name, variables or {}]
    try:
        whole = orjson.dumps(asked, default=lambda upload: files[id(upload)], option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise bad_input("A request with an idempotency key has variables of less than 250 levels.") from None
    return hashlib.sha256(whole).digest()


def uploads_in(given: object) -> list[UploadFile]:
    """The files among variables, however deep."""
    found: list[UploadFile] = []
    left = [given]
    while left:
        one = left.pop()
        if isinstance(one, UploadFile):
            found.append(one)
        elif isinstance(one, Mapping):
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return found


def _digest_of(upload: UploadFile) -> str:
    upload.file.seek(0)
    digest = hashlib.file_digest(upload.file, "sha256").hexdigest()  # type: ignore[arg-type]
    upload.file.seek(0)
    return digest
