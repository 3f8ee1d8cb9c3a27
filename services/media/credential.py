"""What a recording host wants to see before it gives a file, and which host may see it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCredential:
    """A request header for one host and port. The value is a secret, and is not shown."""

    host: str
    port: int
    header_name: str
    header_value: str = field(repr=False)

    def headers_for(self, scheme: str, host: str, port: int | None) -> dict[str, str]:
        """The header for a request to this address: for its own host over https, for no other and never in the clear."""
        is_its_own = scheme == "https" and host.rstrip(".").lower() == self.host and port == self.port
        return {self.header_name: self.header_value} if is_its_own else {}
