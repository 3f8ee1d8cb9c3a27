"""What Envoy's configuration says of traces: nothing, or where its spans go and how many of the requests have one."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_TRACING = """\
          # One span for each request that is traced; its context goes on to the service.
          tracing:
            random_sampling: {{value: {percent:g}}}
            provider:
              name: envoy.tracers.opentelemetry
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                service_name: calldock-envoy
                grpc_service: {{envoy_grpc: {{cluster_name: traces}}, timeout: 5s}}
"""
_CLUSTER = """\
  - name: traces
    type: STRICT_DNS
    connect_timeout: 1s
    typed_extension_protocol_options: *h2
    load_assignment: {{cluster_name: traces, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {host}, port_value: {port}}}}}}}}}]}}]}}
"""
_TLS = """\
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: {host}
        auto_sni_san_validation: true
        common_tls_context: {{validation_context: {{trusted_ca: {{filename: /etc/ssl/certs/ca-certificates.crt}}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """Where spans go, `http://host:port` or https, and the share of requests that are traced. An empty endpoint: nowhere."""

    endpoint: str = ""
    share: float = 0.0

    @property
    def connection_manager(self) -> str:
        """What the connection manager is told."""
        return _TRACING.format(percent=self.share * 100) if self.endpoint else ""

    @property
    def cluster(self) -> str:
        """Where the collector is."""
        if not self.endpoint:
            return ""
        at = urlsplit(self.endpoint)
        facts = {"host": at.hostname, "port": at.port}
        return _CLUSTER.format(**facts) + (_TLS.format(**facts) if at.scheme == "https" else "")
