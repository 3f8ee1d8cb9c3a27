"""A real S3 service on loopback, in a process of its own, with one bucket."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from services.shared.objects import Storage
from tests.support.running import free_port, until

BUCKET = "recordings"
KEY, SECRET = "test-key", "test-secret"


@dataclass(frozen=True)
class Bucket:
    """The bucket's storage, and a client of another make to look into it."""

    storage: Storage
    client: Any
    process: "subprocess.Popen[bytes]"

    def stored(self) -> set[str]:
        """All keys that are there."""
        # A thousand a page.
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {each["Key"] for page in pages for each in page.get("Contents", ())}

    def settings(self) -> dict[str, str]:
        """What an instance is told of it."""
        return {
            "STORAGE_URL": self.storage.url,
            "S3_ENDPOINT": self.storage.endpoint,
            "S3_REGION": self.storage.region,
            "S3_ACCESS_KEY_ID": self.storage.access_key_id,
            "S3_SECRET_ACCESS_KEY": self.storage.secret_access_key,
        }


@contextmanager
def a_bucket(folder: Path) -> Iterator[Bucket]:
    """Starts the service and makes the bucket."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with (folder / "s3.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            client = boto3.client(
                "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                config=Config(retries={"max_attempts": 0}, proxies={}, connect_timeout=2, read_timeout=5),
            )  # fmt: skip

            def is_made() -> bool:
                try:
                    client.create_bucket(Bucket=BUCKET)
                except BotoCoreError:
                    return False
                return True

            until(is_made)
            storage = Storage(
                url=f"s3://{BUCKET}/calls", endpoint=endpoint, region="us-east-1", access_key_id=KEY, secret_access_key=SECRET
            )  # fmt: skip
            yield Bucket(storage, client, process)
        finally:
            process.terminate()
            process.wait(20)
