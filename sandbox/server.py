"""Serve a WSGI app in a thread of this process, with keep-alive."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Handler(WSGIRequestHandler):
    """One connection, many requests.

    Werkzeug's own handler closes after every answer. This one reads the whole request before it
    asks the app, and sends the whole answer in one write: nothing is left in the stream to confuse
    the next request, and Nagle's algorithm has nothing to hold back.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def setup(self) -> None:
        super().setup()
        open_sockets(self.server).add(self.connection)

    def finish(self) -> None:
        open_sockets(self.server).discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        chunked = environ.get("wsgi.input_terminated")
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(-1 if chunked else length))
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            head[:] = [status, headers]
            return head.append  # the legacy write callable; nothing here uses it

        answer: Iterable[bytes] = self.server.app(environ, start_response)
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        status, headers = head
        code, _, reason = status.partition(" ")
        lines = [f"HTTP/1.1 {code} {reason}"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() != "content-length"]
        lines.append(f"Date: {self.date_time_string()}")
        if code not in ("204", "304"):
            lines.append(f"Content-Length: {len(body)}")
        if self.close_connection:
            lines.append("Connection: close")
        raw = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.connection.sendall(raw if self.command == "HEAD" else raw + body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log_error(self, format: str, *args: Any) -> None:
        pass


def open_sockets(server: Any) -> set[socket.socket]:
    """The sockets a server holds open, kept on the server itself."""
    if not hasattr(server, "open_sockets"):
        server.open_sockets = set()
    sockets: set[socket.socket] = server.open_sockets
    return sockets


class Server:
    """`with Server(app) as server: requests.get(server.url)`. Port 0 takes any free one."""

    def __init__(self, app: WSGIApplication, port: int = 0, host: str = "127.0.0.1") -> None:
        self.app = app
        self._server = make_server(host, port, app, threaded=True, request_handler=Handler)
        open_sockets(self._server)
        self.host, self.port = host, int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Server:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening, then cut what clients keep alive: they see a closed socket, not a hang."""
        self._server.shutdown()
        self._server.server_close()
        self.cut()
        stop = getattr(getattr(self.app, "extensions", {}).get("sandbox"), "close", None)
        if stop:
            stop()
        self._thread.join(5)

    def cut(self) -> None:
        """Cuts what clients keep alive, and goes on listening."""
        for held in list(open_sockets(self._server)):
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
