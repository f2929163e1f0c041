from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from voicebridge.errors import ConfigError
from voicebridge.server.tls import LIFETIME, RENEW_BEFORE, ensure_certificate, how_to_trust, own_names

NAMES = ("localhost", "127.0.0.1", "::1")
NOW = datetime.now(UTC)


def handshake(certificate: Path, key: Path, name: str) -> None:
    """A whole TLS handshake in memory, the client trusting nothing but the certificate, as strict as Python gets."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    client_context = ssl.create_default_context(cafile=certificate)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_it_connects_by_every_name(tmp_path: Path, name: str) -> None:
    made = ensure_certificate(tmp_path, NAMES, NOW)
    handshake(made.certificate, made.key, name)


def test_it_vouches_for_no_other_name(tmp_path: Path) -> None:
    made = ensure_certificate(tmp_path, NAMES, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made.certificate, made.key, "example.org")


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    first = ensure_certificate(tmp_path / "tls", NAMES, NOW)
    before = first.certificate.read_bytes()
    again = ensure_certificate(tmp_path / "tls", NAMES, NOW + timedelta(days=100))
    assert (first.created, again.created) == (True, False)
    assert again.certificate.read_bytes() == before


def test_only_its_owner_can_read_the_key(tmp_path: Path) -> None:
    made = ensure_certificate(tmp_path / "tls", NAMES, NOW)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert [path.name for path in sorted((tmp_path / "tls").iterdir())] == ["localhost-key.pem", "localhost.pem"]


def test_it_is_made_anew_in_time_and_for_new_names_and_after_damage(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, NAMES, NOW)
    assert ensure_certificate(tmp_path, NAMES, NOW + LIFETIME - RENEW_BEFORE).created
    assert ensure_certificate(tmp_path, (*NAMES, "box"), NOW + LIFETIME).created
    (tmp_path / "localhost.pem").write_text("rubbish")
    assert ensure_certificate(tmp_path, NAMES, NOW).created
    (tmp_path / "localhost-key.pem").unlink()
    assert ensure_certificate(tmp_path, NAMES, NOW).created


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match=r"server\.tls_certificate") as caught:
        ensure_certificate(blocked / "tls", NAMES, NOW)
    assert str(blocked) in caught.value.message


def test_this_machine_has_names() -> None:
    assert {"localhost", "127.0.0.1", "::1"} <= set(own_names())


def test_trust_is_explained_for_node_and_python(tmp_path: Path) -> None:
    advice = dict(how_to_trust(tmp_path / "c.pem"))
    assert advice["Node"] == f"NODE_EXTRA_CA_CERTS={tmp_path}/c.pem"
    assert advice["Python"] == f"SSL_CERT_FILE={tmp_path}/c.pem"
