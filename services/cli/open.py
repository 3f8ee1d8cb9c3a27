"""`calldock open`: a one-time link that signs a browser in, so that no token is typed or stands in an address."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

from services.cli.connect import CommandFailed, WrongUsage
from services.cli.instance import NotRunning, read_runtime

TIMEOUT_S = 10.0


def sign_in_link(data_dir: Path, url: str | None, token: str | None) -> str:
    """A link into the client area that works once, within five minutes. Raises CommandFailed, WrongUsage.

    Its code stands behind the #, which a browser sends to nobody.
    """
    if not token:
        raise WrongUsage("whose client area? Give an access token: --token TOKEN, or set CALLDOCK_TOKEN")
    try:
        base = (url or read_runtime(data_dir).url).rstrip("/")
    except NotRunning as error:
        raise CommandFailed(f"{error}, or name a front door: --url URL") from error
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise WrongUsage(f"--url takes an address such as http://127.0.0.1:8080, not {base}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/app/links", b"", {"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CommandFailed(f"{base} did not answer: is calldock running there?") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise CommandFailed(str(body.get("message", answer.reason)))
    return f"{base}/app/#code={body['code']}"
