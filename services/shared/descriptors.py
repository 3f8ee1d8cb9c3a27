"""What of this machine runs out: file descriptors, and memory for sockets."""

import errno
import resource
import socket

MOST_DESCRIPTORS = 65_536
"""Beyond this nobody needs more, and some programs walk through all of them."""
NOTHING_LEFT = "no file descriptors or memory left on this machine"

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def raise_descriptor_limit(most: int = MOST_DESCRIPTORS) -> None:
    """Lifts the limit of open files to what this process is allowed, `most` at most. Every POST under way holds one; many systems begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def is_our_shortage(error: BaseException) -> bool:
    """True for an error that says that this machine has too little of something, and nothing about the peer."""
    if isinstance(error, MemoryError):
        return True
    # aiohttp's errors of connections carry the number of what they wrap. Numbers of getaddrinfo are negative, and stand for no others.
    return isinstance(error, OSError) and error.errno in (*_SHORTAGES, socket.EAI_MEMORY)
