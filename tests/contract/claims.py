"""The table of contract rows against tests: `python -m tests.contract.claims` prints it, and fails when a row has no test or a test names no row.

`--json` prints the same for programs.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.rows import CONTRACT, NOT_YET, all_rows, names_a_row, row_of

DATABASES = ("sqlite", "postgresql")
"""What ids of the stores' tests begin with."""
ROOT = Path(__file__).parents[2]


@dataclass
class Claims:
    """Which tests name which row, and which names are no rows."""

    tests: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unknown: list[str] = field(default_factory=list)


class Collector:
    """A pytest plugin that reads the rows' keys from ids and markers of everything that is collected."""

    def __init__(self, rows: list[str]) -> None:
        self._rows = rows
        self.claims = Claims()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Reads every item."""
        for item in session.items:
            named = {key for mark in item.iter_markers("contract") for key in mark.args}
            self.claims.unknown += [f"{item.nodeid}: {key}" for key in sorted(named - set(self._rows))]
            _, bracket, test_id = item.name.partition("[")
            for database in DATABASES:
                test_id = test_id.removeprefix(f"{database}-")
            if bracket and names_a_row(test_id):
                row = row_of(test_id.removesuffix("]"), self._rows)
                if row is None:
                    self.claims.unknown.append(item.nodeid)
                else:
                    named.add(row)
            for key in named & set(self._rows):
                self.claims.tests[key].append(item.nodeid)


def collect() -> Claims:
    """What all tests claim, found by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.claims", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return Claims(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the claims as JSON on the last line")
    as_json = parser.parse_args().json
    rows = all_rows(CONTRACT.read_text())
    if as_json:
        collector = Collector(rows)
        # Nothing is run: no need to rewrite assertions.
        collecting = ("--collect-only", "-qq", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:randomly")
        status = pytest.main([*collecting, str(ROOT / "tests")], [collector])
        print("\n" + json.dumps({"tests": collector.claims.tests, "unknown": collector.claims.unknown}))
        sys.exit(status)
    claims = collect()
    for row in rows:
        tests = sorted(claims.tests.get(row, []))
        print(row, *(tests or ["(not yet)" if row in NOT_YET else "MISSING"]), sep="\n    ")
    missing = [row for row in rows if row not in claims.tests and row not in NOT_YET]
    proofs = sum(map(len, claims.tests.values()))
    print(
        f"\n{len(rows)} rows, {proofs} proofs, {len(NOT_YET)} not yet, {len(missing)} missing", *missing, sep="\n    "
    )
    if claims.unknown:
        print(f"{len(claims.unknown)} names of no row", *claims.unknown, sep="\n    ")
    sys.exit(bool(missing or claims.unknown))


if __name__ == "__main__":
    main()
