"""A file that a caller streams here, written down whole: of the size that was said, in the time that it may take."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from services.media.digest import Digesting, Digests
from services.media.scratch import writing
from services.shared.errors import Mnemonic, Refusal


async def receive_file(pieces: AsyncIterator[bytes], size_bytes: int, target: Path, timeout_s: float) -> Digests:
    """Writes the pieces into `target` and answers their digests. Raises Refusal for a file that is not of the declared size, or too slow; Trouble when the folder takes no more."""
    digesting = Digesting()
    received = 0
    try:
        async with asyncio.timeout(timeout_s):
            with writing(target) as write:
                async for piece in pieces:
                    received += len(piece)
                    if received > size_bytes:
                        break
                    digesting.take(piece)
                    write(piece)
    except TimeoutError:
        why = f"the file did not come within {timeout_s:g} s"
        raise Refusal(Mnemonic.DATA_LIMIT_EXCEEDED, path=("file",), why=why, grpc_code="DEADLINE_EXCEEDED") from None
    if received != size_bytes:
        # A caller who hung up looks like one who has sent all.
        why = f"{size_bytes:,} bytes are declared, {'more' if received > size_bytes else f'{received:,}'} came"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("size_bytes",), value=size_bytes, why=why)
    return digesting.digests()
