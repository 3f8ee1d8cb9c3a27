"""Nothing is lost while notify is killed: the run of `make soak` in small."""

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from rich.progress import Progress

from benchmarks.notify_kills import run
from benchmarks.notifying import a_notification, fill, notify, receivers, wait_for
from tests.support.running import until


def test_notifications_survive_kills_in_their_order_and_signed(tmp_path: Path) -> None:
    with Progress(disable=True) as progress:
        seen = run(calls=50, each=8, kills=3, seed=7, folder=tmp_path, progress=progress)

    assert seen.wrong() == []
    assert len(seen.unsettled) == 3
    assert sum(seen.unsettled) > 0


def test_a_stop_waits_for_slow_receivers_and_posts_nothing_twice(tmp_path: Path) -> None:
    count = 40
    with receivers(1, answer_after_s=1.5) as heard:
        new = [a_notification(number, number + 1, 1, heard.ports[0]) for number in range(count)]
        asyncio.run(fill(tmp_path, new))
        with notify(tmp_path, drain_s=0, notify_timeout_s=10, notify_posts=4) as process:
            wait_for(heard, 4)
            # All processes of a machine that goes down are asked to end.
            for pid in (*_children(process.pid), process.pid):
                os.kill(pid, signal.SIGTERM)
            assert process.wait(30) == 0
        assert heard.count() == 4
        with notify(tmp_path):
            wait_for(heard, count)
            until(lambda: _count(tmp_path, "notifications WHERE status = 'delivered'") == count)

        assert heard.count() == count
    assert _count(tmp_path, "attempts") == count


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
    assert _count(tmp_path, "notifications WHERE status = 'delivered'") == count
    assert _count(tmp_path, "attempts") == count


def _count(data_dir: Path, what: str) -> int:
    with closing(sqlite3.connect(data_dir / "notify.db")) as db:
        found: int = db.execute(f"SELECT count(*) FROM {what}").fetchone()[0]
    return found


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
