"""Which host a credential is for, and which header it may be."""

import pytest

from services.intake.recording_host import basic, header, host_of, read_host
from services.media.credential import HostCredential
from services.shared.errors import Refusal
from services.shared.host_port import HostPort


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("pbx.example.com", HostPort("pbx.example.com", 443)),
        ("PBX.Example.com.", HostPort("pbx.example.com", 443)),
        ("pbx.example.com:8443", HostPort("pbx.example.com", 8443)),
        ("[2001:db8::1]:8443", HostPort("2001:db8::1", 8443)),
        ("[2001:DB8:0:0::1]", HostPort("2001:db8::1", 443)),
        ("straße.de", HostPort("xn--strae-oqa.de", 443)),
        ("пример.рф", HostPort("xn--e1afmkfd.xn--p1ai", 443)),
    ],
)
def test_a_host_is_read(text: str, host: HostPort) -> None:
    assert read_host(text) == host


@pytest.mark.parametrize(
    "text", ["", "https://x", "x/y", "x?y", "x#y", "a@b", "x:0", "x:99999", "x:y", " x", "[::1", "x\\y", "x\0"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        read_host(text)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://pbx.example.com/1.wav?a=b", HostPort("pbx.example.com", 443)),
        ("HTTPS://someone@PBX.example.com:443/", HostPort("pbx.example.com", 443)),
        ("http://pbx.example.com/1.mp3", None),
        ("https://x:99999/", None),
        ("calldock-upload:abc", None),
        ("not a link", None),
    ],
)
def test_only_https_links_have_a_host_that_may_see_a_credential(url: str, host: HostPort | None) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize("name", ["Host", "content-length", "Range", "accept-encoding", "Connection"])
def test_headers_of_the_transport_are_refused(name: str) -> None:
    with pytest.raises(Refusal, match="belongs to the download"):
        header(name, "x")


def test_basic_is_that_of_its_rfc() -> None:
    # RFC 7617, 2.1: user "test", password "123£".
    assert basic("test", "123£").value == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    ("scheme", "host", "port", "is_shown"),
    [
        ("https", "pbx.example.com", 8443, True),
        ("https", "PBX.example.com.", 8443, True),
        ("http", "pbx.example.com", 8443, False),
        ("https", "pbx.example.com", 443, False),
        ("https", "evil.example.com", 8443, False),
        ("https", "pbx.example.com.evil.com", 8443, False),
        ("https", "", None, False),
    ],
)
def test_a_credential_is_shown_to_its_own_host_alone(scheme: str, host: str, port: int | None, is_shown: bool) -> None:
    credential = HostCredential(host="pbx.example.com", port=8443, header_name="x-key", header_value="secret")

    assert credential.headers_for(scheme, host, port) == ({"x-key": "secret"} if is_shown else {})
    assert "secret" not in repr(credential)
