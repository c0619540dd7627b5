"""Settings of GraphQL over HTTP: what a request may bring, and which documents run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graph.environment import SettingsError, one_of, whole


@dataclass(frozen=True)
class HttpSettings:
    """All that can be set of it. The names in capitals are environment variables."""

    body_bytes: int = 1024 * 1024
    """GRAPHQL_BODY_BYTES: of a body of JSON, as it comes and when it is unpacked. Those with files: UPLOAD_BYTES."""
    batch_limit: int = 0
    """BATCH_LIMIT: operations that one request may bring as an array. 0: no arrays."""
    compress_from: int = 2 * 1024
    """COMPRESS_FROM_BYTES: answers that are as long or longer are packed for those who take it. 0: none."""
    persisted_bytes: int = 4 * 1024 * 1024
    """PERSISTED_QUERY_BYTES: of the documents that a process keeps for clients that send only their hashes. 0: none."""
    trusted_documents: Path | None = None
    """TRUSTED_DOCUMENTS: a manifest of documents that clients may name by their ids."""
    trusted_only: bool = False
    """TRUSTED_ONLY: on where nothing but those documents runs."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "HttpSettings":
        """Reads and checks the environment. Raises SettingsError."""
        usual = cls()
        manifest = environ.get("TRUSTED_DOCUMENTS")
        found = cls(
            body_bytes=whole(environ, "GRAPHQL_BODY_BYTES", usual.body_bytes, least=1024),
            batch_limit=whole(environ, "BATCH_LIMIT", usual.batch_limit, least=0, most=1000),
            compress_from=whole(environ, "COMPRESS_FROM_BYTES", usual.compress_from, least=0),
            persisted_bytes=whole(environ, "PERSISTED_QUERY_BYTES", usual.persisted_bytes, least=0),
            trusted_documents=Path(manifest) if manifest else None,
            trusted_only=one_of(environ, "TRUSTED_ONLY", "off", ("on", "off")) == "on",
        )
        if found.trusted_only and found.trusted_documents is None:
            raise SettingsError("TRUSTED_ONLY=on needs TRUSTED_DOCUMENTS: the file with the documents that may run.")
        return found
