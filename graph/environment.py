"""What is in the environment: values by name, each checked, with a message for whoever set it."""

import ipaddress
import math
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

SECRET_BYTES = 32
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_STORES = ("s3", "gs", "az")
_SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")


class SettingsError(ValueError):
    """A setting makes no sense. The message is for the user."""


def database_url(given: str | None, name: str = "DATABASE_URL") -> str | None:
    """The address of a database, as SQLAlchemy wants it; None where none is given. Raises SettingsError."""
    if not given:
        return None
    scheme, separator, rest = given.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise SettingsError(f"{name} must begin with postgresql://")
    try:
        _ = urlsplit(given).port
    except ValueError:
        raise SettingsError(
            f"{name} is not a valid address: look at its port, and at / and @ in its password."
        ) from None
    place, _, query = rest.partition("?")
    # libpq says sslmode; asyncpg calls it ssl and knows the same values.
    options = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(query)]
    return f"postgresql+asyncpg://{place}" + (f"?{urlencode(options)}" if options else "")


def object_store_url(given: str | None) -> str | None:
    """Where files are kept. Raises SettingsError."""
    if not given:
        return None
    parts = urlsplit(given)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise SettingsError(
            "OBJECT_STORE_URL holds a place and nothing else: keys and options are variables of their own, e.g. AWS_REGION."
        )
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return given
    if parts.scheme in _STORES and parts.netloc:
        return given
    raise SettingsError(
        "OBJECT_STORE_URL must be like file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."
    )


def object_store_public_url(given: str) -> str | None:
    """Where anybody can read them, without a slash at the end. Raises SettingsError."""
    origin = "/".join(given.split("/")[:3])
    is_place = given.isascii() and given.isprintable() and not any(one in given for one in " ?#")
    if given and not (given.startswith("https://") and _is_origin(origin) and is_place):
        raise SettingsError(f"OBJECT_STORE_PUBLIC_URL must be like https://cdn.example.com/folder; it is {given!r}.")
    return given.rstrip("/") or None


def secret(given: str | None) -> str | None:
    """A secret that is long enough. Raises SettingsError."""
    if given and len(given.encode()) < SECRET_BYTES:
        raise SettingsError(f"JWT_SECRET must be at least {SECRET_BYTES} bytes long, e.g. from: openssl rand -hex 32")
    return given or None


def jwks_url(given: str | None) -> str | None:
    """Where public keys are, by a way that nobody can change. Raises SettingsError."""
    if not given:
        return None
    url = urlsplit(given)
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or "")):
        return given
    raise SettingsError("JWT_JWKS_URL must be an https:// address: whoever can change it on its way can sign tokens.")


def origins(given: str) -> frozenset[str]:
    """Origins, separated by commas. Raises SettingsError."""
    origins = frozenset(one.strip() for one in given.split(",") if one.strip())
    for origin in origins:
        if not _is_origin(origin):
            raise SettingsError(f"ALLOWED_ORIGINS must be like https://app.example.com; it holds {origin!r}.")
    return frozenset(map(origin_of, origins))


def origin_of(given: str) -> str:
    """An origin as browsers spell it: in lower case, and without the port that its scheme has anyway."""
    scheme, _, place = given.lower().partition("://")
    return f"{scheme}://{place.removesuffix(_USUAL_PORTS.get(scheme, ''))}"


def networks(given: str, name: str) -> tuple[str, ...]:
    """Addresses and networks, separated by commas. Raises SettingsError."""
    found = tuple(one.strip() for one in given.split(",") if one.strip())
    for one in found:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise SettingsError(f"{name} must be like 10.0.0.7, 10.1.0.0/16; it holds {one!r}.") from None
    return found


def public_url(given: str) -> str | None:
    """An origin, without a slash at the end. Raises SettingsError."""
    if given and not _is_origin(given):
        raise SettingsError(f"PUBLIC_URL must be like https://groundswell.example.com; it is {given!r}.")
    return given or None


def _is_origin(given: str) -> bool:
    try:
        parts = urlsplit(given)
        _ = parts.port
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    return is_web and given == f"{parts.scheme}://{parts.netloc}"


def whole(environ: Mapping[str, str], name: str, default: int, *, least: int, most: int | None = None) -> int:
    """A whole number within bounds; the default where none is given. Raises SettingsError."""
    given = environ.get(name)
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or int(given) < least:
        raise SettingsError(f"{name} must be a whole number, {least} or more; it is {given!r}.")
    if most is not None and int(given) > most:
        raise SettingsError(f"{name} must be at most {most}; it is {given!r}.")
    return int(given)


def seconds(environ: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    """Seconds, fractions allowed; the default where none are given. Raises SettingsError."""
    given = environ.get(name)
    if not given:
        return default
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not least <= found < math.inf:
        raise SettingsError(f"{name} must be a number of seconds, {least:g} or more; it is {given!r}.")
    return found


def one_of(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of some words, in lower case; the default where none is given. Raises SettingsError."""
    given = (environ.get(name) or default).lower()
    if given not in choices:
        *others, last = choices
        raise SettingsError(f"{name} must be {', '.join(others)} or {last}; it is {environ[name]!r}.")
    return given


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
