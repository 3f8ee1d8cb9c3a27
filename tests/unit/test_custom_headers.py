"""Custom headers: which are taken, which hosts they name, to which links they go."""

import pytest

from services.notify.custom_headers import CustomHeaders, check_hosts, headers_for, read, written
from services.shared.errors import Refusal

KEY = {"x-api-key": "k3y"}


def goes(url: str, *hosts: str) -> bool:
    return headers_for(url, CustomHeaders(KEY, hosts)) == KEY


@pytest.mark.parametrize(
    ("url", "hosts", "sent"),
    [
        pytest.param("https://crm.example.com/hook", [], True, id="any host over https"),
        pytest.param("HTTPS://CRM.example.com:8443/", [], True, id="any port over https"),
        pytest.param("http://crm.example.com/hook", [], False, id="no host in the clear"),
        pytest.param("http://crm.example.com:443/", [], False, id="no host in the clear, whatever the port"),
        pytest.param("https://crm.example.com/hook", ["crm.example.com"], True, id="a host that is named"),
        pytest.param("https://CRM.Example.com./hook", ["crm.example.com"], True, id="however the link spells it"),
        pytest.param("https://other.example.com/", ["crm.example.com"], False, id="another host"),
        pytest.param("https://crm.example.com.evil.example/", ["crm.example.com"], False, id="a longer host"),
        pytest.param("https://crm.example.com@evil.example/", ["crm.example.com"], False, id="a user named so"),
        pytest.param("https://crm.example.com:8443/", ["crm.example.com"], False, id="another port"),
        pytest.param("http://crm.example.com/", ["crm.example.com"], False, id="port 80 is another port"),
        pytest.param("http://crm.example.com/", ["crm.example.com:80"], True, id="named in the clear"),
        pytest.param("http://crm.example.com:443/", ["crm.example.com"], False, id="named for https"),
        pytest.param("http://crm.local:8080/", ["x", "crm.local:8080"], True, id="one of several"),
        pytest.param("https://[2001:DB8::1]:8443/", ["[2001:db8::1]:8443"], True, id="an address"),
        pytest.param("no link", [], False, id="no link"),
    ],
)
def test_headers_go_over_https_or_to_hosts_that_are_named(url: str, hosts: list[str], sent: bool) -> None:
    assert goes(url, *check_hosts(hosts)) is sent


def test_what_does_not_go_is_no_header_at_all() -> None:
    assert headers_for("http://crm.example.com/", CustomHeaders(KEY)) == {}


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("CRM.example.com", "crm.example.com"),
        ("crm.example.com:443", "crm.example.com"),
        ("crm.example.com.", "crm.example.com"),
        ("crm.local:80", "crm.local:80"),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
        ("10.1.2.3:8080", "10.1.2.3:8080"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ],
)
def test_a_host_is_spelled_as_receivers_are(text: str, spelled: str) -> None:
    assert check_hosts([text]) == [spelled]


def test_a_star_alone_stands_for_every_host() -> None:
    assert check_hosts(["*"]) == []


def test_a_host_is_named_once() -> None:
    assert check_hosts(["b", "a:80", "B:443", "a:80"]) == ["b", "a:80"]


@pytest.mark.parametrize(
    "text",
    ["", " ", ":80", "a:0", "a:65536", "a:x", "a/", "a/b", "https://a", "u@a", "a?b", "a#b", "a b", " a", "a\\b", "a\0", "a\n", "a\tb", "[::1", "2001:db8::1", ".", "*", "*.example.com"],
)  # fmt: skip
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_hosts(["crm.example.com", text])

    assert (caught.value.path, caught.value.value) == (("receiver_hosts", 1), text)


def test_what_was_sealed_is_read_and_values_are_not_shown() -> None:
    custom = CustomHeaders(KEY, ["crm.example.com"])

    assert read(written(custom)) == custom
    assert "k3y" not in repr(custom)
