"""docs/contract.md 7: what a receiver is told, how it is signed, when it is tried again."""

import base64
import json
import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook

from services.notify.custom_headers import check_headers
from services.notify.notification import NotificationStatus
from services.notify.payload import Event, payload
from services.notify.schedule import STANDARD_SCHEDULE_S, Step, pause_after, step_after
from services.notify.signature import SignatureScheme, new_secret, public_key, signature_header, signer
from services.shared.errors import Refusal
from services.shared.ids import uuid7
from services.shared.sealing import CannotUnseal, Sealer, read_key
from tests.support.notifying import FAILED, OK

WHEN = datetime(2026, 11, 2, 7, 0, 0, 999_999, tzinfo=UTC)


def an_event(name: str) -> Event:
    return Event(
        name=name,
        ext_id="зв-1",
        call_session_id=7,
        event_time=WHEN,
        error_code="decode_error",
        error_message="recording 1: broken",
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("processed", {"status": "processed", "ext_id": "зв-1", "call_session_id": 7, "timestamp": 1793602800}),
        ("in_process", {"status": "in_process", "ext_id": "зв-1", "timestamp": 1793602800}),
        (
            "error",
            {
                "status": "error",
                "ext_id": "зв-1",
                "timestamp": 1793602800,
                "error_message": "recording 1: broken",
                "error_code": "decode_error",
            },
        ),
    ],
)
@pytest.mark.contract(
    "7 body exactly", "7 status", "7 ext_id", "7 call_session_id", "7 timestamp", "7 error_message", "7 error_code"
)
def test_a_notification_is_exactly_the_contracts_object(name: str, told: dict[str, object]) -> None:
    assert json.loads(payload(an_event(name))) == told


@pytest.mark.contract("7 signed")
def test_the_standard_library_of_receivers_verifies_the_signature() -> None:
    secret = new_secret(SignatureScheme.HMAC_SHA256, os.urandom(32))
    body = payload(an_event("error")).encode()
    now = int(datetime.now(UTC).timestamp())

    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": signature_header([signer(secret)], "msg_1", now, body),
    }

    assert Webhook(secret).verify(body, headers) == json.loads(body)


def test_the_signature_of_a_known_body_is_the_one_of_the_specification() -> None:
    # The vector of the Standard Webhooks reference libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'

    assert (
        signature_header([signer(secret)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.contract("7 signed")
def test_ed25519_is_verified_with_the_public_key_alone() -> None:
    secret = new_secret(SignatureScheme.ED25519, os.urandom(32))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(secret).removeprefix("whpk_")))
    body = payload(an_event("processed")).encode()

    version, _, signature = signature_header([signer(secret)], "msg_1", 1614265330, body).partition(",")

    assert version == "v1a"
    key.verify(base64.b64decode(signature), b"msg_1.1614265330." + body)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), b"msg_1.1614265331." + body)


def test_the_signature_of_ed25519_is_that_of_rfc_8032() -> None:
    # RFC 8032, 7.1, test 1: the secret key and its public key.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")

    assert base64.b64decode(public_key(new_secret(SignatureScheme.ED25519, seed)).removeprefix("whpk_")) == (
        bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    )


def test_all_secrets_in_use_sign_while_one_takes_the_place_of_another() -> None:
    secrets = [new_secret(scheme, os.urandom(32)) for scheme in (*SignatureScheme, SignatureScheme.HMAC_SHA256)]
    header = signature_header([signer(secret) for secret in secrets], "msg_1", 1614265330, b"{}")

    assert [part.partition(",")[0] for part in header.split(" ")] == ["v1", "v1a", "v1"]
    assert len(set(header.split(" "))) == 3


def test_the_schedule_ends_in_a_burial() -> None:
    pauses = [pause_after(failures, STANDARD_SCHEDULE_S) for failures in range(1, len(STANDARD_SCHEDULE_S) + 2)]

    assert pauses[0] == timedelta(seconds=5)
    assert pauses[-2] == timedelta(hours=24)
    assert pauses[-1] is None


def after_failure(failures: int, status: int | None = 500, retry_after_s: float | None = None) -> Step:
    attempt = replace(FAILED, http_status=status, retry_after_s=retry_after_s, reason=f"the receiver answered {status}")
    return step_after(attempt, failures, STANDARD_SCHEDULE_S, WHEN, random.Random(7))


@pytest.mark.contract("7 growing pauses")
def test_an_attempt_that_failed_is_made_again_a_little_after_the_schedule_says() -> None:
    for failures, pause_s in enumerate(STANDARD_SCHEDULE_S, start=1):
        step = after_failure(failures)
        assert step.next_attempt_time is not None
        assert pause_s <= (step.next_attempt_time - WHEN).total_seconds() <= pause_s * 1.1
        assert step.status is NotificationStatus.WAITING


def test_after_the_last_attempt_it_is_buried_with_the_last_reason() -> None:
    step = after_failure(10)

    assert (step.status, step.next_attempt_time) == (NotificationStatus.BURIED, None)
    assert step.bury_reason == "failed 10 times; the last time: the receiver answered 500"


def test_a_receiver_that_is_gone_is_not_tried_again() -> None:
    assert after_failure(1, 410).status is NotificationStatus.BURIED


@pytest.mark.parametrize(
    ("retry_after_s", "pause_s"), [(0, 5), (3, 5), (60, 60), (86_400, 86_400), (10**9, 86_400), (None, 5)]
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_time_gets_a_day_at_most(
    status: int, retry_after_s: float | None, pause_s: float
) -> None:
    step = after_failure(1, status, retry_after_s)

    assert step.next_attempt_time is not None
    assert pause_s <= (step.next_attempt_time - WHEN).total_seconds() <= max(pause_s, 5.5)


def test_what_was_delivered_is_not_tried_again_whatever_it_answered() -> None:
    step = step_after(replace(OK, retry_after_s=5.0), 1, STANDARD_SCHEDULE_S, WHEN, random.Random(7))

    assert (step.status, step.next_attempt_time, step.bury_reason) == (NotificationStatus.DELIVERED, None, "")


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Content-Type", "USER-AGENT", "webhook-id", "Webhook-Signature", "transfer-encoding", "webhook-anything"],
)  # fmt: skip
def test_a_header_that_is_ours_is_no_custom_header(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_headers([("x-ok", "v"), (name, "s3cret")])

    assert caught.value.path == ("headers", 1, "name")
    assert "s3cret" not in str(caught.value)


def test_a_custom_header_is_named_once_whatever_its_case() -> None:
    assert check_headers([("X-Api-Key", "a"), ("authorization", "b")]) == {"x-api-key": "a", "authorization": "b"}
    with pytest.raises(Refusal, match="twice"):
        check_headers([("X-Api-Key", "a"), ("x-api-key", "b")])


def test_ids_of_notifications_are_uuid7_and_sort_by_time() -> None:
    early, late = uuid7(WHEN, b"\xff" * 10), uuid7(WHEN + timedelta(milliseconds=1), b"\0" * 10)

    assert early < late
    assert early[14] == "7"
    assert early[19] in "89ab"


def test_a_sealed_secret_opens_with_its_key_and_purpose_only() -> None:
    sealer = Sealer(b"k" * 32)
    sealed = sealer.seal("whsec_x", "account 1")

    assert sealer.unseal(sealed, "account 1") == "whsec_x"
    assert "whsec_x" not in sealed
    with pytest.raises(CannotUnseal):
        sealer.unseal(sealed, "account 2")
    with pytest.raises(CannotUnseal):
        Sealer(b"l" * 32).unseal(sealed, "account 1")


@pytest.mark.parametrize("text", ["", "short", "not base64!", "a" * 44])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's own words differ
        read_key(text)
