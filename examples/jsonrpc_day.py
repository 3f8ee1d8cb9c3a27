"""An account's day through the JSON-RPC door, with nothing but Python's standard library.

    python examples/jsonrpc_day.py http://127.0.0.1:8080 TOKEN

A client of the public Data API looks like this; only its base URL and its token are calldock's. It tests the connection, uploads the morning's calls, sends
the batch again as if the answer had been lost, mends a call that was refused, reads the day back page by page, and marks a sale.
"""

import json
import sys
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

CALLS = 7
PAGE = 3


class Refused(Exception):
    """The server said no; `data` has the mnemonic, the field and the value that came."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.data = error["data"]
        super().__init__(f"{error['code']} {error['message']} ({self.data['mnemonic']} at {self.data['field']})")


class DataApi:
    """The Data API at a base URL."""

    def __init__(self, base_url: str, token: str) -> None:
        self._url = f"{base_url.rstrip('/')}/v2.0"
        self._token = token
        self._sent = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method. Raises Refused."""
        self._sent += 1
        request = {
            "jsonrpc": "2.0",
            "id": self._sent,
            "method": method,
            "params": {"access_token": self._token, **params},
        }
        posted = urllib.request.Request(self._url, json.dumps(request).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(posted, timeout=30) as answer:
            envelope = json.load(answer)
        if envelope["id"] != self._sent:
            raise ValueError(f"an answer to another request: {envelope['id']}")
        if "error" in envelope:
            raise Refused(envelope["error"])
        result: dict[str, Any] = envelope["result"]
        return result

    def pages(self, method: str, **params: Any) -> Iterator[dict[str, Any]]:
        """All rows of a list, a page at a time."""
        offset = 0
        while True:
            result = self.call(method, limit=PAGE, offset=offset, **params)
            yield from result["data"]
            offset += PAGE
            if offset >= result["metadata"]["total_items"]:
                return


def a_call(number: int, day: str) -> dict[str, Any]:
    """A call of the morning; every third was lost."""
    start = datetime.fromisoformat(f"{day} 09:00:00") + timedelta(minutes=10 * number)
    return {
        "ext_id": f"day-{number}",
        "calling_phone_number": f"7926244439{number}",
        "called_phone_number": "74955140576",
        "start_time": start.strftime("%Y-%m-%d %H:%M:%S"),
        "finish_time": (start + timedelta(seconds=90)).strftime("%Y-%m-%d %H:%M:%S"),
        "is_lost": number % 3 == 0,
        "wait_duration": 4.5,
        "tags": [{"tag_name": "morning"}],
    }


def main(base_url: str, token: str) -> None:
    """Lives the day, and prints what it did."""
    api = DataApi(base_url, token)
    (account,) = api.call("get.account")["data"]
    print(f"connected to account {account['app_id']}, {account['name']}, in {account['timezone']}")

    day = "2026-11-02"
    calls = [a_call(number, day) for number in range(CALLS)]
    for attempt in ("uploaded", "repeated"):
        api.call("upload.calls", calls=calls)
        print(f"{attempt} {len(calls)} calls")

    wrong = {**a_call(CALLS, day), "finish_time": f"{day} 08:00:00"}
    try:
        api.call("upload.calls", calls=[wrong])
    except Refused as refused:
        print(f"refused: {refused.data['mnemonic']} at {refused.data['field']}: {refused.data['value']}")
        api.call("upload.calls", calls=[{**wrong, "finish_time": wrong["start_time"]}])
        print("mended and uploaded")

    rows = list(
        api.pages(
            "get.uploaded_calls",
            date_from="2020-01-01 00:00:00",
            date_till="2100-01-01 00:00:00",
            filter={"field": "ext_id", "operator": "like", "value": "day-%"},
            sort=[{"field": "start_time"}],
            fields=["ext_id", "status", "is_lost", "call_session_id", "tags"],
        )
    )
    lost = [row["ext_id"] for row in rows if row["is_lost"]]
    print(f"read back {len(rows)} calls, lost: {', '.join(lost)}")

    answered = next(row for row in rows if not row["is_lost"])
    sale = api.call(
        "set.tag_sales",
        communication_id=answered["call_session_id"],
        communication_type="call",
        date_time=f"{day} 18:00:00",
        transaction_value=1250.5,
    )
    tags = sorted(tag["name"] for tag in api.pages("get.tags"))
    print(f"sale {'kept' if sale['data']['id'] else 'lost'} for {answered['ext_id']}; tags: {', '.join(tags)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
