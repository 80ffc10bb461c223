"""A gate on the loopback before a real server: open, shut, or silent, so that a test can take the server away."""

import socket
import threading
from contextlib import suppress


class Gate:
    """Forwards connections to a port while it is open; `url` is its address."""

    def __init__(self, port):
        self._port = port
        self._listener = self._connections = None
        self.port = None
        self.silent = threading.Event()
        self.open()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def open(self):
        """Let everything through, at the same address as before."""
        self.silent.clear()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port or 0))
            self.port = self._listener.getsockname()[1]
            self._connections = []
            threading.Thread(target=self._accept, args=(self._listener, self._connections), daemon=True).start()

    def shut(self):
        """Refuse connections, and end those there are."""
        listener, self._listener = self._listener, None
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in self._connections:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener, connections):
        with suppress(OSError):
            while True:
                ours, _ = listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self._port))
                connections += [ours, theirs]
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source, target):
        with suppress(OSError):
            while said := source.recv(1 << 16):
                if not self.silent.is_set():
                    target.sendall(said)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
