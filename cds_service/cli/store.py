"""``cds-service store``: what is remembered, looked after by whoever runs the service. docs/record.md has the steps."""

from datetime import UTC, datetime, timedelta

import click

from cds_service.config import load_settings
from cds_service.errors import CdsServiceError
from cds_service.record import upkeep
from cds_service.record.engine import masked
from cds_service.record.pseudonyms import load_pseudonyms
from cds_service.record.schema import REVISION, remedy
from cds_service.record.schema import migrate as migrate_to


@click.group()
def store() -> None:
    """Look after what is remembered: decisions, feedback, used tokens."""


@store.command()
def migrate() -> None:
    """Bring the database to the revision that this version needs."""
    url = load_settings().database_url
    with upkeep.reaching(url) as engine:
        migrate_to(engine)
    click.echo(f"{masked(url)} is at revision {REVISION}.")


@store.command()
def status() -> None:
    """Print what the database holds, and which keys make pseudonyms."""
    settings = load_settings()
    with upkeep.reaching(settings.database_url) as engine:
        found = upkeep.status(engine)
    pseudonyms = load_pseudonyms(settings.pseudonym_keys)
    needs = "" if found.is_current else f" (this version needs {REVISION}: {remedy(found.revision)})"
    click.echo(f"{masked(settings.database_url)}: revision {found.revision or 'none'}{needs}")
    for table, rows in found.rows.items():
        click.echo(f"  {table}: {rows}")
    overdue = found.is_overdue(settings.retention_days, datetime.now(UTC))
    late = f" (older than RETENTION_DAYS={settings.retention_days}: run `cds-service store purge` every day)"
    click.echo(f"  oldest decision: {found.oldest.isoformat() if found.oldest else 'none'}{late if overdue else ''}")
    ids = [key.id for key in pseudonyms.keys]
    kept = f"; kept to recognise old rows: {', '.join(ids[1:])}" if ids[1:] else ""
    click.echo(f"  key in force: {ids[0]}{kept}" if ids else "  no PSEUDONYM_KEYS: no pseudonym is stored")


@store.command()
@click.option("--older-than", type=click.IntRange(0), metavar="DAYS", help="In place of RETENTION_DAYS.")
def purge(older_than: int | None) -> None:
    """Remove decisions and feedback that are older than RETENTION_DAYS, and tokens that have expired."""
    settings, now = load_settings(), datetime.now(UTC)
    days = settings.retention_days if older_than is None else older_than
    with upkeep.reaching(settings.database_url) as engine:
        removed = upkeep.purge(engine, now - timedelta(days=days), now)
        click.echo(f"Removed, older than {days} days: {_counted(removed)}.")
        if not upkeep.empty_log(engine):
            raise CdsServiceError(
                "What was removed is not yet out of the log of the database, since another program reads it: run again."
            )


@store.command()
@click.argument("url")
def copy(url: str) -> None:
    """Copy all of the database of DATABASE_URL into another, empty one that is migrated."""
    with upkeep.reaching(load_settings().database_url) as source, upkeep.reaching(url) as target:
        copied = upkeep.copy(source, target)
    click.echo(f"Copied into {masked(url)}: {_counted(copied)}.")


def _counted(rows: dict[str, int]) -> str:
    return ", ".join(f"{table} {count}" for table, count in rows.items())
