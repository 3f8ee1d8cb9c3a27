"""TLS between our processes: each shows a certificate that names it, demands one of the other, and takes renewed files without a restart.

A certificate names a process by a DNS name of `DOMAIN`, whatever address it is reached at: replicas behind one name, addresses that move.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtensionOID

from services.shared.errors import CannotRun, Mnemonic, Refusal
from services.shared.rpc.status import Context, Guard
from services.shared.settings import TlsFiles

log = structlog.get_logger()

DOMAIN = "calldock.internal"
ENVOY = "envoy"
"""Whose word on the client's address is believed."""

T = TypeVar("T")
_Stamp: TypeAlias = tuple[tuple[int, int, int], ...]


def certificate_name(process: str) -> str:
    """The DNS name that a certificate of intake, media, notify, envoy or operator holds."""
    return f"{process}.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's chain, its key and the authority of all processes, as PEM."""

    chain: bytes
    key: bytes
    authority: bytes


class PeerTls:
    """A process's certificate. Safe to use from several threads: gRPC asks from its own at each handshake."""

    def __init__(self, files: TlsFiles, process: str) -> None:
        """Reads the files. Raises CannotRun, naming the settings, when they are not a certificate of `process` with its key and an authority."""
        self._files = files
        self._process = process
        self._lock = threading.Lock()
        self._told = ""
        try:
            self._stamp = _stamp(files)
            self._certificate = _read(files, process)
        except (OSError, ValueError) as error:
            raise CannotRun(f"CALLDOCK_PEER_TLS_CERT, _KEY and _CA cannot be used: {error}") from error

    def certificate(self) -> Certificate:
        """The certificate of the files as they are now. Files that do not fit, as in the middle of a renewal, change nothing and are told of once."""
        with self._lock:
            try:
                stamp = _stamp(self._files)
                if stamp != self._stamp:
                    self._stamp = stamp
                    self._certificate = _read(self._files, self._process)
                    log.info("peer_tls.renewed")
                self._told = ""
            except (OSError, ValueError) as error:
                if str(error) != self._told:
                    log.error("peer_tls.renewal_refused", reason=str(error))
                self._told = str(error)
            return self._certificate

    def server_credentials(self) -> grpc.ServerCredentials:
        """What a listener shows and demands: no handshake without a certificate of the authority."""
        given = self.certificate()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            now = self.certificate()
            if now is given:
                return None
            given = now
            return _server_configuration(now)

        # None is "as before" to gRPC, though its stub does not know.
        return grpc.dynamic_ssl_server_credentials(
            _server_configuration(given),
            fetch,  # type: ignore[arg-type]
            require_client_authentication=True,
        )


def opened_tls(files: TlsFiles | None, process: str) -> PeerTls | None:
    """A process's certificate, if it has any. Raises CannotRun."""
    return None if files is None else PeerTls(files, process)


def channel_credentials(certificate: Certificate) -> grpc.ChannelCredentials:
    """What a channel shows and demands."""
    return grpc.ssl_channel_credentials(certificate.authority, certificate.key, certificate.chain)


def callers_guard(callers: Mapping[str, frozenset[str]]) -> Guard:
    """Demands that the caller's certificate names one of the processes that each service is for. Whoever can open our unix sockets is let through: their folder is this user's alone.

    A service that is not listed in `callers` is a bug.
    """

    async def guard(method: str, context: Context) -> None:
        admitted = callers[method.split("/")[1]]
        if not context.peer().startswith("unix:") and admitted.isdisjoint(caller_names(context)):
            raise Refusal(Mnemonic.FORBIDDEN, why="the caller's certificate does not name a process that this is for")

    return guard


def caller_names(context: Context) -> frozenset[str]:
    """The processes that the caller's checked certificate names; none without TLS."""
    found = context.auth_context()
    ending = f".{DOMAIN}"
    names = (name.decode(errors="replace") for name in found.get("peer_dns", ()))
    return frozenset(name.removesuffix(ending) for name in names if name.endswith(ending))


def _server_configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    pair = (certificate.key, certificate.chain)
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=certificate.authority)


def _stamp(files: TlsFiles) -> _Stamp:
    found = (path.stat() for path in (files.cert, files.key, files.ca))
    return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)


def _read(files: TlsFiles, process: str) -> Certificate:
    """Reads and checks. Raises OSError; ValueError when the parts do not belong together."""
    certificate = Certificate(files.cert.read_bytes(), files.key.read_bytes(), files.ca.read_bytes())
    leaf = _parsed(files.cert, lambda: x509.load_pem_x509_certificates(certificate.chain))[0]
    _parsed(files.ca, lambda: x509.load_pem_x509_certificates(certificate.authority))
    key = _parsed(files.key, lambda: load_pem_private_key(certificate.key, None))
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ValueError(f"{files.key} is not the key of {files.cert}")
    if certificate_name(process) not in _dns_names(leaf):
        raise ValueError(f"{files.cert} does not name {certificate_name(process)}")
    return certificate


def _dns_names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        return []
    assert isinstance(found.value, x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


def _parsed(path: Path, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not what it should be: {error}") from error
