"""The clients of examples/, run as their first lines say: each lives an account's day."""

import subprocess
import sys
from pathlib import Path

from tests.support.running import Account, Calldock

EXAMPLES = Path(__file__).parents[2] / "examples"


def day(name: str, where: str, account: Account, *options: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *options, str(EXAMPLES / name), where, account.token],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_standard_library_is_enough_for_a_day_at_the_json_rpc_door(calldock: Calldock) -> None:
    account = calldock.account("Day by JSON-RPC")

    # Isolated (-I) and without site-packages (-S): nothing but the standard library is there.
    assert day("jsonrpc_day.py", calldock.url, account, "-I", "-S") == [
        f"connected to account {account.account_id}, Day by JSON-RPC, in Europe/Moscow",
        "uploaded 7 calls",
        "repeated 7 calls",
        "refused: invalid_parameter_value at calls.0.finish_time: 2026-11-02 08:00:00",
        "mended and uploaded",
        "read back 8 calls, lost: day-0, day-3, day-6",
        "sale kept for day-1; tags: Sale, morning",
    ]


def test_a_grpc_client_lives_the_same_day_with_a_directory(calldock: Calldock) -> None:
    account = calldock.account("Day by gRPC")

    assert day("grpc_day.py", f"127.0.0.1:{calldock.port}", account) == [
        f"connected to account {account.account_id}, Day by gRPC, in Europe/Moscow",
        "brought one site and one campaign along, twice",
        "would be refused: INVALID_PARAMETER_VALUE at calls[7].calling_phone_number",
        "would be refused: REQUIRED_PARAMETER_MISSED at calls[7].start_time",
        "would be refused: REQUIRED_PARAMETER_MISSED at calls[7].finish_time",
        "uploaded 7 calls",
        "lost, newest first: day-6, day-3, day-0",
        "day-1 came from site 101, campaign 201; judged anew",
        "the reading token may not upload: PERMISSION_DENIED",
    ]
