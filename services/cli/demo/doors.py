"""Uploading through each of the three doors, as a client of that door would."""

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from calldock.intake.v1.call_pb2 import Call
from calldock.intake.v1.call_service_pb2 import LookupCallRequest, UploadCallsRequest, UploadedCall
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from grpc import aio

from services.cli.drafts import call_draft

TIMEOUT_S = 20.0


class Doors:
    """The three doors of one front door, with an account's token."""

    def __init__(self, url: str, token: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._token = token
        self._http = http
        self._channel = aio.insecure_channel(url.removeprefix("http://"), options=[("grpc.enable_http_proxy", 0)])
        self._calls = CallServiceStub(self._channel)
        self._bearer = {"authorization": f"Bearer {token}"}

    async def upload(self, door: str, call: Mapping[str, Any]) -> str:
        """Uploads a call, given in the contract's JSON; answers what the door said in a word."""
        if door == "REST":
            return await self._upload_rest(call)
        if door == "JSON-RPC":
            return await self._upload_json_rpc(call)
        return await self._upload_grpc(call)

    async def lookup(self, ext_id: str) -> Call:
        """Reads a call back."""
        return await self._calls.LookupCall(
            LookupCallRequest(ext_id=ext_id), metadata=tuple(self._bearer.items()), timeout=TIMEOUT_S
        )

    async def upload_all(self, calls: Sequence[Mapping[str, Any]]) -> None:
        """Uploads many calls, given in the contract's JSON, in one request. Raises ClientResponseError when they are not taken."""
        async with self._http.post(
            f"{self._url}/v1/calls:upload", json={"calls": list(calls)}, headers=self._bearer
        ) as response:
            response.raise_for_status()

    async def unfinished(self) -> int:
        """How many calls have not ended, as far as 1,000."""
        asked = [("statuses", "CALL_STATUS_NEW"), ("statuses", "CALL_STATUS_IN_PROCESS"), ("page_size", "1000")]
        async with self._http.get(f"{self._url}/v1/calls", params=asked, headers=self._bearer) as response:
            response.raise_for_status()
            return len((await response.json()).get("calls", []))

    async def audio(self, recording_id: int) -> bytes:
        """The MP3 of a recording."""
        async with self._http.get(f"{self._url}/v1/recordings/{recording_id}/audio", headers=self._bearer) as response:
            response.raise_for_status()
            return await response.read()

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()

    async def _upload_rest(self, call: Mapping[str, Any]) -> str:
        async with self._http.post(
            f"{self._url}/v1/calls:upload", json={"calls": [call]}, headers=self._bearer
        ) as response:
            answer = await response.json()
            return str(answer["calls"][0]["outcome"] if response.status == 200 else answer["message"])

    async def _upload_json_rpc(self, call: Mapping[str, Any]) -> str:
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "upload.calls",
            "params": {"access_token": self._token, "calls": [call]},
        }
        async with self._http.post(f"{self._url}/v2.0", json=request) as response:
            answer = await response.json()
            return "success" if "result" in answer else str(answer["error"]["message"])

    async def _upload_grpc(self, call: Mapping[str, Any]) -> str:
        answer = await self._calls.UploadCalls(
            UploadCallsRequest(calls=[call_draft(call)]), metadata=tuple(self._bearer.items()), timeout=TIMEOUT_S
        )
        return UploadedCall.Outcome.Name(answer.calls[0].outcome)
