"""Secrets are compared in constant time, looked up by their hash, or verified by a library: decision 26 lists each."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WORDS = re.compile(r"secret|token|signature|digest|password|credential|hmac|authorization|api_?key", re.IGNORECASE)
NO_SECRETS = {
    "ApiClient.secret_hash == secret_hash",  # both are hashes, and PostgreSQL's index compares them
    "(came, found.hexdigest()) != (size, sha256)",  # a checksum, which lies beside what it is of
    "name == _TOKEN_NAME",  # the name of a header
}
"""Comparisons of what only sounds like one."""


def test_no_secret_is_compared_byte_by_byte() -> None:
    found = set()
    for path in (path for room in ("graph", "db", "jobs") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
                names = [getattr(one, "id", getattr(one, "attr", "")) for one in ast.walk(node)]
                if any(_WORDS.search(name) for name in names if isinstance(name, str)):
                    found.add(ast.unparse(node))
    assert found - NO_SECRETS == set()


def test_what_is_compared_in_constant_time() -> None:
    """Signed links to files and for uploads, and the tokens of mails."""
    uses = {
        str(path.relative_to(ROOT))
        for room in ("graph", "db", "jobs")
        for path in (ROOT / room).rglob("*.py")
        if "hmac.compare_digest(" in path.read_text()
    }
    assert uses == {"graph/files.py", "jobs/mailings/tokens.py"}
