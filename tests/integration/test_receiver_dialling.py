"""docs/contract.md 7: where a POST may go at the very last, and what is this machine's shortage and no receiver's failure."""

import asyncio
import errno
import os
import resource
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from yarl import URL

from services.notify.notification import AttemptOutcome
from services.notify.receiver import Receivers
from services.shared.addresses import Address, AddressPolicy, AddressRefused
from services.shared.egress import EgressGuard, PinnedResolver, open_session, trusting
from services.shared.errors import Trouble
from services.shared.look_ups import LookUps
from tests.support.hosts import Host, a_host, reply

SETTING = "CALLDOCK_EGRESS_ALLOW_WEBHOOKS"
NOWHERE = ip_address("192.0.2.1")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("host")) as host:
        host.pages["/page"] = lambda request: reply(request, 204, "text/plain", b"")
        yield host


@asynccontextmanager
async def receivers(host: Host, guard: EgressGuard, timeout_s: float = 5) -> AsyncIterator[Receivers]:
    opened = Receivers(guard, trusting(host.ca_file), timeout_s)
    try:
        yield opened
    finally:
        await opened.close()


def guard_of(*allowed: str, ask: Callable[[str, int], set[Address]] | None = None) -> EgressGuard:
    return EgressGuard(AddressPolicy(allowed, setting=SETTING), look_ups=ask and LookUps(ask))


class Lenient(EgressGuard):
    """Misses everything before a connection is made."""

    def __init__(self, *allowed: str, found: tuple[str, ...] = ()) -> None:
        super().__init__(AddressPolicy(allowed, setting=SETTING))
        self._found = [ip_address(text) for text in found]

    def check_written(self, url: URL) -> None:
        """Lets all through."""

    async def addresses(self, host: str | None, port: int) -> list[Address]:
        """Finds what it was told, and judges nothing."""
        return self._found


@pytest.mark.parametrize(
    ("allowed", "name", "found"),
    [
        pytest.param((), "127.0.0.1", (), id="spelt out"),
        pytest.param((), "name.example", ("127.0.0.1",), id="one address"),
        pytest.param((), "name.example", ("127.0.0.1", "::1"), id="two at once"),
        pytest.param((), "name.example", ("127.0.0.1", "127.0.0.2", "::1", "fe80::1"), id="four at once"),
        pytest.param(("other.example",), "name.example", ("127.0.0.1",), id="another name is allowed"),
        pytest.param(("127.0.0.1:1",), "name.example", ("127.0.0.1",), id="another port is allowed"),
    ],
)
async def test_what_may_not_be_dialled_is_not_whatever_was_missed_before(
    host: Host, allowed: tuple[str, ...], name: str, found: tuple[str, ...]
) -> None:
    host.posted["/page"].clear()

    async with receivers(host, Lenient(*allowed, found=found)) as opened:
        answer = await opened.post(f"https://{name}:{host.port}/page", {}, b"{}")

    assert answer.outcome is AttemptOutcome.ADDRESS_REFUSED
    assert SETTING in answer.reason
    assert not host.posted["/page"]


@pytest.mark.parametrize("allowed", ["localhost", "127.0.0.0/8", "127.0.0.1"])
async def test_what_is_allowed_by_name_or_network_is_dialled(host: Host, allowed: str) -> None:
    found = {ip_address("127.0.0.1")}

    async with receivers(host, guard_of(allowed, ask=lambda name, port: found)) as opened:
        answer = await opened.post(f"https://LOCALHOST.:{host.port}/page", {}, b"{}")

    assert answer.outcome is AttemptOutcome.DELIVERED


async def test_a_download_goes_nowhere_but_to_the_addresses_that_were_checked(host: Host) -> None:
    resolver = PinnedResolver([ip_address("198.41.0.4")])

    with pytest.raises(AddressRefused, match="not checked"):
        async with open_session(resolver, trusting(host.ca_file), 5) as session, session.get(f"{host.url}/page"):
            pass

    assert not host.hits["/page"]


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """The next file or socket of this process is one too many."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.dup(0)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize(
    "found", [pytest.param({"127.0.0.1"}, id="one address"), pytest.param({"127.0.0.1", "::1"}, id="two at once")]
)
async def test_no_descriptor_for_a_connection_is_no_failure_of_the_receiver(host: Host, found: set[str]) -> None:
    guard = guard_of("localhost", ask=lambda name, port: {ip_address(text) for text in found})
    async with receivers(host, guard) as opened:
        url = f"https://localhost:{host.port}/page"
        await opened.post("http://localhost:1/", {}, b"{}")
        with no_descriptor_left(), pytest.raises(Trouble, match="no file descriptors or memory left"):
            await opened.post(url, {}, b"{}")
        answer = await opened.post(url, {}, b"{}")

    assert answer.outcome is AttemptOutcome.DELIVERED


@pytest.mark.parametrize(
    ("error", "is_ours"),
    [
        pytest.param(OSError(errno.EMFILE, "too many open files"), True, id="EMFILE"),
        pytest.param(OSError(errno.ENFILE, "too many open files"), True, id="ENFILE"),
        pytest.param(OSError(errno.ENOBUFS, "no buffers"), True, id="ENOBUFS"),
        pytest.param(OSError(errno.ENOMEM, "no memory"), True, id="ENOMEM"),
        pytest.param(socket.gaierror(socket.EAI_MEMORY, "no memory"), True, id="EAI_MEMORY"),
        pytest.param(MemoryError(), True, id="no memory for Python"),
        pytest.param(socket.gaierror(socket.EAI_NONAME, "no such name"), False, id="EAI_NONAME"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "servers away"), False, id="EAI_AGAIN"),
        pytest.param(UnicodeError("label too long"), False, id="no name"),
    ],
)
async def test_a_look_up_that_lacks_something_of_ours_is_no_failure_of_the_receiver(
    host: Host, error: Exception, is_ours: bool
) -> None:
    def ask(name: str, port: int) -> set[Address]:
        raise error

    async with receivers(host, guard_of(ask=ask)) as opened:
        try:
            outcome: object = (await opened.post("https://name.example/", {}, b"{}")).outcome
        except Trouble:
            outcome = Trouble

    assert outcome is (Trouble if is_ours else AttemptOutcome.CONNECTION)


async def test_a_look_up_that_finds_no_thread_in_the_exchanges_time_is_no_failure_of_the_receiver(host: Host) -> None:
    is_over = threading.Event()

    def ask(name: str, port: int) -> set[Address]:
        is_over.wait(30)
        return {NOWHERE}

    guard = EgressGuard(AddressPolicy([], setting=SETTING), look_ups=LookUps(ask, at_once=1))
    async with receivers(host, guard, timeout_s=0.2) as opened:
        ended = await asyncio.gather(
            opened.post("https://dead.example/", {}, b"{}"),
            opened.post("https://other.example/", {}, b"{}"),
            opened.post("https://dead.example/", {}, b"{}"),
            return_exceptions=True,
        )
    is_over.set()

    assert isinstance(ended[1], Trouble)
    assert [getattr(each, "outcome", None) for each in (ended[0], ended[2])] == [AttemptOutcome.TIMEOUT] * 2


async def test_our_bug_is_an_answer_and_no_end_of_the_process(host: Host) -> None:
    class Broken(Lenient):
        def check_written(self, url: URL) -> None:
            raise LookupError("a bug")

    with capture_logs() as logs:
        async with receivers(host, Broken()) as opened:
            answer = await opened.post("https://user:secret@name.example/?token=x", {"x-key": "hidden"}, b"{}")

    assert (answer.outcome, answer.reason) == (AttemptOutcome.INTERNAL, "calldock failed")
    assert [entry["event"] for entry in logs] == ["receiver.failed"]
    assert not any(word in repr(logs) for word in ("secret", "token", "hidden", "name.example"))


async def test_nobody_dials_who_does_not_say_where(host: Host, tmp_path: Path) -> None:
    """A session that is used outside of an exchange."""
    async with receivers(host, guard_of("127.0.0.1")) as opened:
        await opened.post(f"{host.url}/page", {}, b"{}")
        with pytest.raises(AddressRefused, match="nobody said"):
            await opened._opened().get("https://127.0.0.1:1/")
