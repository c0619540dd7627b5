"""Settings of idempotency."""

from datetime import timedelta

import pytest

from graph.environment import SettingsError
from graph.settings import Settings


def test_keys_last_a_day_unless_it_is_said() -> None:
    usual = Settings.from_env({}).idempotency
    assert (usual.lasts, usual.patience) == (timedelta(hours=24), 10)
    given = Settings.from_env({"IDEMPOTENCY_HOURS": "48", "IDEMPOTENCY_WAIT_SECONDS": "0"}).idempotency
    assert (given.lasts, given.patience) == (timedelta(hours=48), 0)


@pytest.mark.parametrize("name", ["IDEMPOTENCY_HOURS", "IDEMPOTENCY_WAIT_SECONDS"])
@pytest.mark.parametrize("value", ["-1", "a day", "0.5"])
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value})
