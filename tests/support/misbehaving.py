"""Pages of a receiver that misbehaves, each in one way."""

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler

from tests.support.hosts import Answer, reply


def hang(request: BaseHTTPRequestHandler) -> None:
    """No answer for 3 s."""
    threading.Event().wait(3)


def cut(request: BaseHTTPRequestHandler) -> None:
    """The connection ends without an answer."""
    request.connection.shutdown(socket.SHUT_RDWR)


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """A whole answer, and the connection gone at once."""
    reply(request, 204, "text/plain", b"", connection="close")
    request.close_connection = True
    request.connection.unwrap()


def drip(request: BaseHTTPRequestHandler) -> None:
    """Ten bytes a second of an answer that is 200."""
    request.send_response(200)
    request.send_header("content-length", "1000")
    request.end_headers()
    for _ in range(30):
        request.wfile.write(b"x")
        threading.Event().wait(0.1)


def drip_headers(request: BaseHTTPRequestHandler) -> None:
    """A header that does not end."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nx-drip: ")
    for _ in range(30):
        request.wfile.write(b"x")
        threading.Event().wait(0.1)


def reset(request: BaseHTTPRequestHandler) -> None:
    """RST instead of an answer."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    os.close(request.connection.detach())


def nonsense(request: BaseHTTPRequestHandler) -> None:
    """What is no HTTP."""
    request.wfile.write(b"\0\1\2 this is no HTTP\r\n\r\n")
    request.close_connection = True


def huge_headers(request: BaseHTTPRequestHandler) -> None:
    """8 MB of headers."""
    request.send_response(200)
    for number in range(1000):
        request.send_header(f"x-{number}", "y" * 8000)
    request.end_headers()


def endless(status: int) -> Answer:
    """Gigabytes after this status."""

    def page(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.end_headers()
        for _ in range(100_000):
            request.wfile.write(b"x" * 65536)

    return page
