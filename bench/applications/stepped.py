"""``cds-service`` whose clock can be set: its seconds ahead of the true time stand in the file ``CLOCK_FILE``.

It is set where the service and PyJWT read the time of day; what only counts seconds (deadlines, cool-downs) goes by the
machine's monotonic clock, as it would if the machine's clock were set. A process cannot set that one for itself alone.
"""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import jwt.api_jwt

import cds_service.app
import cds_service.record.store
from cds_service.cli.main import cli

_READERS = (cds_service.app, cds_service.record.store, jwt.api_jwt)


class _Stepped(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_Stepped":
        """The time of day as the service has it."""
        ahead = timedelta(seconds=int(Path(os.environ["CLOCK_FILE"]).read_text() or 0))
        return super().now(tz) + ahead


if __name__ == "__main__":
    for reader in _READERS:
        reader.datetime = _Stepped  # type: ignore[attr-defined]
    cli(prog_name="cds-service")
