"""A certificate for this machine's own names, made once and kept, so that clients which insist on TLS can connect."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from voicebridge.errors import ConfigError

LIFETIME = timedelta(days=825)
"""The longest that all platforms accept."""
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of PEM files; `created` says whether they were made just now."""

    certificate: Path
    key: Path
    created: bool


def own_names() -> tuple[str, ...]:
    """The names and addresses under which this machine reaches itself."""
    return tuple(dict.fromkeys(("localhost", socket.gethostname(), "127.0.0.1", "::1")))


def ensure_certificate(directory: Path, names: Sequence[str], now: datetime) -> Certificate:
    """The kept certificate, or a new one where there is none, it expires soon or lacks one of `names`.

    The directory and the key can be read by their owner only. `now` is aware. Raises `ConfigError` where the
    directory cannot be written.
    """
    certificate, key = directory / "localhost.pem", directory / "localhost-key.pem"
    if _usable(certificate, key, names, now):
        return Certificate(certificate, key, created=False)
    private_key = ec.generate_private_key(ec.SECP256R1())
    made = _self_sign(private_key, names, now)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(
            key,
            private_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            mode=0o600,
        )
        _write(certificate, made.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except OSError as error:
        raise ConfigError(
            f"cannot keep a certificate in {directory}: {error}. "
            "Set server.tls_certificate and server.tls_key instead.",
            param="server.tls_self_signed",
        ) from error
    return Certificate(certificate, key, created=True)


def how_to_trust(certificate: Path) -> tuple[tuple[str, str], ...]:
    """(who, what to set) for the clients that people use."""
    return (
        ("Node", f"NODE_EXTRA_CA_CERTS={certificate}"),
        ("Python", f"SSL_CERT_FILE={certificate}"),
        ("curl", f"curl --cacert {certificate}"),
    )


def _usable(certificate: Path, key: Path, names: Sequence[str], now: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private_key = serialization.load_pem_private_key(key.read_bytes(), None)
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    covered = set(alternative.get_values_for_type(x509.DNSName))
    covered |= {str(address) for address in alternative.get_values_for_type(x509.IPAddress)}
    return (
        set(names) <= covered
        and found.not_valid_before_utc <= now < found.not_valid_after_utc - RENEW_BEFORE
        and found.public_key() == private_key.public_key()
    )


def _self_sign(private_key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voicebridge on this machine")])
    public_key = private_key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    # Not a certificate authority: trusting it lets nobody vouch for other names.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key), critical=False)
        .sign(private_key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace `path` in one step; nobody ever sees half a file or one with too wide permissions."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
