"""How ``cds-service serve`` runs gunicorn: every setting with its reason, by gunicorn's own names.

BIND_HOST, BIND_PORT, WORKERS and LOG_LEVEL are set by ``serve``. TCP_NODELAY is set by gunicorn itself.
"""

import os
from itertools import count
from typing import Any

proc_name = "cds-service"
logger_class = "cds_service.cli.serve.ServerLog"

# --- processes and threads
#: Threads overlap the waiting for FHIR servers, which is where a call spends its time; computing gains nothing by them.
worker_class = "cds_service.cli.serve.Worker"
threads = 4
#: The application is made once and forked: a third less memory with four workers, and a new worker starts at once.
preload_app = True
#: Nothing is known to leak; what would, is bounded. Workers are not recycled in step.
max_requests = 20_000
max_requests_jitter = 4_000
#: The heartbeat of workers, in memory: on a busy disk it would stall them.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - shared memory

# --- times, in seconds
#: A worker whose main thread is silent for so long is killed. No call comes near it: a FHIR server is waited for ten
#: seconds at most, a database for five.
timeout = 30
#: On SIGTERM and SIGHUP calls under way are answered; orchestrators kill after thirty.
graceful_timeout = 20
#: nginx makes one connection a call (docs/proxy.md); whoever calls directly may follow up within this.
keepalive = 2

# --- requests
#: Over these 414 and 431. A token may be as long as one header field; docs/proxy.md has nginx in step.
limit_request_line, limit_request_fields, limit_request_field_size = 4_094, 64, 16_384
#: Nobody's headers take the place of the address that was called, or of another header.
forwarded_allow_ips = ""
forwarder_headers = ""
header_map = "drop"
control_socket_disable = True

# --- metrics of all workers together, through files in a folder that serve makes and removes
_MASTER = 0
_process = _MASTER


def this_process() -> int:
    """The number of this worker among those that run; 0 for their parent."""
    return _process


def pre_fork(server: Any, worker: Any) -> None:
    """Gives a new worker the lowest number that no running one has, so that it goes on with that file's counts."""
    taken = {other.number for other in server.WORKERS.values()}
    worker.number = next(number for number in count(_MASTER + 1) if number not in taken)


def post_fork(server: Any, worker: Any) -> None:
    """In the new worker."""
    global _process
    _process = worker.number
