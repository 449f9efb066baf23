"""A proxy that does to a connection what networks do: one thread a connection and direction, bytes only."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Self


class Fault(StrEnum):
    """What happens to connections, from the moment it is set; those that are open are treated the same."""

    NONE = "none"
    REFUSE = "refuse"
    BLACKHOLE = "blackhole"
    CUT = "cut"
    DRIP = "drip"
    CORRUPT = "corrupt"
    SLOW = "slow"
    HALF_OPEN = "half-open"


DRIP_SECONDS = 0.5
SLOW_SECONDS = 5.0
CUT_AFTER = 300
CORRUPT_ONE_IN = 100


class FaultProxy:
    """Stands before a port of this machine."""

    def __init__(self, target: int, seed: int = 1) -> None:
        self._target = target
        self._dice = random.Random(seed)
        self._fault = Fault.NONE
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._open: set[socket.socket] = set()
        self._frozen: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.connections = 0
        self.corrupted = 0
        """The bits that were turned over."""
        self._listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set(self, fault: Fault) -> None:
        """From now on this."""
        with self._changed:
            before, self._fault = self._fault, fault
            self._changed.notify_all()
        if fault is Fault.REFUSE:
            self._deaf()
            self._break_all()
        elif before is Fault.REFUSE:
            self._listen()

    def freeze(self) -> None:
        """Connections that are open now go on being open, and nothing moves on them any more."""
        self._frozen |= self._open

    def close(self) -> None:
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        self._deaf()
        self._break_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _deaf(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # ends the accept that waits
            listener.close()

    def _break_all(self) -> None:
        for each in list(self._open):
            _reset(each)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(near)
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            self._done(near)
            return
        self._open.add(far)
        for each in (near, far):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        up = threading.Thread(target=self._pump, args=(near, far, self._forward), daemon=True)
        up.start()
        self._pump(far, near, self._backward)
        up.join()
        self._done(near)
        self._done(far)

    def _done(self, each: socket.socket) -> None:
        self._open.discard(each)
        each.close()

    def _pump(self, source: socket.socket, sink: socket.socket, move: Callable[[socket.socket, bytes], None]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if source in self._frozen:
                    self._closed.wait()
                    break
                move(sink, data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _forward(self, sink: socket.socket, data: bytes) -> None:
        self._wait_while(Fault.BLACKHOLE, Fault.HALF_OPEN)
        sink.sendall(data)

    def _backward(self, sink: socket.socket, data: bytes) -> None:
        fault = self._fault
        if fault in (Fault.BLACKHOLE, Fault.HALF_OPEN):
            self._wait_while(Fault.BLACKHOLE, Fault.HALF_OPEN)
        elif fault is Fault.CUT:
            with contextlib.suppress(OSError):
                sink.sendall(data[:CUT_AFTER])
            _reset(sink)
            raise OSError("cut")
        elif fault is Fault.DRIP:
            self._drip(sink, data)
            return
        elif fault is Fault.CORRUPT:
            data = self._corrupt(data)
        elif fault is Fault.SLOW:
            self._pause(SLOW_SECONDS)
        sink.sendall(data)

    def _drip(self, sink: socket.socket, data: bytes) -> None:
        for number in range(len(data)):
            if self._fault is not Fault.DRIP:
                sink.sendall(data[number:])
                return
            sink.sendall(data[number : number + 1])
            self._pause(DRIP_SECONDS)

    def _corrupt(self, data: bytes) -> bytes:
        found = bytearray(data)
        for _ in range(max(1, len(data) // CORRUPT_ONE_IN)):
            self.corrupted += 1
            found[self._dice.randrange(len(found))] ^= 1 << self._dice.randrange(8)
        return bytes(found)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(seconds)

    def _wait_while(self, *faults: Fault) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._fault not in faults or self._closed.is_set())
        if self._closed.is_set():
            raise OSError("closed")


def _reset(each: socket.socket) -> None:
    """End a connection with RST instead of FIN, and whoever waits on it."""
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        each.shutdown(socket.SHUT_RDWR)
