"""Tokens signed with a private key, verified with the public keys of a real JWKS address."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from graph.app import build_app
from graph.settings import Settings

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
KEYS = [
    {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa", "use": "sig", "alg": "RS256"},
    {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec", "use": "sig", "alg": "ES256"},
]


class Keys(BaseHTTPRequestHandler):
    """Serves the public keys."""

    def do_GET(self) -> None:
        body = json.dumps({"keys": KEYS}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def jwks_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    server.server_close()


@pytest.fixture
async def client(database_url: str, workspace: int, jwks_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    environ = {"JWT_JWKS_URL": jwks_url, "JWT_AUDIENCE": "groundswell", "JWT_ISSUER": "https://id.example"}
    app = build_app(Settings.from_env(environ, data_dir=tmp_path), database_url)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


def signed(key: Any, algorithm: str, kid: str = "rsa", **claims: Any) -> str:
    values = {
        "sub": "ada",
        "workspace": "test",
        "scope": "read",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        "aud": "groundswell",
        "iss": "https://id.example",
        **claims,
    }
    return jwt.encode(values, key, algorithm, headers={"kid": kid})


async def status(client: httpx.AsyncClient, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return (await client.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)).status_code


async def test_both_kinds_of_keys_are_good(client: httpx.AsyncClient) -> None:
    assert await status(client, signed(RSA_KEY, "RS256")) == 200
    assert await status(client, signed(EC_KEY, "ES256", "ec")) == 200


async def test_what_does_not_fit_is_refused(client: httpx.AsyncClient) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert await status(client, signed(stranger, "RS256")) == 401
    assert await status(client, signed(RSA_KEY, "RS256", "unknown")) == 401
    assert await status(client, signed(RSA_KEY, "RS256", aud="another")) == 401
    assert await status(client, signed(RSA_KEY, "RS256", iss="https://other.example")) == 401


async def test_a_public_key_is_no_secret(client: httpx.AsyncClient) -> None:
    # The classic confusion: signed with HS256, the public key as the secret.
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT","kid":"rsa"}')
    body = signed(RSA_KEY, "RS256").split(".")[1].encode()
    signature = jwt.utils.base64url_encode(
        jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(header + b"." + body, PUBLIC_PEM)
    )
    assert await status(client, b".".join((header, body, signature)).decode()) == 401


async def test_a_token_cannot_choose_an_algorithm_for_the_key(client: httpx.AsyncClient) -> None:
    assert await status(client, signed(EC_KEY, "ES256", "rsa")) == 401
    assert await status(client, signed(RSA_KEY, "RS256", "ec")) == 401


async def test_when_the_keys_cannot_be_had_it_is_not_the_tokens_fault(
    database_url: str, workspace: int, tmp_path: Path
) -> None:
    nobody = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    nobody.server_close()
    url = f"http://127.0.0.1:{nobody.server_port}/keys"
    app = build_app(Settings.from_env({"JWT_JWKS_URL": url}, data_dir=tmp_path), database_url)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        assert await status(client, signed(RSA_KEY, "RS256")) == 503
