"""`python -m services.shared.db.writer FD DATABASE LOCK MODULE...`: a process that runs store functions on an SQLite file for the process that owns it, and does nothing else.

One thread: what came while a group was committed is the next group. It ends when its socket does, after all that it was asked.
"""

import signal
import socket
import sys
from collections import deque
from importlib import import_module
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from services.shared.db.group_commit import Request, commit_group, writing_engine
from services.shared.db.turns import turn
from services.shared.db.writer_process import read_request, run_of, write_answer, write_answers
from services.shared.errors import Refusal, Refusals, Trouble
from services.shared.frames import Frames, frame
from services.shared.logs import set_up_logs
from services.shared.memory import tune_memory

log = structlog.get_logger()

_PIECE_BYTES = 1024 * 1024


class Writer:
    """Runs what comes over a socket, in groups."""

    def __init__(self, connection: Connection, sock: socket.socket, lock: int) -> None:
        """`lock` as of `turn`."""
        self._connection = connection
        self._socket = sock
        self._lock = lock
        self._frames = Frames()
        self._waiting: deque[Request] = deque()
        self._numbers: dict[Request, int] = {}

    def serve(self) -> None:
        """Runs and answers until the socket ends. Raises OSError when nobody takes the answers any more."""
        while self._gather():
            with turn(self._lock):
                commit_group(self._connection, self._waiting)
            self._answer()

    def _gather(self) -> bool:
        """Takes what has come meanwhile, waiting for it when there is nothing to do. False when all is done and nothing more comes."""
        while True:
            try:
                piece = self._socket.recv(_PIECE_BYTES, socket.MSG_DONTWAIT if self._waiting else 0)
            except BlockingIOError:
                return True
            if not piece:
                return bool(self._waiting)
            for data in self._frames.of(piece):
                self._ask(*read_request(data))

    def _ask(self, number: int, asked: bytes) -> None:
        try:
            request = Request(run_of(asked))
        except Exception as error:
            log.exception("writer.not_understood")
            self._send([(number, write_answer(None, error))])
            return
        self._numbers[request] = number
        self._waiting.append(request)

    def _answer(self) -> None:
        done = [request for request in self._numbers if request.done.done()]
        self._send([(self._numbers.pop(request), _answer_of(request)) for request in done])

    def _send(self, answers: list[tuple[int, bytes]]) -> None:
        self._socket.sendall(frame(write_answers(answers)))


def _answer_of(request: Request) -> bytes:
    failure = request.done.exception()
    try:
        if failure is not None:
            raise failure
        return write_answer(request.done.result(), None)
    except (Refusal, Refusals, Trouble) as known:
        return write_answer(None, known)
    except Exception as bug:
        log.exception("writer.function_failed")
        return write_answer(None, bug)


def main(fd: int, path: Path, lock: int, modules: list[str]) -> None:
    """Serves the socket of this number."""
    for module in modules:
        import_module(module)
    tune_memory()
    with socket.socket(fileno=fd) as sock:
        try:
            with writing_engine(path).connect() as connection:
                sock.sendall(frame(b"ready"))
                Writer(connection, sock, lock).serve()
        except OperationalError as error:
            # A full disk, most of all: the owner does the work until the next one is started.
            log.warning("writer.cannot_run", reason=str(error.orig))
        except OSError as error:
            log.info("writer.left_alone", reason=str(error))


if __name__ == "__main__":
    # A stop that is asked of all processes of a machine or a terminal is the owner's to carry out: it lets us finish, and hangs up.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    set_up_logs(Path(sys.argv[2]).stem)
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
