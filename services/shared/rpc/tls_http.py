"""TLS for HTTP listeners, as gRPC's have it: a certificate of ours is shown, one of the authority demanded, renewed files are taken at the next handshake."""

import os
import ssl
from pathlib import Path

from services.shared.rpc.tls import Certificate, PeerTls, certificate_name


def server_context(tls: PeerTls) -> ssl.SSLContext:
    """What a listener speaks. Nothing of a handshake is kept for another one, so each shows its certificate."""
    given = tls.certificate()
    current = first = _context(given)

    def take_renewed(handshake: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context_before: object) -> None:
        nonlocal given, current
        now = tls.certificate()
        if now is not given:
            given, current = now, _context(now)
        handshake.context = current

    # Called at each handshake, whether it names a server or not.
    first.sni_callback = take_renewed
    return first


def shows(certificate: object, process: str) -> bool:
    """Whether a checked certificate, as Python's ssl tells of it, names the process."""
    names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    return ("DNS", certificate_name(process)) in names


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate.authority.decode())
    # Python takes certificates from files alone; what was read and checked together stays together in this one, which lies in memory.
    handle = os.memfd_create("certificate")
    try:
        file = Path(f"/proc/self/fd/{handle}")
        file.write_bytes(certificate.chain + b"\n" + certificate.key)
        context.load_cert_chain(file)
    finally:
        os.close(handle)
    return context
