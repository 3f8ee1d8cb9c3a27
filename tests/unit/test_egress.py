"""docs/contract.md 6: which addresses may be dialled."""

import pytest
from yarl import URL

from services.shared.addresses import AddressPolicy, AddressRefused, is_denied, parse_address, parse_allow_entry
from services.shared.egress import EgressGuard

DENIED = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.1.2.3", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "64:ff9b:1:a9fe:a9:fe00:808:808", "2002:7f00:1::", "2002:a00:1::1",
    "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "3fff::1", "5f00::1", "100::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("text", DENIED)
def test_what_is_not_plainly_public_is_denied(text: str) -> None:
    assert is_denied(parse_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_not(text: str) -> None:
    assert not is_denied(parse_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x", "https://localhost/x", "https://2130706433/x", "https://0x7f000001/x", "https://0177.0.0.1/x", "https://127.1/x",
        "https://127.0.0.1./x", "https://localhost./x", "https://[::1]/x", "https://[::ffff:7f00:1]/x", "https://user:secret@127.0.0.1/x",
        "https://[::ffff:127.0.0.1]:8443/x", "https://[::1%25lo]/x", "https://[::1%25nothing9]/x", "https://[::ffff:127.0.0.1%25eth0]/x",
    ],
)  # fmt: skip
async def test_every_spelling_of_this_machine_is_refused(url: str) -> None:
    guard = EgressGuard(AddressPolicy([], setting="CALLDOCK_EGRESS_ALLOW"))

    with pytest.raises(AddressRefused, match="CALLDOCK_EGRESS_ALLOW") as caught:
        await guard.resolve(URL(url))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "url", "is_allowed"),
    [
        ("127.0.0.1", "https://127.0.0.1:8443/", True),
        ("127.0.0.1:8443", "https://127.0.0.1:8443/", True),
        ("127.0.0.1:8443", "https://127.0.0.1/", False),
        ("127.0.0.0/8", "https://127.9.9.9/", True),
        ("127.0.0.0/8:443", "https://127.9.9.9/", True),
        ("10.0.0.0/8", "https://127.0.0.1/", False),
        ("[::1]:8443", "https://[::1]:8443/", True),
        ("[::1]", "https://[::1]:99/", True),
        ("localhost", "https://LOCALHOST:1/", True),
        ("localhost:2", "https://localhost:1/", False),
        ("otherhost", "https://localhost/", False),
    ],
)
async def test_an_allow_entry_covers(entry: str, url: str, is_allowed: bool) -> None:
    guard = EgressGuard(AddressPolicy([entry], setting="CALLDOCK_EGRESS_ALLOW"))
    try:
        await guard.resolve(URL(url))
    except AddressRefused:
        assert not is_allowed
    else:
        assert is_allowed


async def test_a_look_up_answers_the_checked_addresses_whatever_the_name() -> None:
    resolver = await EgressGuard(AddressPolicy(["127.0.0.1"], setting="X")).resolve(URL("https://127.0.0.1:8443/"))

    found = await resolver.resolve("evil.example.com", 8443)

    assert [(entry["host"], entry["port"]) for entry in found] == [("127.0.0.1", 8443)]


@pytest.mark.parametrize(
    "entry", ["", ":80", "10.0.0.0/99", "[::1", "[::1]x", "host:0", "host:70000", "host:http", "10.0.0.1/8", "a:b:c"]
)
def test_what_is_no_allow_entry_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="not an allow entry"):
        parse_allow_entry(entry)


@pytest.mark.parametrize("zone", ["nothing9", "eth0", "lo", "1"])
def test_an_address_with_a_zone_is_judged_before_anything_is_dialled(zone: str) -> None:
    """Also while there is no such interface: there may be one at the next attempt."""
    policy = AddressPolicy([], setting="CALLDOCK_EGRESS_ALLOW_WEBHOOKS")
    host = URL(f"http://[fe80::1%25{zone}]:8080/").raw_host

    for _ in range(2):
        with pytest.raises(AddressRefused, match="CALLDOCK_EGRESS_ALLOW_WEBHOOKS"):
            policy.check_written(host or "", 8080)
