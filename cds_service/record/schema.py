"""The store's revision: which one a database is at, and how it gets to the one that this version needs."""

from threading import Lock

from sqlalchemy import Connection, Engine, inspect, text

from cds_service.record.tables import metadata

#: The newest revision in ``migrations/versions``.
REVISION = "0001"
#: Any number, the same for all who migrate: PostgreSQL lets one at a time through.
_LOCK = 5_291_952
#: Alembic keeps its present connection in the module: one thread at a time.
_ALEMBIC = Lock()


class NotMigrated(Exception):
    """A database is at another revision than this version needs; the message says what to do."""

    def __init__(self, found: str | None) -> None:
        super().__init__(f"it is at revision {found or 'none'}, and this version needs {REVISION}: {remedy(found)}")


def is_newer(found: str | None) -> bool:
    """Whether a revision is of a later version than this; revisions are numbered."""
    return found is not None and found > REVISION


def remedy(found: str | None) -> str:
    """What to do about a database that is at another revision."""
    if is_newer(found):
        return "a later version made it; run that version again, or restore the backup from before it"
    return "run `cds-service store migrate`"


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(engine: Engine, revision: str = REVISION) -> None:
    """Brings a database to a revision, in one transaction that keeps others out; "base" empties it.

    Raises:
        SQLAlchemyError, OSError: the database cannot be had.
        NotMigrated: it is at a revision that this version does not know.
    """
    from alembic import command  # only who migrates waits for this import
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "cds_service.record:migrations")
    config.set_main_option("path_separator", "os")
    with _ALEMBIC, engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        run = command.downgrade if revision == "base" else command.upgrade
        try:
            run(config, revision)
        except CommandError:
            raise NotMigrated(revision_of(connection)) from None


def make_in_memory(engine: Engine) -> None:
    """Makes the tables of a database in memory, which is always new: there is nothing to migrate."""
    with engine.begin() as connection:
        metadata.create_all(connection)
