"""Nothing is lost while notify is killed: the run of `make soak` in small."""

import asyncio
import sqlite3
from pathlib import Path

from rich.progress import Progress

from benchmarks.notify_kills import run
from benchmarks.notifying import a_notification, fill, notify, receivers, wait_for


def test_notifications_survive_kills_in_their_order_and_signed(tmp_path: Path) -> None:
    with Progress(disable=True) as progress:
        seen = run(calls=50, each=8, kills=3, seed=7, folder=tmp_path, progress=progress)

    assert seen.wrong() == []
    assert len(seen.unsettled) == 3
    assert sum(seen.unsettled) > 0


def test_a_notify_that_is_stopped_has_settled_what_it_posted(tmp_path: Path) -> None:
    count = 3000
    with receivers(1) as heard:
        new = [a_notification(number, number + 1, 1, heard.ports[0]) for number in range(count)]
        asyncio.run(fill(tmp_path, new))
        for part in (count // 10, count // 2):
            with notify(tmp_path) as process:
                wait_for(heard, part)
                process.terminate()
                assert process.wait(30) == 0
        with notify(tmp_path):
            wait_for(heard, count)

        assert heard.count() == count
    with sqlite3.connect(tmp_path / "notify.db") as db:
        assert db.execute("SELECT status, count(*) FROM notifications GROUP BY 1").fetchall() == [("delivered", count)]
        assert db.execute("SELECT count(*) FROM attempts").fetchone() == (count,)
