"""Certificates for calldock's processes, for installations without an authority of their own: what services/shared/rpc/tls.py reads."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.shared.rpc.tls import certificate_name

PROCESSES = ("intake", "media", "notify", "envoy", "operator")
AUTHORITY_LIFE = timedelta(days=3650)
_EARLIER = timedelta(minutes=5)
"""Clocks of machines differ."""


def make_certificates(
    folder: Annotated[Path, typer.Argument(help="Where they go: FOLDER/intake/cert.pem, key.pem, ca.pem and so on.")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days that they are good for.")] = 90,
) -> None:
    """Makes an authority, once, and a certificate for each process, anew each time. Running processes take the new ones."""
    write_certificates(folder, timedelta(days=days), datetime.now(UTC))
    typer.echo(f"certificates for {', '.join(PROCESSES)} are in {folder}; keep {folder / 'authority'} to yourself")


def write_certificates(folder: Path, life: timedelta, now: datetime) -> None:
    """Writes what `make_certificates` promises; each file is there whole or as it was. The authority's key stays in FOLDER/authority."""
    authority, authority_key = _authority(folder / "authority", now)
    for process in PROCESSES:
        key = ec.generate_private_key(ec.SECP256R1())
        name = certificate_name(process)
        leaf = (
            _builder(name, now, now + life, key.public_key(), authority.subject)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(authority_key, hashes.SHA256())
        )
        place = folder / process
        _write(place / "ca.pem", authority.public_bytes(Encoding.PEM))
        _write(place / "key.pem", _pem(key))
        _write(place / "cert.pem", leaf.public_bytes(Encoding.PEM))


def _authority(place: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if (place / "ca.pem").exists():
        kept = load_pem_private_key((place / "key.pem").read_bytes(), None)
        if not isinstance(kept, ec.EllipticCurvePrivateKey):
            raise typer.BadParameter(f"{place / 'key.pem'} is not the key of an authority made here")
        return x509.load_pem_x509_certificate((place / "ca.pem").read_bytes()), kept
    key = ec.generate_private_key(ec.SECP256R1())
    name = "calldock's processes"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    authority = (
        _builder(name, now, now + AUTHORITY_LIFE, key.public_key(), subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(place / "key.pem", _pem(key))
    _write(place / "ca.pem", authority.public_bytes(Encoding.PEM))
    return authority, key


def _builder(
    name: str, now: datetime, end: datetime, key: ec.EllipticCurvePublicKey, issuer: x509.Name
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _EARLIER,
        not_valid_after=end,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    fresh.replace(path)
