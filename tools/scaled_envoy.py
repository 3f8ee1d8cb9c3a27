"""The front door for replicas, made from the template of `calldock up`: services found by DNS and spoken to over TLS. `make scaled` writes it; a test compares."""

import re
import sys
from pathlib import Path

from services.cli.front_door import FrontDoor
from services.shared.rpc.tls import certificate_name

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "deploy/kubernetes/base/envoy.yaml"
PUBLIC_PORT = 9090
HTTP_PORT = 9092
CLUSTERS = {
    "intake": ("intake", PUBLIC_PORT),
    "media": ("media", PUBLIC_PORT),
    "media_http": ("media", HTTP_PORT),
    "notify": ("notify", PUBLIC_PORT),
}
"""The service behind each cluster, and its port."""
_SOCKETS = "/run/calldock"


def scaled_config() -> str:
    """The configuration, as YAML. Raises ValueError when the template no longer has the places that are changed here."""
    front = FrontDoor(
        listen_address="0.0.0.0", listen_port=8080, sockets=Path(_SOCKETS), descriptors=Path("/etc/calldock/public.binpb"),
        openapi=Path("/etc/calldock/openapi.json"), max_request_bytes=524_288,
        replicas={cluster: [f"{service}:{port}"] for cluster, (service, port) in CLUSTERS.items()},
    )  # fmt: skip
    text = front.config().replace(
        "The names after a dollar sign are filled in by `calldock up`.", "Made by tools/scaled_envoy.py."
    )
    for cluster, (service, _port) in CLUSTERS.items():
        text = _replaced(text, rf"(?m)^  - name: {cluster}\n    type: STRICT_DNS\n", _cluster(cluster, service), 1)
    return text


def _cluster(cluster: str, service: str) -> str:
    """How a cluster begins whose replicas show the service's certificate. Files are looked at again when the secret's folder changes."""
    return f"""  - name: {cluster}
    type: STRICT_DNS
    dns_lookup_family: V4_PREFERRED
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: {certificate_name(service)}
        common_tls_context:
          tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
          tls_certificate_sds_secret_configs:
          - {{name: certificate, sds_config: {{path_config_source: {{path: /etc/calldock/envoy/certificate.yaml}}}}}}
          combined_validation_context:
            default_validation_context:
              match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{exact: {certificate_name(service)}}}}}]
            validation_context_sds_secret_config: {{name: authority, sds_config: {{path_config_source: {{path: /etc/calldock/envoy/authority.yaml}}}}}}
"""


def _replaced(text: str, pattern: str, by: str, times: int) -> str:
    changed, found = re.subn(pattern, lambda _match: by, text)
    if found != times:
        raise ValueError(f"{pattern} stands {found} times in the template, not {times}")
    return changed


if __name__ == "__main__":
    TARGET.write_text(scaled_config())
    sys.exit(0)
