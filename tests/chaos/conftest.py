"""One topology for all faults of a run, and the table of what came of them."""

from collections.abc import Iterator

import pytest

from tests.chaos.figures import FIGURES, Figure
from tests.chaos.topology import Topology, a_topology


@pytest.fixture(scope="session")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    with a_topology(tmp_path_factory.mktemp("chaos")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what the faults of this run came to."""
    if not FIGURES:
        return
    terminalreporter.write_line("\n| fault | injected | acknowledged calls | lost | duplicated | half stored | out of order | orphans | callbacks beyond the first | uploads that failed | answers again after, s | all ended after, s |")  # fmt: skip
    terminalreporter.write_line("|---|" + "---:|" * 11)
    for figure in FIGURES.values():
        terminalreporter.write_line(_row(figure))


def _row(figure: Figure) -> str:
    cells = (
        figure.fault, figure.injected, figure.calls, figure.lost, figure.duplicated, figure.half_stored, figure.out_of_order, figure.orphans,
        figure.repeated, figure.failed, f"{figure.answers_s:.1f}", f"{figure.ended_s:.1f}",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"
