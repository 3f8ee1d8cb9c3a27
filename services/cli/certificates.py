"""The front door's certificate: read and checked here, handed to Envoy by a file that it watches, so that a renewed one is taken without a restart."""

import asyncio
import hashlib
import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

from services.cli.instance import CannotStart

log = structlog.get_logger()

SECRET = "front"
"""What Envoy's configuration calls the certificate."""
LOOK_S = 1.0
"""Between two looks at the files. Whoever renews may write them one after the other: a pair that does not fit is not taken yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """PEM files of the chain, our certificate first, and of its key without a password."""

    chain: Path
    key: Path


def certificate_files(chain: str, key: str) -> CertificateFiles | None:
    """The files of CALLDOCK_LISTEN_TLS_CERT and CALLDOCK_LISTEN_TLS_KEY; None when neither is set. Raises CannotStart for one without the other."""
    if bool(chain) != bool(key):
        raise CannotStart("CALLDOCK_LISTEN_TLS_CERT and CALLDOCK_LISTEN_TLS_KEY go together: set both or neither")
    return CertificateFiles(chain=Path(chain).absolute(), key=Path(key).absolute()) if chain else None


class Certificate:
    """The certificate that Envoy shows, in a folder of this instance that nobody else may read."""

    def __init__(self, files: CertificateFiles, folder: Path) -> None:
        """Reads the files. Raises CannotStart when they are not there or do not fit."""
        self._files = files
        self._handed_over = folder / "tls.json"
        self._digest = b""
        try:
            self._take()
        except (OSError, ValueError) as error:
            raise CannotStart(f"the front door's certificate cannot be used: {_told(files, error)}") from error

    @property
    def handed_over(self) -> Path:
        """The file that Envoy watches (its file-based secret discovery)."""
        return self._handed_over

    async def renew_until_cancelled(self) -> None:
        """Takes what was renewed, within seconds. What cannot be used is said once, and the old one stays."""
        said = ""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if await asyncio.to_thread(self._take):
                    log.info("certificate.renewed", chain=str(self._files.chain))
                said = ""
            except (OSError, ValueError) as error:
                reason = _told(self._files, error)
                if reason != said:
                    log.warning("certificate.not_taken", reason=reason)
                said = reason

    def _take(self) -> bool:
        """Hands the pair over when it is another than before. Raises OSError (SSLError among them) or ValueError for a pair that does not fit."""
        chain, key = self._files.chain.read_text(), self._files.key.read_text()
        digest = hashlib.sha256(f"{chain}\0{key}".encode()).digest()
        if digest == self._digest:
            return False
        # The library's own check that the two belong together. No password: nobody is there to be asked.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._files.chain, self._files.key, password=lambda: "")
        if (self._files.chain.read_text(), self._files.key.read_text()) != (chain, key):
            raise ValueError("they are being written")
        fresh = self._handed_over.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(_as_secret(chain, key))
        # Envoy sees a rename, and both parts of the pair at once.
        fresh.replace(self._handed_over)
        self._digest = digest
        return True


def _as_secret(chain: str, key: str) -> str:
    pair = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    return json.dumps({"resources": [{"@type": kind, "name": SECRET, "tls_certificate": pair}]})


def _told(files: CertificateFiles, error: Exception) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else error
    return f"{files.chain} and {files.key}: {reason}"
