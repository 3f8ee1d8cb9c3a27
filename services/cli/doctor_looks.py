"""What the doctor looks at on this machine: settings, egress rules, the data folder and its key, disk."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from services.cli.finding import Finding, fine, not_looked, wrong
from services.cli.instance import SECRET_KEY_FILE
from services.cli.known_settings import GIVEN_BY_UP, SERVICES, known_settings, secret_values, unknown_in
from services.intake.settings import IntakeSettings
from services.media.settings import MediaSettings
from services.notify.settings import NotifySettings
from services.shared.addresses import AddressPolicy
from services.shared.egress import trusting
from services.shared.rpc.process import secrets_folder
from services.shared.sealing import read_key
from services.shared.settings import WEBHOOK_SETTING, ServiceSettings, split_list

DOWNLOAD_SETTING = "CALLDOCK_EGRESS_ALLOW_DOWNLOADS"
_STAND_IN_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The settings of the three services as this environment has them."""

    intake: IntakeSettings
    media: MediaSettings
    notify: NotifySettings

    @property
    def database_url(self) -> str:
        """The address of PostgreSQL; empty on SQLite."""
        url = self.intake.database_url
        return url.get_secret_value() if url is not None else ""

    @property
    def secrets(self) -> set[str]:
        """What must not be told: the secret settings, and the password of the database's address by itself."""
        found = secret_values(self.intake) | secret_values(self.media) | secret_values(self.notify)
        return {*found, urlsplit(self.database_url).password or ""} - {"", _STAND_IN_KEY}


def look_at_settings(data_dir: Path, environment: Mapping[str, str]) -> tuple[Installation | None, list[Finding]]:
    """The settings, read as the services read them, and what is to be said of them. None when they are refused."""
    findings = [_misspelt(name) for name in unknown_in(environment)]
    try:
        folder = secrets_folder()
        names = set(environment) | ({path.name.upper() for path in Path(folder).iterdir()} if folder else set())
        given: dict[str, object] = {
            name: "unix:given-by-up" for name in GIVEN_BY_UP if f"CALLDOCK_{name.upper()}" not in names
        }
        given["data_dir"] = data_dir
        if not environment.get("CALLDOCK_SECRET_KEY") and "CALLDOCK_SECRET_KEY" not in names:
            given["secret_key"] = _STAND_IN_KEY
        read = {service: _read(kind, folder, given) for service, kind in SERVICES.items()}
    except ValidationError as error:
        # Not str(error): it tells what was set, secrets too.
        refused = {f"CALLDOCK_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors(include_input=False, include_url=False)}  # fmt: skip
        return None, [
            *findings,
            wrong("settings", "; ".join(sorted(refused)), "set it right: `calldock settings` says what each takes"),
        ]
    except ValueError as error:
        return None, [*findings, wrong("settings", str(error), "name a folder that is there, or unset it")]
    intake, media, notify = read["intake"], read["media"], read["notify"]
    assert isinstance(intake, IntakeSettings)
    assert isinstance(media, MediaSettings)
    assert isinstance(notify, NotifySettings)
    installation = Installation(intake=intake, media=media, notify=notify)
    if installation.database_url and "secret_key" in given:
        found = "CALLDOCK_DATABASE_URL is set and CALLDOCK_SECRET_KEY is not"
        then = "set the key that all who use that database have; the first makes one by `openssl rand -base64 32`"
        findings.append(wrong("settings", found, then))
    if not findings:
        set_here = sum(name in environment for name in known_settings())
        findings.append(fine("settings", f"of this environment, of which {set_here} are set, all known and in bounds"))
    return installation, findings


def look_at_egress(installation: Installation) -> list[Finding]:
    """Where downloads and webhooks may go, in words."""
    media, notify = installation.media, installation.notify
    webhooks = (*split_list(notify.egress_allow), *split_list(notify.egress_allow_webhooks))
    findings = []
    for what, allowed, setting in (
        ("downloads", media.allowed_egress, DOWNLOAD_SETTING),
        ("webhooks", webhooks, WEBHOOK_SETTING),
    ):
        area = f"egress of {what}"
        try:
            AddressPolicy(allowed, setting=setting)
        except ValueError as error:
            findings.append(wrong(area, str(error), f"mend CALLDOCK_EGRESS_ALLOW or {setting}"))
            continue
        also = f", and besides {', '.join(allowed)}" if allowed else " alone"
        findings.append(fine(area, f"to public addresses{also}"))
    try:
        trusting(media.egress_ca_file)
    except OSError as error:
        then = "name a PEM file of certificates that this user can read, or unset CALLDOCK_EGRESS_CA_FILE"
        findings.append(wrong("egress authorities", f"{media.egress_ca_file}: {error.strerror or error}", then))
    return findings


def look_at_folder(data_dir: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Who may read and write the data folder and its key."""
    area, path = "data folder", data_dir.absolute()
    if not data_dir.is_dir():
        return [not_looked(area, f"{path} is not there", "`calldock up` makes it; or name another by --data-dir")]
    mode = data_dir.stat().st_mode & 0o777
    findings = []
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        findings.append(wrong(area, f"{path} cannot be written by this user", "run as the user that owns it"))
    if mode & 0o007:
        findings.append(wrong(area, f"{path} is open to all users ({mode:03o})", f"chmod 700 {path}"))
    if os.geteuid() == 0 and (owner := data_dir.stat().st_uid) != 0:
        findings.append(not_looked(area, f"as root; {path} is user {owner}'s", "run doctor as that user"))
    return [*(findings or [fine(area, f"{path}, mode {mode:03o}")]), _key(data_dir, environment)]


def look_at_disk(data_dir: Path, needed: int) -> Finding:
    """Whether downloads under way, of `needed` bytes at most, still fit."""
    area, path = "disk space", data_dir.absolute()
    there = next(each for each in (path, *path.parents) if each.exists())
    free = shutil.disk_usage(there).free
    told = f"{free / 1024**3:,.1f} GiB are free for {there}"
    if free < needed:
        found = f"{told}, less than downloads under way may fill ({needed / 1024**3:,.1f} GiB)"
        return wrong(area, found, "make room, or lower CALLDOCK_MEDIA_DOWNLOAD_BYTES")
    return fine(area, told)


def _read(kind: type[ServiceSettings], folder: str | None, given: Mapping[str, object]) -> ServiceSettings:
    fitting: dict[str, Any] = {name: value for name, value in given.items() if name in kind.model_fields}
    return kind(**{"_secrets_dir": folder, **fitting})


def _misspelt(name: str) -> Finding:
    close = get_close_matches(name, known_settings(), n=1)
    return wrong(
        "settings", f"{name} is no setting", f"{close[0]} is one" if close else "`calldock settings` lists them"
    )


def _key(data_dir: Path, environment: Mapping[str, str]) -> Finding:
    area, path = "key", data_dir / SECRET_KEY_FILE
    given = environment.get("CALLDOCK_SECRET_KEY")
    try:
        if given:
            read_key(given)
            return fine(area, "CALLDOCK_SECRET_KEY is set, and is a key")
        if not path.exists():
            if (data_dir / "notify.db").exists():
                found = f"{path} is missing, and secrets in {data_dir / 'notify.db'} were sealed with it"
                return wrong(area, found, "put it back from the backup, or set CALLDOCK_SECRET_KEY")
            return not_looked(area, f"{path} is not there", "`calldock up` makes it at its first start")
        mode = path.stat().st_mode & 0o777
        read_key(path.read_text().strip())
    except OSError as error:
        return wrong(area, f"{path} cannot be read: {error.strerror}", "run as the user that owns it")
    except ValueError:
        # What was read is not told.
        found = f"{'CALLDOCK_SECRET_KEY' if given else path} is not base64 of 32 bytes"
        return wrong(area, found, "put the one back with which the databases were sealed")
    if mode & 0o077:
        return wrong(area, f"{path} can be read by others ({mode:03o})", f"chmod 600 {path}")
    return fine(area, f"{path}, mode {mode:03o}, in the backup of the folder")
