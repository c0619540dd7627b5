"""Settings of restarts."""

import pytest

from graph.environment import SettingsError
from graph.restart_settings import RestartSettings


def test_who_has_no_balancer_waits_for_none() -> None:
    assert RestartSettings.from_env({}) == RestartSettings(drain=0, keep_alive=65)


def test_both_can_be_set() -> None:
    given = {"DRAIN_SECONDS": "5", "KEEP_ALIVE_SECONDS": "75"}
    assert RestartSettings.from_env(given) == RestartSettings(drain=5, keep_alive=75)


@pytest.mark.parametrize(
    ("name", "value"), [("DRAIN_SECONDS", "soon"), ("DRAIN_SECONDS", "3601"), ("KEEP_ALIVE_SECONDS", "0")]
)
def test_what_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        RestartSettings.from_env({name: value})
