"""``cds-service serve``: the service under gunicorn."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger as GunicornLog
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from cds_service.app import before_fork, create_app
from cds_service.cli import gunicorn_conf
from cds_service.cli.check import IN_MEMORY, is_in_memory, not_served_to_others
from cds_service.config import Settings, is_loopback, load_settings, load_site
from cds_service.errors import CdsServiceError, ConfigurationError
from cds_service.hooks.trust import mode_of
from cds_service.record import logs, metrics

_log = logging.getLogger(__name__)


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no type information
    """gunicorn's threads, silent about what they could not read: it may be a token, or a patient's data."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Logs and answers an error by its kind; gunicorn would quote the request, and its address, in both."""
        super().handle_error(None, client, addr, _unquoted(exc) if isinstance(exc, ParseException) else exc)


def _unquoted(error: ParseException) -> ParseException:
    kind = type(error)
    unquoted: Any = type(kind.__name__, (kind,), {"__str__": lambda _: kind.__name__})
    return unquoted.__new__(unquoted)


class ServerLog(GunicornLog):  # type: ignore[misc] # gunicorn has no type information
    """gunicorn's log as part of ours. It writes no line a request: ``hooks/access_log.py`` does."""

    def setup(self, cfg: Any) -> None:
        """Called at the start and at each reload."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Server(BaseApplication):  # type: ignore[misc] # gunicorn has no type information
    def __init__(self, options: dict[str, Any], settings: Settings) -> None:
        self._options, self._settings = options, settings
        super().__init__()

    def load_config(self) -> None:
        named = {name: value for name, value in vars(gunicorn_conf).items() if name in self.cfg.settings}
        for name, value in (named | self._options).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        app = create_app()
        before_fork(app)
        return app

    def reload(self) -> None:
        """On SIGHUP: the application anew, with the site's profile and keys as they are now, if they can be used."""
        try:
            self.callable = self.load()
        except CdsServiceError as error:
            _log.error("not reloaded, it goes on as before: %s", error)
        super().reload()

    def run(self) -> None:
        """Until it is told to stop."""
        logs.configure(self._settings.log_format, self._settings.log_level)
        with _shared_metrics():
            super().run()


@click.command()
@click.option("--host", help="Address to listen on.  [default: BIND_HOST, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: BIND_PORT, 8000]")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes.  [default: WORKERS, 2]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve CDS Hooks over HTTP until stopped."""
    settings = load_settings()
    site = load_site(settings.site_profile)
    host, port = host or settings.bind_host, settings.bind_port if port is None else port
    if mode_of(settings, site) == "loopback only" and not is_loopback(host):
        raise ConfigurationError(not_served_to_others(host))
    if is_in_memory(settings, site, workers or settings.workers):
        raise ConfigurationError(IN_MEMORY)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = {"bind": address, "workers": workers or settings.workers, "loglevel": settings.log_level}
    _Server(options, settings).run()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which all workers count, for as long as their parent runs; workers leave this block too."""
    parent, folder = os.getpid(), Path(mkdtemp(prefix="cds-service-", dir=gunicorn_conf.worker_tmp_dir))
    metrics.share(folder, gunicorn_conf.this_process)
    try:
        yield
    finally:
        if os.getpid() == parent:
            rmtree(folder, ignore_errors=True)
