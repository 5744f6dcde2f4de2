"""The hospital's sign-in: OpenID Connect by code and PKCE. What it says is believed only where its keys have signed it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwk, jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSAlgModel, JWSRegistry

PATIENCE = 5.0
"""Seconds within which the provider answers, and says all of it."""

LARGEST = 256 * 1024
"""Bytes of an answer. A discovery document has about three thousand."""

ALGORITHMS: Mapping[str, str] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
"""Signatures that are believed, each with the only kind of key that makes it: never a shared secret, never none."""

STRONG_METHODS = frozenset({"mfa", "otp", "hwk", "swk", "sc"})
"""Methods of RFC 8176 that are a second factor, or say that there was one. A text message (`sms`) is none here."""

LEEWAY = 60
"""Seconds by which the clocks of both houses may differ."""

MET_FOR = timedelta(hours=1)
"""How long what the provider says of itself is kept."""

SHORTEST_RSA = 2048


class Unreachable(Exception):
    """The provider does not answer, or not as its protocol says: nobody lied, and nobody gets in."""


class Refused(Exception):
    """What came back proves nothing. `why` is a word for the trail; the person is told the same whichever it is."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Client:
    """How this installation is known to the provider; `back` is where it sends people back to, `acr` what counts as a strong sign-in."""

    issuer: str
    client_id: str
    client_secret: str
    back: str
    acr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says that somebody is: issuer and subject, and nothing that could be given to another person later.

    `strong`: by more than one factor, as far as it says so. `proved_at`: when the person last showed there who they are, where it says so.
    """

    issuer: str
    subject: str
    strong: bool
    proved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """The three secrets of one round trip, all made of one that only the browser holds: nobody else can end it."""

    state: str
    nonce: str
    verifier: str


def round_of(secret: str) -> Round:
    made = (_base64(hmac.new(secret.encode(), what, hashlib.sha256).digest()) for what in (b"state", b"nonce", b"verifier"))
    return Round(*made)


class Provider:
    """The hospital's server, as far as it was met. Its answers are kept for a while; its keys are asked anew where one is unknown."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._plain = urlsplit(client.issuer).scheme == "http"  # Only ever on this machine: the settings refuse it elsewhere.
        self._met: tuple[datetime, Mapping[str, Any]] | None = None
        self._keys: list[Mapping[str, Any]] = []

    def address(self, one: Round, now: datetime, anew: bool = False) -> str:
        """Where the browser is led; `anew`: the person is to show who they are, whomever the hospital remembers. Raises Unreachable."""
        asked = {
            "response_type": "code",
            "scope": "openid",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.back,
            "state": one.state,
            "nonce": one.nonce,
            "code_challenge": _base64(hashlib.sha256(one.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        if anew:
            asked |= {"prompt": "login", "max_age": "0"}
        if self.client.acr:
            asked["acr_values"] = " ".join(self.client.acr)
        where = self._endpoint("authorization_endpoint", now)
        return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(asked)}"

    def identity(self, code: str, one: Round, now: datetime) -> Identity:
        """Exchange the code for who somebody is. Raises Unreachable, and Refused for what is not proved."""
        if not code or len(code) > 4096:
            raise Refused("code")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.client.back, "code_verifier": one.verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if "client_secret_basic" in self._about(now).get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            pair = f"{quote(self.client.client_id, safe='')}:{quote(self.client.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self.client.client_id, "client_secret": self.client.client_secret}
        status, said = self._ask(self._endpoint("token_endpoint", now), urlencode(form), headers)
        if status in (400, 401):
            raise Refused("code")
        if status != 200 or not isinstance(said.get("id_token"), str):
            raise Unreachable(f"token endpoint: {status}")
        return self._believed(said["id_token"], one.nonce, now)

    def _believed(self, token: str, nonce: str, now: datetime) -> Identity:
        """The identity of an ID token whose every claim holds (OpenID Connect Core 3.1.3.7). Raises Refused."""
        claims = self._signed(token, now)
        audience = claims.get("aud")
        audience = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        ends, made, subject = claims.get("exp"), claims.get("iat"), claims.get("sub")
        moment, begins = now.timestamp(), claims.get("nbf", 0)
        wrong = {
            "type": "events" in claims,
            "issuer": claims.get("iss") != self.client.issuer,
            "audience": self.client.client_id not in audience,
            "azp": claims.get("azp", self.client.client_id) != self.client.client_id or (len(audience) > 1 and "azp" not in claims),
            "expired": _number(ends) is None or moment >= (_number(ends) or 0) + LEEWAY,
            "not yet": any(_number(one) is None or (_number(one) or 0) > moment + LEEWAY for one in (made, begins)),
            "nonce": not hmac.compare_digest(str(claims.get("nonce", "")).encode("utf-8", "replace"), nonce.encode()),
            "subject": not isinstance(subject, str) or not 1 <= len(subject) <= 255 or not subject.isascii(),
        }
        found = next((why for why, is_so in wrong.items() if is_so), None)
        if found is not None:
            raise Refused(found)
        return Identity(self.client.issuer, str(subject), self._strong(claims), _moment(claims.get("auth_time")))

    def _strong(self, claims: Mapping[str, Any]) -> bool:
        """Whether it says that more than a password was asked: by one of the words of RFC 8176, or a level that the settings name."""
        said = claims.get("amr")
        methods = {one for one in said if isinstance(one, str)} if isinstance(said, list) else set()
        return bool(methods & STRONG_METHODS) or claims.get("acr") in self.client.acr

    def _signed(self, token: str, now: datetime) -> Mapping[str, Any]:
        """The claims of a token that one of the provider's keys signed. Raises Refused, and Unreachable where its keys cannot be had."""
        try:
            header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
            algorithm, kid, sort = header.get("alg"), header.get("kid"), str(header.get("typ", "JWT"))
        except (ValueError, AttributeError):
            raise Refused("token") from None
        if algorithm not in ALGORITHMS:
            raise Refused("algorithm")
        if sort.lower() != "jwt":
            raise Refused("type")  # An access token, or one that ends a session: signed by the same keys, and no word of who signed in.
        key = self._key(kid, algorithm)
        if key is None:
            self._keys = self._fetched_keys(now)  # Once: it may have changed them since.
            key = self._key(kid, algorithm)
        if key is None:
            raise Refused("key")
        try:
            claims: Mapping[str, Any] = jwt.decode(token, jwk.import_key(dict(key)), registry=_Registry(algorithm)).claims
        except (JoseError, ValueError, TypeError):
            raise Refused("signature") from None
        return claims

    def _key(self, kid: object, algorithm: str) -> Mapping[str, Any] | None:
        """The one key that may have made the signature: of this name (none: the only one there is) and of the algorithm's own kind."""
        fit = [one for one in self._keys if one.get("kty") == ALGORITHMS[algorithm] and one.get("alg", algorithm) == algorithm]
        fit = [one for one in fit if one.get("use", "sig") == "sig" and (kid is None or one.get("kid") == kid)]
        if len(fit) != 1 or (fit[0]["kty"] == "RSA" and len(str(fit[0].get("n", ""))) * 6 < SHORTEST_RSA):
            return None
        return fit[0]

    def _fetched_keys(self, now: datetime) -> list[Mapping[str, Any]]:
        status, said = self._ask(self._endpoint("jwks_uri", now))
        keys = said.get("keys")
        if status != 200 or not isinstance(keys, list):
            raise Unreachable(f"keys: {status}")
        return [one for one in keys if isinstance(one, dict)]

    def _endpoint(self, name: str, now: datetime) -> str:
        where = self._about(now).get(name)
        if not isinstance(where, str) or not self._trusted(where):
            raise Unreachable(f"{name} is no address over https")
        return where

    def _trusted(self, where: str) -> bool:
        try:
            parts = urlsplit(where)
            return bool(parts.hostname) and parts.username is None and parts.scheme == ("http" if self._plain else "https")
        except ValueError:
            return False

    def _about(self, now: datetime) -> Mapping[str, Any]:
        """What the provider says of itself. Raises Unreachable, also where it is another than it is asked for, or knows no PKCE."""
        if self._met is not None and self._met[0] > now - MET_FOR:
            return self._met[1]
        status, said = self._ask(self.client.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if status != 200 or said.get("issuer") != self.client.issuer:
            raise Unreachable(f"discovery: {status}, issuer {str(said.get('issuer'))[:200]!r}")
        if "S256" not in said.get("code_challenge_methods_supported", ["S256"]):
            raise Unreachable("discovery: without PKCE by S256")
        self._met = (now, said)
        return said

    def _ask(self, where: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, Any]]:
        """Status and JSON of one answer. A redirect is an answer like any other and is never followed. Raises Unreachable."""
        parts = urlsplit(where)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        ends = time.monotonic() + PATIENCE
        connection = self._connection(parts.hostname or "", parts.port)
        try:
            connection.request("GET" if body is None else "POST", path, body, {"Accept": "application/json", **(headers or {})})
            answer = connection.getresponse()
            content = b""
            while piece := answer.read1(65536):
                content += piece
                if len(content) > LARGEST or time.monotonic() > ends:
                    raise Unreachable("the answer is too long, or takes too long")
            said = json.loads(content) if answer.status in (200, 400, 401) else {}
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise Unreachable(type(error).__name__) from error
        finally:
            connection.close()
        return answer.status, said if isinstance(said, dict) else {}

    def _connection(self, host: str, port: int | None) -> http.client.HTTPConnection:
        if self._plain:
            return http.client.HTTPConnection(host, port, timeout=PATIENCE)
        return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=ssl.create_default_context())


class _Registry(JWSRegistry):
    """One algorithm and no other. EdDSA goes by the name of its curve since RFC 9864, but providers write the old name, which is no fault.

    Header parameters that nobody here knows are let stand, as RFC 7515 asks, save those that `crit` names.
    """

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)
        self.only = algorithm

    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name] if name == self.only == "EdDSA" else super().get_alg(name)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(value: object) -> datetime | None:
    seconds = _number(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None and 0 < seconds < 2**40 / 8 else None


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
