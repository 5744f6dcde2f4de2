"""Certificates for servers of the tests: an authority of their own, and servers that it vouches for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Server:
    """The files of a server: its certificate with its private key, and the certificate of whoever vouches for it."""

    certificate: Path
    key: Path
    authority: Path


def made(folder: Path, *names: str) -> Server:
    """A server of these names and addresses, vouched for by an authority of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    above, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _signed("An authority of the tests", above, above, "An authority of the tests", ())
    server = _signed(names[0], key, above, "An authority of the tests", names)
    found = Server(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    found.certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    found.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    found.key.chmod(0o600)
    return found


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, issuer: str, names: tuple[str, ...]
) -> x509.Certificate:
    now = datetime.now(UTC)
    new = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if names:
        new = new.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
    return new.sign(by, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
