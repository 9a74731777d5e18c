"""Starting the studio's server and ending it, so that nothing is lost."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from augan.core.errors import UserError
from augan.core.optional import require

HOST, EVERYWHERE = "127.0.0.1", "0.0.0.0"


def serve(studio: Any, port: int, share: bool, tell: Callable[[str], None]) -> list[str]:
    """Serves until it is interrupted; returns the names of the trainings that were saved and paused then.

    Args:
        studio: an `augan.studio.answers.Studio`.
        port: 0 takes any that is free.
        share: also answer other machines of the network; otherwise this one alone.
        tell: is told the address of the page once it can be opened.

    Raises:
        UserError: the port is taken, or a package is missing.
    """
    uvicorn: Any = require("uvicorn", "studio", "The studio")
    from augan.studio.server import make_app

    with _listening(EVERYWHERE if share else HOST, port) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            make_app(studio), log_level="error", access_log=False, lifespan="off", server_header=False
        )
        server = uvicorn.Server(config)
        tell(f"http://{_address() if share else HOST}:{port}/?key={studio.key}")
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            pass  # that is how it ends
        finally:
            paused = studio.close()
    return list(paused)


def _listening(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UserError(
            f"Port {port} cannot be used ({error.strerror}). Choose another --port, or 0 for any."
        ) from error
    return listener


def _address() -> str:
    """This machine's address as others see it, as far as it is known; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that nobody has (RFC 5737)
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])
