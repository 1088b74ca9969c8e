"""``cds-service serve``: the service under gunicorn."""

from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from cds_service.app import create_app
from cds_service.config import load_settings

_THREADS = 4
_TIMEOUT_SECONDS = 30


class _Server(BaseApplication):  # type: ignore[misc] # gunicorn has no type information
    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app()


@click.command()
@click.option("--host", help="Address to listen on.  [default: BIND_HOST, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: BIND_PORT, 8000]")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes.  [default: WORKERS, 2]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve CDS Hooks over HTTP until stopped."""
    settings = load_settings()
    host, port = host or settings.bind_host, settings.bind_port if port is None else port
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    _Server(
        {
            "bind": address,
            "workers": workers or settings.workers,
            "worker_class": "gthread",
            "threads": _THREADS,
            "timeout": _TIMEOUT_SECONDS,
            "proc_name": "cds-service",
            "loglevel": "warning",
            "control_socket_disable": True,
        }
    ).run()
