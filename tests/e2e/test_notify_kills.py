"""Nothing is lost while notify is killed: the run of `make soak` in small."""

from pathlib import Path

from rich.progress import Progress

from benchmarks.notify_kills import run


def test_notifications_survive_kills_in_their_order_and_signed(tmp_path: Path) -> None:
    with Progress(disable=True) as progress:
        seen = run(calls=40, each=4, kills=2, seed=7, folder=tmp_path, progress=progress)

    assert seen.wrong() == []
    assert len(seen.unsettled) == 2
