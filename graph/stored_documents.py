"""Documents that clients name instead of sending them: those of the server's own list, and those that were sent once."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from graph.errors import bad_input, forbidden

PREFIX = "sha256:"
"""Of an identifier that is the hash of its document's text, in lower-case hexadecimal digits."""
UNKNOWN = "PERSISTED_QUERY_NOT_FOUND"
"""The code where there is no document of a name."""
_DIGITS = 64


class StoredDocuments:
    """Finds the text of the document that a request means.

    ``trusted``: texts by their ids. With ``only_trusted`` nothing else runs, whichever way it is asked for.
    ``most_bytes``: of the texts that are kept because a client sent them with their hash; those used least lately go.
    """

    def __init__(
        self, trusted: Mapping[str, str] | None = None, *, only_trusted: bool = False, most_bytes: int = 0
    ) -> None:
        texts = (trusted or {}).values()
        self._trusted = {PREFIX + hash_of(text): text for text in texts}
        self._trusted |= {hash_of(text): text for text in texts}
        self._trusted |= trusted or {}
        self._only = frozenset(texts) if only_trusted else None
        self._most = 0 if only_trusted else most_bytes
        self._sent: OrderedDict[str, str] = OrderedDict()
        """By their hashes, with the prefix."""
        self._bytes = 0

    def text(self, query: str | None, document_id: str | None, extensions: Mapping[str, Any] | None) -> str:
        """The text that a request means.

        Raises BAD_USER_INPUT for one that is not in order, PERSISTED_QUERY_NOT_FOUND, PERSISTED_QUERY_NOT_SUPPORTED, and
        FORBIDDEN for one that is not trusted where nothing else may run.
        """
        persisted = extensions.get("persistedQuery") if extensions else None
        if document_id is None and persisted is None:
            if query is None:
                raise bad_input("Send a JSON object with a query.")
            return self._allowed(query)
        if document_id is None:
            return self._persisted(query or None, _hash_in(persisted))
        if query or persisted is not None:
            raise bad_input("Say in one way which document: by its query, its documentId or extensions.persistedQuery.")
        return self._of(document_id, document_id, "There is no document of this id.")

    def keep(self, text: str, extensions: Mapping[str, Any] | None) -> None:
        """Keeps a document, if it came with its hash. Call it for valid ones only, of clients that are known."""
        if not extensions or extensions.get("persistedQuery") is None:
            return
        name, size = PREFIX + hash_of(text), len(text.encode())
        if size > self._most or name in self._sent or name in self._trusted:
            return
        self._sent[name] = text
        self._bytes += size
        while self._bytes > self._most:
            _, forgotten = self._sent.popitem(last=False)
            self._bytes -= len(forgotten.encode())

    def _allowed(self, query: str) -> str:
        if self._only is not None and query not in self._only:
            raise forbidden("Only documents of the server's own list run here: send the id of one.")
        return query

    def _persisted(self, query: str | None, sha256: str) -> str:
        if query is not None:
            if hash_of(query) != sha256:
                raise bad_input("provided sha does not match query")
            return self._allowed(query)
        # These words are what clients of this protocol look for.
        if not self._most and not self._trusted:
            raise _unknown("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        return self._of(sha256, PREFIX + sha256, "PersistedQueryNotFound")

    def _of(self, name: str, sent_as: str, otherwise: str) -> str:
        text = self._trusted.get(name)
        if text is None and sent_as in self._sent:
            self._sent.move_to_end(sent_as)
            text = self._sent[sent_as]
        if text is None:
            raise _unknown(otherwise, UNKNOWN)
        return text


def hash_of(text: str) -> str:
    """What a document is named by: of its bytes in UTF-8."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _hash_in(given: object) -> str:
    """The hash that extensions.persistedQuery holds."""
    if not isinstance(given, dict) or not isinstance(given.get("sha256Hash"), str):
        raise bad_input('extensions.persistedQuery must be like {"version": 1, "sha256Hash": "..."}.')
    if given.get("version") != 1 or given.get("version") is True:
        raise bad_input("Unsupported persisted query version")
    sha256: str = given["sha256Hash"]
    return sha256.lower() if len(sha256) == _DIGITS else sha256


def _unknown(message: str, code: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})
