"""The proxy of the production chapter, word for word, as a real nginx before the real server: TLS, and nothing beside it."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import create_engine, select

from tests import certificates
from tests.bench.server import serving_process
from tests.production.blocks import CHAPTER, File, blocks
from trialcrf.actions import administer, sign_in
from trialcrf.external import clock
from trialcrf.store.audit import Who
from trialcrf.store.models import session
from trialcrf.store.transaction import open_engine, writing
from trialcrf.web import LARGEST_POST, guard

NGINX = next(one.text for one in blocks(CHAPTER.read_text(encoding="utf-8")) if isinstance(one, File) and "/nginx/" in one.path)
NAME = "crf.example.org"
PASSWORD = "a long sentence for the tests"
FORGED = {
    "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example.org", "X-Request-Id": "mine",
    "X-Real-Ip": "203.0.113.9", "Forwarded": "for=203.0.113.9;proto=http;host=evil.example.org",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    body: str


@dataclass(frozen=True)
class Proxy:
    """nginx and what stands behind it. `open` asks without TLS, `ask` by TLS as a browser that trusts the certificate."""

    http: int
    https: int
    trusted: Path
    database_url: str

    def open(self, path: str, method: str = "GET", body: str = "") -> Answer:
        return _asked(HTTPConnection("127.0.0.1", self.http, timeout=20), method, path, body, {})

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
        context = ssl.create_default_context(cafile=str(self.trusted))
        return _asked(_By(NAME, self.https, context), method, path, body, headers)

    def spoken(self, context: ssl.SSLContext) -> tuple[str, str]:
        """The protocol and the cipher that both agree on. Raises OSError where there is none."""
        with (
            socket.create_connection(("127.0.0.1", self.https), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=NAME) as tls,
        ):
            told = tls.cipher()
            assert told is not None
            return str(tls.version()), told[0]


class _By(HTTPSConnection):
    """A connection to this machine that asks for the server by its name."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=20, context=context)
        self._speaking = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.sock = self._speaking.wrap_socket(plain, server_hostname=NAME)


def _asked(connection: HTTPConnection, method: str, path: str, body: str, headers: dict[str, str]) -> Answer:
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", NAME)
        given = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))} if body else {}
        for name, value in {**given, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode() or None)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))
    finally:
        connection.close()


@contextmanager
def _nginx(folder: Path, text: str, port: int) -> Iterator[None]:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.fail("nginx is missing: run `make dev`, or install the Debian package nginx", pytrace=False)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;\nevents {{}}\nhttp {{\n{temporary}{text}}}\n"
    )
    command = [program, "-p", str(folder), "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"]
    server = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"nginx does not take the chapter's words:\n{(folder / 'log').read_text()}", pytrace=False)
                time.sleep(0.02)
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="module")
def proxy(databases, tmp_path_factory) -> Iterator[Proxy]:
    """The chapter's nginx, of which the name, the ports and the places of the certificate alone are others, before one server."""
    folder = tmp_path_factory.mktemp("proxy")
    data = folder / "data"
    data.mkdir()
    url = databases.fresh("sqlite")
    engine = open_engine(url)
    with writing(engine, clock.now(), Who.system()) as tx:
        account = administer.create_account(tx, "cora", "Cora", "cora@example.org", "Hospital", "en")
        sign_in.set_password(tx, account, "cora", PASSWORD)
    engine.dispose()
    files = certificates.made(folder / "tls", NAME)
    ports = {"80": _free(), "443 ssl": _free()}
    more = {"BASE_URL": f"https://{NAME}", "TRIALCRF_PROXIES": "1", "TRIALCRF_WORKERS": "1", "TRIALCRF_ADMIN_SECOND_FACTOR": "no"}
    with serving_process(url, data, **more) as (port, _process):
        text = re.sub(r"\bHOST\b", NAME, NGINX).replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
        text = text.replace("/etc/ssl/trialcrf/chain.pem", str(files.certificate)).replace("/etc/ssl/trialcrf/key.pem", str(files.key))
        for said, free in ports.items():
            assert text.count(f"listen {said};") == 1
            text = text.replace(f"listen {said};", f"listen 127.0.0.1:{free}{said.removeprefix(said.split()[0])};")
        with _nginx(folder, text, ports["443 ssl"]):
            yield Proxy(ports["80"], ports["443 ssl"], files.authority, url)
    databases.drop(url)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _client(proxy: Proxy, ciphers: str = "DEFAULT") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(proxy.trusted))
    context.set_ciphers(ciphers)
    return context


def test_the_two_newest_versions_of_tls_are_spoken_and_no_older_one(proxy):
    for version, wanted in ((ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")):
        context = _client(proxy)
        context.maximum_version = version
        assert proxy.spoken(context)[0] == wanted
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = _client(proxy, "ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            context.minimum_version = context.maximum_version = version
        with pytest.raises(OSError):
            proxy.spoken(context)


def test_only_ciphers_with_forward_secrecy_and_authenticated_encryption_are_taken(proxy):
    context = _client(proxy, "ECDHE+AESGCM")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "ECDHE" in proxy.spoken(context)[1]
    for weak in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256"):
        context = _client(proxy, weak)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            proxy.spoken(context)


def test_a_browser_that_does_not_know_the_authority_stops(proxy):
    with pytest.raises(ssl.SSLCertVerificationError):
        proxy.spoken(ssl.create_default_context())


def test_without_tls_a_person_is_led_on_and_a_program_is_refused(proxy):
    for path in ("/", "/sign-in?next=/studies/x"):
        led = proxy.open(path)
        assert (led.status, led.headers["Location"]) == (301, f"https://{NAME}{path}")
    assert proxy.open("/sign-in", "POST", "username=cora&password=x").status == 403
    for path in ("/calendar/abc.ics", "/healthz", "/metrics", "/violations"):
        refused = proxy.open(path)
        assert (refused.status, refused.headers["Location"]) == (403, None)


def test_behind_it_the_cookie_is_for_tls_alone_and_a_browser_is_told_to_come_back_by_it(proxy):
    answer = _signed_in(proxy)
    assert answer.status == 303
    (cookie,) = (one for one in answer.headers.get_all("Set-Cookie", []) if "trialcrf" in one)
    assert cookie.startswith("__Host-trialcrf=")
    assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    for path in ("/sign-in", "/nowhere", "/static/base.css"):
        assert "max-age=63072000" in (proxy.ask(path).headers["Strict-Transport-Security"] or ""), path


def test_what_a_stranger_says_of_who_asks_and_how_is_not_believed(proxy):
    answer = _signed_in(proxy, **FORGED)
    assert answer.status == 303
    assert "Secure" in str(answer.headers.get_all("Set-Cookie"))
    assert "evil" not in str(answer.headers) + answer.body
    assert answer.headers["X-Request-Id"] != "mine"
    engine = create_engine(proxy.database_url)
    with engine.connect() as connection:
        assert set(connection.execute(select(session.c.address)).scalars()) == {"127.0.0.1"}
    engine.dispose()


def _signed_in(proxy: Proxy, **headers: str) -> Answer:
    return proxy.ask("/sign-in", "POST", urlencode({"username": "cora", "password": PASSWORD}), **headers)


def test_the_measurements_and_the_files_of_the_checkout_are_not_served(proxy):
    assert proxy.ask("/metrics").status == 404
    for path in (
        "/.git/HEAD", "/.git/config", "/static/../.git/HEAD", "/static/..%2f..%2f..%2f.git/HEAD", "/static/%2e%2e/%2e%2e/%2e%2e/.git/HEAD",
        "/static/.git/HEAD", "/config.py", "/static/../config.py", "/static/%2e%2e/__init__.py", "/.env", "/migrations/env.py",
    ):  # fmt: skip
        answer = proxy.ask(path)
        assert answer.status in (400, 404), path
        assert "ref: refs/" not in answer.body and "import " not in answer.body, path
    assert proxy.ask("/static/base.css").status == 200


def test_a_body_is_refused_by_the_proxy_where_the_program_takes_none_and_by_the_program_in_words(proxy):
    (most,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    assert int(most) * 1024**2 == max(guard.LARGER.values()) > LARGEST_POST
    refused = proxy.ask("/sign-in", "POST", "", **{"Content-Length": str(int(most) * 1024**2 + 1)})
    assert (refused.status, "nginx" in refused.body) == (413, True)
    told = proxy.ask("/sign-in", "POST", "username=" + "a" * LARGEST_POST)
    assert (told.status, "nginx" in told.body) == (413, False)
    assert "1.22" not in refused.body + str(refused.headers), "which nginx it is nobody is told"


def test_python_would_speak_what_is_refused_here():
    """That old ciphers fail above is the proxy's doing: this client would take them."""
    assert "ECDHE-ECDSA-AES128-SHA" in {one["name"] for one in _offered("ECDHE-ECDSA-AES128-SHA")}, sys.version


def _offered(ciphers: str) -> list[dict[str, str]]:
    context = ssl.create_default_context()
    context.set_ciphers(ciphers)
    return context.get_ciphers()  # type: ignore[return-value]
