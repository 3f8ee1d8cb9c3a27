"""How many files and sockets this process may hold."""

import resource
from collections.abc import Iterator

import pytest

from services.shared.descriptors import raise_descriptor_limit


@pytest.fixture(autouse=True)
def limits() -> Iterator[tuple[int, int]]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize(
    ("soft", "most", "lifted"),
    [
        pytest.param(512, 600, 600, id="as far as asked"),
        pytest.param(512, 10**9, None, id="as far as allowed"),
        pytest.param(700, 600, 700, id="never lowered"),
    ],
)
def test_the_limit_is_lifted(limits: tuple[int, int], soft: int, most: int, lifted: int | None) -> None:
    hard = limits[1] if limits[1] != resource.RLIM_INFINITY else 10**6
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, limits[1]))

    raise_descriptor_limit(min(most, hard))

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (lifted or hard, limits[1])
