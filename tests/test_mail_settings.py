"""Settings of mail."""

from datetime import timedelta
from pathlib import Path

import pytest

from graph.cli_mail import list_mails
from graph.environment import SettingsError
from graph.settings import Settings

TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"


def test_without_a_mail_server_there_is_a_folder(tmp_path: Path) -> None:
    options = Settings.from_env({}, data_dir=tmp_path).mail_options()
    assert (options.smtp_url, options.maildir, options.headers) == (None, tmp_path / "maildir", {})
    assert (options.connections, options.lease, options.late_after) == (8, timedelta(minutes=2), timedelta(hours=1))


def test_names_in_the_list_of_mails_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "maildir" / "new"
    folder.mkdir(parents=True)
    (folder / "1").write_bytes(b"To: a@x.example\r\nSubject: [/b] :smile:\r\n\r\n")
    list_mails(data_dir=tmp_path)
    assert "a@x.example  [/b] :smile:  1" in capsys.readouterr().out


def test_each_can_be_set() -> None:
    given = {
        "SMTP_URL": "smtp://ada:secret@mail.example.com:587?starttls=required",
        "SMTP_CONNECTIONS": "2",
        "MAIL_LEASE_SECONDS": "30",
        "MAIL_LATE_MINUTES": "5",
        "MAIL_PROVIDER": "ses",
        "SES_TOPIC_ARNS": f"{TOPIC}, {TOPIC}-2",
    }
    settings = Settings.from_env(given)
    options = settings.mail_options()
    assert (options.smtp_url, options.connections) == (given["SMTP_URL"], 2)
    assert (options.lease, options.late_after) == (timedelta(seconds=30), timedelta(minutes=5))
    assert options.headers == {"X-SES-MESSAGE-TAGS": "groundswell={token}"}
    assert settings.mail.providers.ses_topic_arns == {TOPIC, f"{TOPIC}-2"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SMTP_URL", "mail.example.com:25", "SMTP_URL"),
        ("SMTP_URL", "http://mail.example.com", "SMTP_URL"),
        ("SMTP_URL", "smtp://ada:hidden@mail.example.com:x", "SMTP_URL"),
        ("SMTP_URL", "smtp://ada:hidden@mail.example.com/path", "SMTP_URL"),
        ("SMTP_URL", "smtp://mail.example.com?starttls=perhaps", "SMTP_URL"),
        ("SMTP_CONNECTIONS", "0", "SMTP_CONNECTIONS must be"),
        ("MAIL_LEASE_SECONDS", "1", "MAIL_LEASE_SECONDS must be"),
        ("MAIL_PROVIDER", "pigeon", "MAIL_PROVIDER must be"),
        ("SES_TOPIC_ARNS", "mail", "SES_TOPIC_ARNS must be like"),
        ("SENDGRID_PUBLIC_KEY", "AAAA", "SENDGRID_PUBLIC_KEY"),
        ("TRUSTED_PROXIES", "10.0.0.300", "TRUSTED_PROXIES must be like"),
        ("TRUSTED_PROXIES", "*", "TRUSTED_PROXIES must be like"),
    ],
)
def test_what_makes_no_sense_is_named_and_no_password_is(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        Settings.from_env({name: value})
    assert "hidden" not in str(refused.value)


def test_proxies_are_addresses_and_networks() -> None:
    assert Settings.from_env({}).trusted_proxies == ()
    given = {"TRUSTED_PROXIES": "10.0.0.7, 10.1.0.0/16,::1"}
    assert Settings.from_env(given).trusted_proxies == ("10.0.0.7", "10.1.0.0/16", "::1")
