"""An OpenID Connect provider in the process of the tests, with real keys. It keeps to the protocol, unless it is told how to lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwk, jwt

CLIENT_ID, SECRET = "trialcrf-tests", "a secret: with / signs"
SUBJECT = "nurse-4711"
ACCESS_TOKEN = "opens-the-hospitals-own-programs"


@cache
def keys() -> dict[str, Any]:
    """One of each kind, made once."""
    return {
        "RS256": jwk.RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
        "ES256": jwk.ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
        "EdDSA": jwk.OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
        "other": jwk.RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
    }


class LyingProvider:
    """`claims` stand in the token in place of the true ones (None: left out), `token` makes it wholly; `about` alters the discovery.

    `answers` are (status, headers, bytes) by path, in place of what is right; `silent` paths never answer; `asked` counts the requests.
    """

    def __init__(self) -> None:
        self.algorithm = "ES256"
        self.claims: dict[str, Any] = {}
        self.about: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.served_keys = ["RS256", "ES256", "EdDSA"]
        self.header: dict[str, Any] = {}
        self.sign_with = ""
        self.token = lambda claims: self.signed(claims)
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

            def do_GET(self) -> None:
                provider._answer(self, {})

            def do_POST(self) -> None:
                provider._answer(self, dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode())))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def visit(self, address: str, subject: str = SUBJECT) -> str:
        """What somebody's browser does at the hospital's page: sign in, and be sent back. Answers path and query of the way back."""
        asked = {name: texts[0] for name, texts in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT_ID, "S256")
        code = secrets.token_urlsafe(8)
        self._codes[code] = {**asked, "subject": subject}
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def signed(self, claims: dict[str, Any]) -> str:
        key = keys()[self.sign_with or self.algorithm]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The name EdDSA is an old one: providers use it.
            return jwt.encode({"alg": self.algorithm, "kid": key.kid, **self.header}, claims, key, algorithms=[self.algorithm])

    def _answer(self, handler: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        path = urlsplit(handler.path).path
        self.asked.append(path)
        if path in self.silent:
            time.sleep(2)
            return
        status, headers, content = self.answers.get(path) or self._right(path, form, handler.headers.get("Authorization", ""))
        handler.send_response(status)
        for name, text in headers.items():
            handler.send_header(name, text)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _right(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/.well-known/openid-configuration":
            there = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
            said = {"issuer": self.issuer, **{name: self.issuer + at for name, at in there.items()}, **self.about}
            return 200, {}, json.dumps(said).encode()
        if path == "/keys":
            return 200, {}, json.dumps({"keys": [keys()[name].as_dict(private=False) for name in self.served_keys]}).encode()
        if path == "/token":
            return self._redeemed(form, authorization)
        return 404, {}, b"{}"

    def _redeemed(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], bytes]:
        asked = self._codes.pop(form.get("code", ""), None)  # A code is good once.
        right = "Basic " + base64.b64encode(f"{CLIENT_ID}:a%20secret%3A%20with%20%2F%20signs".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if asked is None or authorization != right or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {}, b'{"error": "invalid_grant"}'
        now = int(time.time())
        true = {"iss": self.issuer, "sub": asked["subject"], "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": asked["nonce"]}
        claims = {name: value for name, value in {**true, **self.claims}.items() if value is not None}
        return 200, {}, json.dumps({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": self.token(claims)}).encode()


@contextmanager
def lying_provider() -> Iterator[LyingProvider]:
    made = LyingProvider()
    serving = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        serving.join()
        made.server.server_close()


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    """A token that nobody signed."""
    parts = ({"alg": algorithm}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def signed_with_the_public_key(claims: dict[str, Any]) -> str:
    """The old trick: the public key, which everybody has, as the secret of HS256."""
    public = keys()["RS256"].as_pem(private=False)
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa"}').rstrip(b"=")
    body = header + b"." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    return (body + b"." + base64.urlsafe_b64encode(hmac.new(public, body, hashlib.sha256).digest()).rstrip(b"=")).decode()
