"""One calldock for all end-to-end tests of a run, with a host of recordings beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audio import good_wav
from tests.support.hosts import Host, a_host
from tests.support.running import Account, Calldock, a_calldock


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("host")) as host:
        host.serve("/good.wav", "audio/wav", good_wav())
        yield host


@pytest.fixture(scope="session")
def calldock(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calldock]:
    folder: Path = tmp_path_factory.mktemp("calldock")
    settings = {
        "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
        "EGRESS_CA_FILE": str(host.ca_file),
        "NOTIFY_RETRY_SCHEDULE_S": "0.2,0.2,0.2",
        "MEDIA_DOWNLOAD_PAUSES_S": "0.1,0.1,0.1",
    }
    with a_calldock(folder, **settings) as calldock:
        yield calldock


@pytest.fixture(scope="session")
def account(calldock: Calldock, host: Host) -> Account:
    account = calldock.account()
    host.secrets.append(account.secret)
    return account
