"""Ports nobody else has."""

import socket


def hold(host: str, wanted: int) -> tuple[int, socket.socket]:
    """The first free port from `wanted` on, and the socket that keeps it ours while gunicorn listens on it.

    gunicorn's workers share their port (SO_REUSEPORT), so a second copy of the relay would be let in beside them and
    take half of the requests. A socket that is bound, never listens, and shares only with those who ask to share,
    keeps everyone else away who looks here first.
    """
    for port in range(wanted, min(wanted + 100, 65536)):
        holder = socket.socket()
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections of ours may linger
            holder.bind((host, port))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            return port, holder
        except OSError as error:
            holder.close()
            refused = error
    raise OSError(f"no free port on {host} from {wanted} on: {refused}")


def any_free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
