"""One recording's link as media would fetch it from here: address, connection, status, type, size, and what would be said of the sound."""

from pathlib import Path
from tempfile import TemporaryDirectory

from yarl import URL

from services.cli.finding import Finding, fine, not_looked, wrong
from services.media.check import judge_alone
from services.media.download import Downloader, DownloadRefused
from services.media.settings import MediaSettings
from services.media.verdict import CONTRACT_RULES, ErrorCode, RecordingFormat
from services.shared.addresses import AddressPolicy, AddressRefused
from services.shared.egress import EgressGuard, trusting
from services.shared.errors import Trouble

STAGES = (
    ("connection", frozenset({ErrorCode.CONNECTION, ErrorCode.TIMEOUT, ErrorCode.DOWNLOAD_ERROR})),
    ("status", frozenset({ErrorCode.HTTP_STATUS})),
    ("type", frozenset({ErrorCode.CONTENT_TYPE})),
    ("size", frozenset({ErrorCode.MAX_FILE_SIZE})),
)
"""What a download goes through, in order, and the code by which it ends there."""
_NEXT = {
    ErrorCode.CONNECTION: "look whether the host listens, and whose certificate it shows; CALLDOCK_EGRESS_CA_FILE names further authorities",
    ErrorCode.TIMEOUT: "look how fast the host is; CALLDOCK_MEDIA_DOWNLOAD_TIMEOUT_S is how long it may take",
    ErrorCode.DOWNLOAD_ERROR: "have it link to where the file is",
    ErrorCode.HTTP_STATUS: "look whether the link is still good; a host that wants to know who asks is told by recordingHosts:set, and `calldock check URL --token TOKEN` uses that",
    ErrorCode.CONTENT_TYPE: "have the host name the type, or let the account take this one (audio of /v1/account)",
    ErrorCode.MAX_FILE_SIZE: "have the exchange record smaller files",
}


async def look_at_link(link: str, form: str, media: MediaSettings, setting: str) -> list[Finding]:
    """Findings in the order in which a download goes, by this environment's egress rules, without any account's credentials. `form` is wav or mp3."""
    kind, url = RecordingFormat(form), URL(link)
    host = f"{url.host}:{url.port}"
    if kind is RecordingFormat.WAV and url.scheme != "https":
        return [wrong("link", "a WAV is taken by https only", "serve it by https")]
    guard = EgressGuard(AddressPolicy(media.allowed_egress, setting=setting))
    try:
        addresses = await guard.addresses(url.raw_host, url.port or 0)
    except AddressRefused as refused:
        return [wrong("address", str(refused), f"if it is yours: {setting}={host}")]
    except (OSError, Trouble) as error:
        return [wrong("address", f"{host} cannot be looked up: {error}", "look at the name, and at this machine's DNS")]
    findings = [fine("address", f"{host} is {', '.join(map(str, addresses))}, and may be dialled")]
    try:
        trust = trusting(media.egress_ca_file)
    except OSError as error:
        return [
            *findings,
            wrong("connection", f"{media.egress_ca_file}: {error.strerror}", "mend CALLDOCK_EGRESS_CA_FILE"),
        ]
    downloader = Downloader(guard, trust, media.media_download_timeout_s)
    with TemporaryDirectory(prefix="calldock-doctor-") as folder:
        file = Path(folder) / "source"
        try:
            came = await downloader.download(link, kind, CONTRACT_RULES, file, lambda _: None)
        except DownloadRefused as refused:
            return [*findings, *_until(refused, url.scheme)]
        except Trouble as error:
            return [*findings, not_looked("connection", str(error))]
        findings += [*_passed(url.scheme), fine("size", f"{came.size_bytes:,} bytes")]
        try:
            found = await judge_alone(file, form)
        except Trouble as error:
            return [*findings, not_looked("verdict", str(error))]
    if found.fault is not None:
        then = "docs/audio.md says what is asked of a recording"
        return [*findings, wrong("verdict", f"{found.fault.code}: {found.fault.message}", then)]
    return [*findings, fine("verdict", "accepted")]


def _passed(scheme: str) -> list[Finding]:
    how = "TLS, by a certificate that is trusted" if scheme == "https" else "without TLS"
    return [fine("connection", how), fine("status", "200"), fine("type", "as it has to be")]


def _until(refused: DownloadRefused, scheme: str) -> list[Finding]:
    """What went well before the download ended, and what was not come to."""
    fault = refused.fault
    place = next(index for index, (_, codes) in enumerate(STAGES) if fault.code in codes)
    area = STAGES[place][0]
    later = [not_looked(name, f"{area} comes first") for name, _ in STAGES[place + 1 :]]
    return [*_passed(scheme)[:place], wrong(area, fault.message, _NEXT[fault.code]), *later]
