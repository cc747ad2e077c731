"""How gunicorn takes requests in: a thread is for one that has arrived, not for one that is still on its way.

gunicorn's own `gthread` gives a thread to whoever sends the first byte, and waits in it without end: a few dozen
connections that say no more would close the door. Here they wait together in the worker's main loop.
"""

import errno
import socket
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

ARRIVES_S = 20.0
"""From a request's first byte to its last, or to `AHEAD` bytes of it."""
AHEAD = 320 * 1024
"""So much of a request is taken in before a thread reads the rest: any webhook from EHQ (256 KiB) and its headers."""
STALLS_S, SLOWEST = 5.0, 10_000
"""What a thread reads itself (an upload) may stand still so long in all, and arrives with so many bytes a second."""
LINGERS_S, LINGERS = 2.0, 64 * 1024
"""How long, and for how many bytes, a connection we end waits for the other side, so that the answer is not cut off."""
WAITS = object()


class Arriving(SocketUnreader):  # type: ignore[misc]
    """What arrives on a connection, one request after the other."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.until: float | None = None
        self.next_chunk = self.got = self.drained = 0
        self.waited = 0.0
        self.ended = False

    def arrived(self) -> bool:
        """Whether the next request is here, as far as is taken in ahead. Waits for nothing. :raise OSError:"""
        self.sock.setblocking(False)
        try:
            while not self._whole():
                data = self.sock.recv(64 * 1024)
                if not data:
                    break  # the other side is gone; whoever reads on finds that out
                self.buf.seek(0, 2)
                self.buf.write(data)
        except BlockingIOError:
            if self.buf.getvalue():  # else nothing was begun: it may wait as long as between two requests
                self.until = self.until or time.monotonic() + ARRIVES_S
            return False
        self.until, self.next_chunk, self.got, self.waited = None, 0, 0, 0.0
        return True

    def _whole(self) -> bool:
        """What cannot be told, such as a length that is no number, is for gunicorn's parser to answer."""
        here = self.buf.getvalue()
        end = here.find(b"\r\n\r\n") + 4
        if len(here) > AHEAD or end < 4:
            return len(here) > AHEAD
        head = here[: end - 2].lower()
        if b"\r\ntransfer-encoding:" in head:
            return self._last_chunk(here, end)
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0].strip() or b"0"
        return not length.isdigit() or (len(length) <= 9 and len(here) >= end + int(length))

    def _last_chunk(self, here: bytes, start: int) -> bool:
        at = self.next_chunk = max(self.next_chunk, start)
        while (end := here.find(b"\r\n", at)) >= 0:
            try:
                size = int(here[at:end].partition(b";")[0], 16)
            except ValueError:
                return True
            if size <= 0:
                return b"\r\n\r\n" in here[end:]
            at = self.next_chunk = end + 2 + size + 2
        return False

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Reads on in a thread. Too slow is a broken pipe: werkzeug answers it 400, gunicorn ends it without a word."""
        began = time.monotonic()
        self.sock.settimeout(STALLS_S)
        try:
            data: bytes = super().chunk(size_hint)
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "nothing more arrived") from None
        finally:
            self.sock.settimeout(None)
        self.got += len(data)
        self.waited += time.monotonic() - began
        if self.waited > STALLS_S + self.got / SLOWEST:
            raise BrokenPipeError(errno.EPIPE, "too little arrived")
        return data

    def end(self) -> bool:
        """Says that nothing more follows from us, and whether that could be said."""
        self.ended, self.until = True, time.monotonic() + LINGERS_S
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def lingers(self) -> bool:
        """Whether the other side may still read our answer."""
        self.sock.setblocking(False)
        try:
            while self.drained < LINGERS and (data := self.sock.recv(4096)):
                self.drained += len(data)
        except BlockingIOError:
            return True
        return False


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's, but for waiting: no thread does, nor the main loop (as it did for each connection it ends)."""

    def handle(self, conn: TConn) -> Any:
        if self.cfg.is_ssl:  # then bytes are no request yet; in front of us something else ends TLS
            return super().handle(conn)
        try:
            if not conn.initialized:
                conn.init()
                conn.parser.unreader = Arriving(conn.sock)
            arriving: Arriving = conn.parser.unreader
            if arriving.ended:
                return WAITS if arriving.lingers() else False
            if not arriving.arrived():
                return WAITS
        except OSError:
            return False
        answered = super().handle(conn)
        return answered or (WAITS if arriving.end() else False)

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        result = None if fs.cancelled() or fs.exception() else fs.result()
        if result is WAITS:
            conn.sock.setblocking(False)
            conn.timeout = conn.parser.unreader.until or time.monotonic() + self.cfg.keepalive
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))
        elif result is False and not self.cfg.is_ssl:
            self.nr_conns -= 1
            conn.close()
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        self.pending_conns: deque[TConn] = deque(sorted(self.pending_conns, key=lambda conn: conn.timeout))
        super().murder_pending()
