"""A real FHIR R4 server in process: loopback only, a temporary database, stopped at the end."""

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
import uvicorn
from sekmet.config import Settings
from sekmet.main import create_app

from cds_service.replay.calls import dump_json

START_SECONDS = 30


@contextlib.contextmanager
def fhir_server(*resources: Any, token: str) -> Iterator[str]:
    """The base URL of a server that holds ``resources`` under their own ids and asks for ``token``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        base = f"http://127.0.0.1:{port}/fhir"
        settings = Settings(
            base_url=base,
            host="127.0.0.1",
            port=port,
            data_dir=folder,
            db_path=f"{folder}/fhir.db",
            simulator={"enabled": False},
            own_private_key_path=f"{folder}/key.pem",
            server_auth={"types": ["bearer"], "tokens": [token]},
        )
        server = uvicorn.Server(uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            assert time.monotonic() < deadline, "the FHIR server did not start in time"
            time.sleep(0.01)
        try:
            for resource in resources:
                address = f"{base}/{resource['resourceType']}/{resource['id']}"
                headers = {"Content-Type": "application/fhir+json", "Authorization": f"Bearer {token}"}
                requests.put(address, dump_json(resource), headers=headers, timeout=10).raise_for_status()
            yield base
        finally:
            server.should_exit = True
            thread.join(10)
