"""Settings: what the environment may say, and what it is told when it may not."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from graph.development import development_secret
from graph.environment import SettingsError
from graph.settings import Settings, UploadLimits

SECRET = "0123456789abcdef0123456789abcdef"


def test_an_empty_environment_is_development_on_this_machine() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8000, None)
    assert settings.data_dir == Path(".groundswell").absolute()
    assert settings.development


def test_what_is_given_wins_over_the_environment() -> None:
    settings = Settings.from_env({"GROUNDSWELL_DATA_DIR": "/a"}, data_dir=Path("/b"), host="::1", port=0)
    assert (settings.data_dir, settings.host, settings.port) == (Path("/b"), "::1", 0)


def test_empty_variables_count_as_unset() -> None:
    names = ("DATABASE_URL", "GROUNDSWELL_DATA_DIR", "JWT_SECRET", "JWT_JWKS_URL", "DATABASE_POOL_SIZE", "LOG_LEVEL")
    assert Settings.from_env(dict.fromkeys(names, "")) == Settings.from_env({})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_database_url_gets_the_driver(scheme: str) -> None:
    settings = Settings.from_env({"DATABASE_URL": f"{scheme}://ada:p%40ss@db:5432/gs"})
    assert settings.database_url == "postgresql+asyncpg://ada:p%40ss@db:5432/gs"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DATABASE_URL": "mysql://db/gs"}, "postgresql://"),
        ({"DATABASE_URL": "db"}, "postgresql://"),
        ({"JWT_SECRET": SECRET[1:]}, "at least 32 bytes"),
        ({"JWT_SECRET": SECRET, "JWT_JWKS_URL": "https://id.example/jwks"}, "not both"),
        ({"JWT_JWKS_URL": "http://id.example/jwks"}, "https"),
        ({"DATABASE_POOL_SIZE": "0"}, "DATABASE_POOL_SIZE"),
        ({"DATABASE_POOL_OVERFLOW": "-1"}, "DATABASE_POOL_OVERFLOW"),
        ({"DATABASE_POOL_TIMEOUT": "soon"}, "DATABASE_POOL_TIMEOUT"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"PUBLIC_URL": "gs.example.com"}, "PUBLIC_URL must be like https://groundswell.example.com"),
        ({"PUBLIC_URL": "https://gs.example.com/"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://gs.example.com/api"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://ada:secret@gs.example.com"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://gs.example.com:x"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "ftp://gs.example.com"}, "PUBLIC_URL"),
        ({"FILE_LINK_SECONDS": "0"}, "FILE_LINK_SECONDS"),
        ({"FILE_LINK_SECONDS": "604801"}, "at most 604800"),
        ({"UPLOAD_BYTES": "1023"}, "UPLOAD_BYTES"),
        ({"UPLOAD_FILES": "0"}, "UPLOAD_FILES"),
        ({"UPLOAD_QUIET_SECONDS": "0"}, "UPLOAD_QUIET_SECONDS"),
        ({"OBJECT_STORE_PUBLIC_URL": "http://cdn.example.com"}, "OBJECT_STORE_PUBLIC_URL must be like https://"),
        ({"OBJECT_STORE_PUBLIC_URL": "https://"}, "OBJECT_STORE_PUBLIC_URL"),
        ({"OBJECT_STORE_PUBLIC_URL": "https://cdn.example.com:x"}, "OBJECT_STORE_PUBLIC_URL"),
        ({"OBJECT_STORE_PUBLIC_URL": "https://ada:secret@cdn.example.com"}, "OBJECT_STORE_PUBLIC_URL"),
        ({"OBJECT_STORE_PUBLIC_URL": "https://cdn.example.com/?a"}, "OBJECT_STORE_PUBLIC_URL"),
        ({"OBJECT_STORE_PUBLIC_URL": "https://cdn.example.com/a b"}, "OBJECT_STORE_PUBLIC_URL"),
    ],
)
def test_what_makes_no_sense_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.from_env(environ)


def test_files_can_be_open_to_everybody() -> None:
    assert Settings.from_env({}).object_store_public_url is None
    settings = Settings.from_env({"OBJECT_STORE_PUBLIC_URL": "https://cdn.example.com:8443/folder/"})
    assert settings.object_store_public_url == "https://cdn.example.com:8443/folder"


def test_what_a_request_with_files_may_bring_can_be_set() -> None:
    assert Settings.from_env({}).upload_limits == UploadLimits(4 * 1024**3, 10, 60)
    given = {"UPLOAD_BYTES": "2048", "UPLOAD_FILES": "1", "UPLOAD_QUIET_SECONDS": "5"}
    assert Settings.from_env(given).upload_limits == UploadLimits(2048, 1, 5)


def test_a_secret_is_counted_in_bytes() -> None:
    assert Settings.from_env({"JWT_SECRET": "ä" * 16}).jwt_secret == "ä" * 16


@pytest.mark.parametrize("url", ["https://id.example/jwks", "http://127.0.0.1:9/jwks", "http://[::1]/jwks"])
def test_keys_come_from_https_or_this_machine(url: str) -> None:
    settings = Settings.from_env({"JWT_JWKS_URL": url})
    assert settings.jwks_url == url
    assert settings.signing_secret() is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_development_listens_on_this_machine(host: str) -> None:
    assert Settings.from_env({}, host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])
def test_without_a_secret_others_stay_outside(host: str) -> None:
    with pytest.raises(SettingsError, match=r"JWT_SECRET.*this machine only"):
        Settings.from_env({}, host=host)
    assert Settings.from_env({"JWT_SECRET": SECRET}, host=host).host == host


def test_a_development_secret_is_made_once_for_its_owner(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    made = development_secret(data_dir)
    assert len(bytes.fromhex(made)) == 32
    assert development_secret(data_dir) == made
    assert (data_dir / "jwt-secret").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in data_dir.iterdir()] == ["jwt-secret"]


def test_many_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    start, made = threading.Barrier(16), []

    def make() -> None:
        start.wait(10)
        made.append(development_secret(tmp_path))

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 16
    assert len(set(made)) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql:///dev", "postgresql+asyncpg:///dev"),
        ("postgres://u:p@h:1/d?sslmode=require", "postgresql+asyncpg://u:p@h:1/d?ssl=require"),
        ("postgresql://postgres@/d?host=/tmp/x", "postgresql+asyncpg://postgres@/d?host=%2Ftmp%2Fx"),
    ],
)
def test_a_database_address_as_libpq_has_it(given: str, expected: str, tmp_path: Path) -> None:
    assert Settings.from_env({"DATABASE_URL": given}, data_dir=tmp_path).database_url == expected


def test_a_database_address_with_a_senseless_port(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a valid address"):
        Settings.from_env({"DATABASE_URL": "postgresql://h:x/d"}, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVE_KEEP_HOURS", "0"),
        ("LIVE_QUEUE", "many"),
        ("LIVE_PER_CLIENT", "-1"),
        ("WEBSOCKET_FRAME_BYTES", "10"),
        ("LIVE_DATABASE_URL", "mysql://somewhere"),
        ("ALLOWED_ORIGINS", "app.example.com"),
        ("ALLOWED_ORIGINS", "https://app.example.com/path"),
    ],
)
def test_a_setting_of_the_live_stream_that_makes_no_sense_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value}, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("INGEST_BODY_BYTES", 1024),
        ("INGEST_UNPACKED_BYTES", 1024),
        ("INGEST_LINE_BYTES", 1024),
        ("INGEST_LINES", 1),
        ("INGEST_CONCURRENCY", 1),
        ("INGEST_BODY_SECONDS", 1),
    ],
)
def test_each_limit_of_ingest_can_be_set(tmp_path: Path, name: str, least: int) -> None:
    field = name.removeprefix("INGEST_").lower()
    usual = Settings.from_env({}, data_dir=tmp_path).ingest_limits
    given = Settings.from_env({name: str(least)}, data_dir=tmp_path).ingest_limits
    assert given == replace(usual, **{field: least})
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: str(least - 1)}, data_dir=tmp_path)


def test_origins_are_separated_by_commas(tmp_path: Path) -> None:
    settings = Settings.from_env({"ALLOWED_ORIGINS": "https://a.example, http://localhost:3000"}, data_dir=tmp_path)
    assert settings.allowed_origins == {"https://a.example", "http://localhost:3000"}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8001"),
        ("::1", "http://[::1]:8001"),
        ("0.0.0.0", "http://127.0.0.1:8001"),
        ("::", "http://[::1]:8001"),
    ],
)
def test_links_lead_to_where_the_server_listens(host: str, address: str) -> None:
    assert Settings.from_env({"JWT_SECRET": SECRET}, host=host).address(8001) == address


def test_links_lead_to_where_clients_reach_it() -> None:
    assert (
        Settings.from_env({"PUBLIC_URL": "https://gs.example.com:8443"}).address(8001) == "https://gs.example.com:8443"
    )


@pytest.mark.parametrize(
    "url", ["file:///srv/objects", "s3://bucket", "s3://bucket/some/prefix", "gs://bucket/prefix", "az://container"]
)
def test_an_object_store_is_a_place(tmp_path: Path, url: str) -> None:
    assert Settings.from_env({"OBJECT_STORE_URL": url}, data_dir=tmp_path).objects_url() == url


def test_without_an_object_store_there_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    assert Settings.from_env({}, data_dir=folder).objects_url() == (folder / "objects").as_uri()


def test_background_work_is_on_unless_it_is_off(tmp_path: Path) -> None:
    assert Settings.from_env({}, data_dir=tmp_path).worker
    assert not Settings.from_env({"WORKER": "off"}, data_dir=tmp_path).worker
    assert Settings.from_env({"WORKER": "off"}, data_dir=tmp_path, worker=True).worker
    assert not Settings.from_env({}, data_dir=tmp_path, worker=False).worker


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OBJECT_STORE_URL", "ftp://host/folder"),
        ("OBJECT_STORE_URL", "objects"),
        ("OBJECT_STORE_URL", "file://objects"),
        ("OBJECT_STORE_URL", "file:///"),
        ("OBJECT_STORE_URL", "s3:///prefix"),
        ("OBJECT_STORE_URL", "s3://key:secret@bucket"),
        ("OBJECT_STORE_URL", "s3://bucket?region=x"),
        ("WORKER", "maybe"),
        ("METRICS", "maybe"),
        ("JOBS_HEARTBEAT_SECONDS", "0"),
        ("EXPORT_PART_ROWS", "none"),
    ],
)
def test_a_setting_of_background_work_that_makes_no_sense_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value}, data_dir=tmp_path)
