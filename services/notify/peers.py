"""intake, as notify sees it: who calls."""

from pydantic import SecretStr

from services.shared.rpc.callers import Callers
from services.shared.rpc.dial import dial, internal_metadata
from services.shared.rpc.tls import PeerTls


class Intake:
    """Raises Trouble when intake is away."""

    def __init__(self, address: str, key: SecretStr | None, tls: PeerTls | None) -> None:
        self._channel = dial(address, "intake", tls)
        self.callers = Callers(self._channel, internal_metadata(key))

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()
