"""`calldock secrets` and `headers`: how notifications are signed and what they carry, by a token of role admin."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from calldock.notify.v1.webhook_service_pb2 import (
    CustomHeader,
    DeleteCustomHeadersRequest,
    ListCustomHeadersRequest,
    ListSigningSecretsRequest,
    RotateSigningSecretRequest,
    SetCustomHeadersRequest,
    SignatureScheme,
    SigningSecret,
)
from calldock.notify.v1.webhook_service_pb2_grpc import WebhookServiceStub
from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table

from services.cli.connect import DEADLINE_S, Door, as_dict
from services.cli.moments import shown
from services.cli.terminal_text import cell, json_of, json_text, wide_console
from services.shared.rpc.values import value_of, word_of


class SchemeWord(StrEnum):
    """How a secret signs."""

    HMAC_SHA256 = "hmac-sha256"
    ED25519 = "ed25519"


EVERY_HOST = "*"


def print_secrets(door: Door, *, as_json: bool) -> None:
    """Prints the signing secrets that are in use, without their text: a table, or one JSON object a line."""
    stub = WebhookServiceStub(door.channel)
    answer = stub.ListSigningSecrets(ListSigningSecretsRequest(), timeout=DEADLINE_S, metadata=door.metadata)
    table = Table("secret", "scheme", "made (UTC)", "signs until (UTC)")
    table.add_column("public key", no_wrap=True)
    for secret in answer.signing_secrets:
        if as_json:
            print(json_of(secret))
        else:
            until = shown(secret.expire_time) if secret.HasField("expire_time") else "-"
            row = (str(secret.secret_id), _scheme(secret), shown(secret.create_time), until, secret.public_key)
            table.add_row(*map(cell, row))
    if not as_json:
        wide_console().print(table)


def rotate_secret(door: Door, scheme: SchemeWord, overlap: timedelta, *, as_json: bool) -> None:
    """Makes a signing secret and prints what receivers need of it, and until when the others go on; without an overlap they end now."""
    request = RotateSigningSecretRequest(scheme=value_of(SignatureScheme, _word(scheme)))
    if overlap:
        request.overlap.FromTimedelta(overlap)
    else:
        request.end_others_now = True
    answer = WebhookServiceStub(door.channel).RotateSigningSecret(request, timeout=DEADLINE_S, metadata=door.metadata)
    made = answer.signing_secret
    if as_json:
        print(json_text({**as_dict(made), "secret": answer.secret}))
        return
    print(f"secret {made.secret_id} ({_scheme(made)}): {answer.secret or made.public_key}")
    if answer.secret:
        print("Keep it: it is not shown again.")
    else:
        print("This is the public key, to verify with; `calldock secrets list` shows it again.")
    if overlap:
        last = Timestamp()
        last.FromDatetime(made.create_time.ToDatetime() + overlap)
        print(f"Notifications are signed with the other secrets too until {shown(last)} UTC at the latest.")
    else:
        print("No other secret signs any more.")


def header_of(text: str) -> CustomHeader:
    """Reads NAME=VALUE, or NAME=@FILE with the value in a file. Raises ValueError, whose text holds no value."""
    name, separator, value = text.partition("=")
    if not separator or not name or not value:
        raise ValueError("NAME=VALUE or NAME=@FILE is due")
    if value.startswith("@"):
        path = Path(value[1:])
        try:
            value = path.read_text("ascii").rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} holds more than ASCII characters") from error
        if not value:
            raise ValueError(f"{path} is empty")
    return CustomHeader(name=name, value=value)


def set_headers(door: Door, headers: Sequence[CustomHeader], hosts: Sequence[str], *, as_json: bool) -> None:
    """Sets the headers that notifications carry and the hosts that get them, in place of what was set, and prints their names."""
    stub = WebhookServiceStub(door.channel)
    request = SetCustomHeadersRequest(headers=headers, receiver_hosts=hosts or [EVERY_HOST])
    stub.SetCustomHeaders(request, timeout=DEADLINE_S, metadata=door.metadata)
    print_headers(door, as_json=as_json)


def delete_headers(door: Door, *, as_json: bool) -> None:
    """Takes all headers away, and prints that there are none."""
    stub = WebhookServiceStub(door.channel)
    stub.DeleteCustomHeaders(DeleteCustomHeadersRequest(), timeout=DEADLINE_S, metadata=door.metadata)
    print_headers(door, as_json=as_json)


def print_headers(door: Door, *, as_json: bool) -> None:
    """Prints the names of the headers that notifications carry, and the hosts that get them: lines, or a JSON object."""
    stub = WebhookServiceStub(door.channel)
    answer = stub.ListCustomHeaders(ListCustomHeadersRequest(), timeout=DEADLINE_S, metadata=door.metadata)
    if as_json:
        print(json_of(answer))
    elif answer.names:
        goal = "any host over https" if answer.receiver_hosts == [EVERY_HOST] else ", ".join(answer.receiver_hosts)
        print(f"Notifications to {goal} carry, since {shown(answer.set_time)} UTC:")
        for name in answer.names:
            print(f"  {name}")
    else:
        print("Notifications carry no headers of the account's own.")


def _scheme(secret: SigningSecret) -> str:
    return word_of(SignatureScheme, secret.scheme).replace("_", "-")


def _word(scheme: SchemeWord) -> str:
    return scheme.value.replace("-", "_")
