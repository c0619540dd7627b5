"""What is made in the data directory where nobody set it: the directory itself, and a secret for tokens."""

import os
import secrets
import tempfile
from pathlib import Path

from graph.environment import SECRET_BYTES, SettingsError

DEVELOPER_SCOPES = ("read", "write", "ingest", "live", "admin")
"""What the token may do that a developer is given for the demo workspace."""


def make_data_dir(data_dir: Path) -> None:
    """Makes the data directory if it is missing. What is private in it says so itself.

    As root, others may pass through: the embedded server runs as another user there. Raises SettingsError.
    """
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The data directory {data_dir} cannot be made: {(error.strerror or '').lower()}."
        ) from None


def development_secret(data_dir: Path) -> str:
    """The secret of a data directory that nobody set one for. Made once, readable by its owner only."""
    path = data_dir / "jwt-secret"
    try:
        return _undamaged(path)
    except NotADirectoryError:
        raise SettingsError(f"The data directory {data_dir} is not a directory.") from None
    except FileNotFoundError:
        make_data_dir(data_dir)
    with tempfile.NamedTemporaryFile("w", dir=data_dir, delete=False) as file:  # 0600 from the start
        file.write(secrets.token_hex(SECRET_BYTES))
    try:
        # A link appears whole or not at all, and the first of two that start at once wins.
        os.link(file.name, path)
    except FileExistsError:
        pass
    finally:
        Path(file.name).unlink()
    return _undamaged(path)


def _undamaged(path: Path) -> str:
    secret = path.read_text().strip()
    if len(secret) < SECRET_BYTES:
        raise SettingsError(f"{path} is damaged: remove it, and another secret will be made.")
    return secret
