"""Nothing is lost while notify is killed: the run of `make soak` in small."""

from pathlib import Path

from rich.progress import Progress

from benchmarks.notify_kills import run


def test_notifications_survive_kills_in_their_order_and_signed(tmp_path: Path) -> None:
    with Progress(disable=True) as progress:
        seen = run(calls=50, each=8, kills=3, seed=7, folder=tmp_path, progress=progress)

    assert seen.wrong() == []
    assert len(seen.unsettled) == 3
    assert sum(seen.unsettled) > 0
