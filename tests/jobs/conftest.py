"""Files to import, and a campaign to import them into."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from db.engine import Database
from db.queries import campaigns
from jobs.imports import mapping
from jobs.imports.impressions import FIELDS
from jobs.imports.run import Job


@pytest.fixture
async def campaign(database: Database, workspace: int) -> int:
    async with database.write(workspace) as transaction:
        plain = {"name": "Spring", "status": "ACTIVE", "currency": "EUR", "cost_per_impression": Decimal("0.5")}
        return await campaigns.create(transaction, {"key": "spring", **plain})


@pytest.fixture
def job(tmp_path: Path, campaign: int) -> Callable[..., Job]:
    """A job over a file of the given content."""

    def make(content: str | bytes, *maps: str, name: str = "log.csv", **options: Any) -> Job:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Job(path, mapping.parse(FIELDS, maps), **{"campaign": "spring", **options})

    return make
