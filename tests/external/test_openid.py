"""The hospital's sign-in against a provider that lies: what is not proved is refused, and what is no answer waits for nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.lying_provider import CLIENT_ID, SECRET, SUBJECT, LyingProvider, lying_provider, signed_with_the_public_key, unsigned
from trialcrf.external import openid
from trialcrf.external.openid import Client, Provider, Refused, Unreachable, round_of

NOW = datetime.now(UTC)


def now() -> datetime:
    return datetime.now(UTC)


ONE = round_of("what only the browser holds")


@pytest.fixture
def hospital() -> Iterator[LyingProvider]:
    with lying_provider() as made:
        yield made


def client(hospital: LyingProvider, **more) -> Provider:
    return Provider(Client(hospital.issuer, CLIENT_ID, SECRET, "http://127.0.0.1:8000/hospital/back", **more))


def code_of(hospital: LyingProvider, provider: Provider) -> str:
    return hospital.visit(provider.address(ONE, now())).partition("code=")[2].partition("&")[0]


def identity(hospital: LyingProvider, **more):
    provider = client(hospital, **more)
    return provider.identity(code_of(hospital, provider), ONE, now())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_who_signed_in_there_is_known_by_issuer_and_subject_alone(hospital, algorithm):
    hospital.algorithm = algorithm
    hospital.claims = {"email": "cora@example.org", "aud": [CLIENT_ID]}
    found = identity(hospital)
    assert (found.issuer, found.subject, found.strong) == (hospital.issuer, SUBJECT, False)


LIES = {
    "nonce": {"nonce": "of somebody else"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "another program"},
    "audience among others": {"aud": [CLIENT_ID, "another program"]},
    "azp": {"azp": "another program"},
    "expired": {"exp": int(NOW.timestamp()) - 3600},
    "no end": {"exp": None},
    "to come": {"iat": int(NOW.timestamp()) + 3600},
    "no beginning": {"iat": None},
    "not yet": {"nbf": int(NOW.timestamp()) + 3600},
    "issuer": {"iss": "https://login.evil.example"},
    "nobody": {"sub": ""},
    "no subject": {"sub": None},
    "a number": {"sub": 4711},
    "the end of a session": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
}


@pytest.mark.parametrize("claims", LIES.values(), ids=LIES)
def test_a_token_of_which_one_claim_is_wrong_is_refused(hospital, claims):
    hospital.claims = claims
    with pytest.raises(Refused):
        identity(hospital)


FORGED = {
    "alg none": lambda claims: unsigned(claims),
    "alg None": lambda claims: unsigned(claims, "None"),
    "HS256 with the public key": signed_with_the_public_key,
    "no token at all": lambda claims: "a.b.c",
    "no text": lambda claims: "",
    "a list for a header": lambda claims: "W10.e30.",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_token_that_no_key_of_the_provider_signed_is_refused(hospital, forged):
    hospital.token = forged
    with pytest.raises(Refused):
        identity(hospital)


@pytest.mark.parametrize("sort", ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt"])
def test_a_token_of_another_sort_is_no_word_of_who_signed_in(hospital, sort):
    hospital.header = {"typ": sort}
    with pytest.raises(Refused):
        identity(hospital)
    hospital.header = {"typ": "JWT"}
    assert identity(hospital).subject == SUBJECT


def test_a_key_of_the_same_name_that_the_provider_does_not_publish_signs_nothing(hospital):
    hospital.algorithm, hospital.sign_with = "RS256", "other"
    with pytest.raises(Refused, match="signature"):
        identity(hospital)


def test_an_unknown_key_is_looked_for_once_more_and_then_refused(hospital):
    provider = client(hospital)
    provider.identity(code_of(hospital, provider), ONE, now())
    hospital.algorithm, hospital.header = "RS256", {"kid": "of nobody"}
    before = hospital.asked.count("/keys")
    with pytest.raises(Refused, match="key"):
        provider.identity(code_of(hospital, provider), ONE, now())
    assert hospital.asked.count("/keys") == before + 1


def test_keys_that_were_changed_since_are_found(hospital):
    provider = client(hospital)
    hospital.served_keys = ["ES256"]
    provider.identity(code_of(hospital, provider), ONE, now())
    hospital.served_keys, hospital.algorithm = ["RS256"], "RS256"
    assert provider.identity(code_of(hospital, provider), ONE, now()).subject == SUBJECT


def test_a_code_is_good_once_and_only_with_the_verifier_of_its_round(hospital):
    provider = client(hospital)
    code = code_of(hospital, provider)
    with pytest.raises(Refused, match="code"):
        provider.identity(code, round_of("another browser"), now())
    code = code_of(hospital, provider)
    provider.identity(code, ONE, now())
    with pytest.raises(Refused, match="code"):
        provider.identity(code, ONE, now())
    for typed in ("", "x" * 5000):
        with pytest.raises(Refused, match="code"):
            provider.identity(typed, ONE, now())


ABOUT = {
    "another issuer": {"issuer": "https://login.evil.example"},
    "no PKCE": {"code_challenge_methods_supported": ["plain"]},
    "no address": {"authorization_endpoint": None},
    "another kind of address": {"authorization_endpoint": "ftp://127.0.0.1/authorize"},
    "a password in it": {"authorization_endpoint": "http://someone@127.0.0.1/"},
}


@pytest.mark.parametrize("about", ABOUT.values(), ids=ABOUT)
def test_a_provider_that_says_what_it_should_not_of_itself_is_not_asked(hospital, about):
    hospital.about = about
    with pytest.raises(Unreachable):
        client(hospital).address(ONE, now())


def test_without_tls_no_key_is_fetched_from_a_provider_that_has_it(hospital):
    hospital.about = {"issuer": "https://127.0.0.1"}
    provider = client(hospital)
    provider._plain = False
    assert not provider._trusted("http://127.0.0.1/keys")


ANSWERS = {
    "elsewhere": (302, {"Location": "http://127.0.0.1:9/"}, b""),
    "huge": (200, {}, b'{"id_token": "' + b"x" * 300_000 + b'"}'),
    "no JSON": (200, {}, b"<html>"),
    "deep": (200, {}, b"[" * 100_000),
    "a list": (200, {}, b"[]"),
    "broken": (500, {}, b"{}"),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_none_is_not_believed_and_no_redirect_is_followed(hospital, path, answer):
    hospital.answers = {path: answer}
    with pytest.raises(Unreachable):
        identity(hospital)


def test_silence_is_not_waited_for(hospital, monkeypatch):
    monkeypatch.setattr(openid, "PATIENCE", 0.2)
    hospital.silent = {"/token"}
    began = time.monotonic()
    with pytest.raises(Unreachable):
        identity(hospital)
    assert time.monotonic() - began < 1.5


def test_what_the_provider_says_of_itself_is_kept_for_an_hour(hospital):
    provider = client(hospital)
    for later in (0, 59, 61):
        provider.address(ONE, now() + timedelta(minutes=later))
    assert hospital.asked.count("/.well-known/openid-configuration") == 2


STRONG = [({"amr": ["pwd", "otp"]}, True), ({"amr": ["pwd", "sms"]}, False), ({"amr": "mfa"}, False), ({"acr": "gold"}, True), ({}, False)]


@pytest.mark.parametrize(("claims", "strong"), STRONG)
def test_a_second_factor_is_one_that_the_token_names(hospital, claims, strong):
    hospital.claims = claims
    assert identity(hospital, acr=("gold",)).strong is strong
