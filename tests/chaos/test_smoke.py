"""The small part of `make chaos` that every run of the tests has: the topology comes up, and one kill loses nothing."""

import signal
from pathlib import Path

import pytest

from tests.chaos.topology import a_topology
from tests.chaos.traffic import Traffic, look
from tests.support.running import until


# Ten processes start and end on a machine that may be busy.
@pytest.mark.timeout(300)
def test_a_replica_that_is_killed_under_uploads_loses_nothing(tmp_path: Path) -> None:
    with a_topology(tmp_path) as topology:
        with Traffic(topology, "smoke", clients=1) as traffic:
            until(lambda: len(traffic.acknowledged) >= 6)
            topology.programs["intake"][0].signal(signal.SIGKILL)
            enough = len(traffic.acknowledged) + 6
            until(lambda: len(traffic.acknowledged) >= enough)

        seen = look(traffic)

        assert seen.wrong() == {}
        assert seen.calls >= 12
        assert topology.deaths() == 1
