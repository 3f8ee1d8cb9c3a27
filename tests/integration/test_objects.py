"""The object store, in a folder and in a bucket: the same promises."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.shared.errors import Trouble
from services.shared.objects import PIECE_BYTES, ObjectMissing, ObjectStore, Storage, open_store
from tests.support.buckets import Bucket, a_bucket
from tests.support.running import free_port

LARGE = bytes(range(256)) * 4 * 12_000
"""Above what one piece, or one part of an upload, holds."""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with a_bucket(tmp_path_factory.mktemp("s3")) as bucket:
        yield bucket


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "file":
        return open_store(Storage(url=(tmp_path / "with space").as_uri()))
    bucket: Bucket = request.getfixturevalue("bucket")
    return open_store(bucket.storage)


async def test_what_was_put_is_there_whole_and_replaced_whole(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_bytes(LARGE)

    await store.put("1/2/3/4.mp3", b"first")
    await store.put("1/2/3/4.mp3", b"second, longer")
    await store.put_file("1/2/3/5.wav", file)

    assert await store.get("1/2/3/4.mp3") == b"second, longer"
    size, pieces = await store.stream("1/2/3/5.wav")
    assert size == len(LARGE)
    came = [piece async for piece in pieces]
    assert b"".join(came) == LARGE
    assert max(map(len, came)) == PIECE_BYTES


async def test_what_is_not_there_is_missing_and_deleting_is_safe_to_repeat(store: ObjectStore) -> None:
    await store.put("gone/1.mp3", b"x")

    for _ in range(2):
        await store.delete(["gone/1.mp3", "gone/never.mp3"])

    with pytest.raises(ObjectMissing):
        await store.get("gone/1.mp3")
    with pytest.raises(ObjectMissing):
        await store.stream("gone/1.mp3")


async def test_all_keys_are_told_but_not_what_is_being_written(store: ObjectStore, tmp_path: Path) -> None:
    names = {f"listed/1/2/{number}.mp3" for number in range(3)}
    for name in names:
        await store.put(name, b"x")
    beside = tmp_path / "with space" / "listed" / "1" / "2" / "3.mp3#1"
    if beside.parent.exists():
        beside.write_bytes(b"half")

    found = [key async for some in store.keys() for key in some]  # noqa: SIM118 - no mapping

    # The bucket is the module's: others put theirs there too.
    assert {key for key in found if key.startswith("listed/")} == names
    assert len(found) == len(set(found))


async def test_objects_lie_below_the_prefix(bucket: Bucket) -> None:
    await open_store(bucket.storage).put("7/8/9/1.mp3", b"x")

    assert "calls/7/8/9/1.mp3" in bucket.stored()


@pytest.mark.timeout(120)
async def test_a_bucket_that_is_away_or_not_there_is_trouble(bucket: Bucket) -> None:
    for storage in (
        replace(bucket.storage, endpoint=f"http://127.0.0.1:{free_port()}"),
        replace(bucket.storage, url="s3://no-such-bucket"),
    ):
        store = open_store(storage)
        with pytest.raises(Trouble):
            await store.put("1.mp3", b"x")


@pytest.mark.parametrize(
    "url", ["", "/folder", "file:folder", "file://host/folder", "s3:///x", "gs://bucket", "http://x"]
)
def test_what_is_no_storage_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a storage URL is"):
        open_store(Storage(url=url))


@pytest.mark.parametrize(
    "more",
    [{"endpoint": "minio:9000"}, {"endpoint": "127.0.0.1:9000"}, {"access_key_id": "x"}, {"secret_access_key": "x"}],
)
def test_half_a_bucket_is_refused_at_the_start(more: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="CALLDOCK_S3_"):
        open_store(replace(Storage(url="s3://bucket"), **more))


async def test_what_a_killed_put_left_beside_its_key_goes_with_it(tmp_path: Path) -> None:
    store = open_store(Storage(url=tmp_path.as_uri()))
    await store.put("1/2.mp3", b"x")
    (tmp_path / "1" / "2.mp3#1").write_bytes(b"half")

    await store.delete(["1/2.mp3"])

    assert not list((tmp_path / "1").glob("*") if (tmp_path / "1").exists() else ())


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(Storage(url="s3://x", secret_access_key="hush"))
