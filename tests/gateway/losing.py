"""Something between a command line and its server that loses answers: what was asked arrives, and is done."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Losing:
    """Forwards connections, and of so many of them loses the answer after ``kept`` bytes of it."""

    def __init__(self, target: str, *, answers: int, kept: int = 0) -> None:
        self._target = ("127.0.0.1", urlsplit(target).port or 0)
        self._left = answers
        self._kept = kept
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.lost = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self._target) as far:
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()
            while data := far.recv(65_536):
                if self._loses():
                    near.sendall(data[: self._kept])
                    break
                near.sendall(data)
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65_536):
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _loses(self) -> bool:
        with self._lock:
            if not self._left:
                return False
            self._left -= 1
            self.lost += 1
            return True


@contextmanager
def losing(target: str, *, answers: int, kept: int = 0) -> Iterator[Losing]:
    """A proxy before the server at ``target``, until the block ends."""
    proxy = Losing(target, answers=answers, kept=kept)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """Somebody who is no promptops server: says each of these, connection by connection, the last again and again."""
    listener = socket.create_server(("127.0.0.1", 0))
    left = list(answers)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                with near, contextlib.suppress(OSError):
                    near.recv(65_536)
                    near.sendall(left.pop(0) if len(left) > 1 else left[0])
                    near.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
