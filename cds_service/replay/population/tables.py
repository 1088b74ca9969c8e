"""Tables by DuckDB: what is joined, sorted and counted goes to disk where it does not fit into memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.errors import CdsServiceError, ConfigurationError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: By table, the columns of its lines of NDJSON.
STAGED = {"patient": "VARCHAR", "kind": "VARCHAR", "key": "VARCHAR", "b2m": "BOOLEAN", "body": "VARCHAR"}
UNUSABLE = {"file": "VARCHAR", "line": "BIGINT", "problem": "VARCHAR"}
#: Of each part, how many rows a thread holds before it writes them: with hundreds of parts more would fill memory.
_ROWS_HELD = 1000


@contextmanager
def failures_named() -> Iterator[None]:
    """What DuckDB fails of, by its kind: its own words may quote the data.

    Raises:
        CdsServiceError: it failed.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        remedy = "a larger --memory-mb, or fewer --parts" if isinstance(error, duckdb.OutOfMemoryException) else "disk"
        raise CdsServiceError(f"DuckDB gave up ({type(error).__name__}); it needs {remedy}") from None


def connect(spill: Path, memory_mb: int, threads: int) -> "DuckDBPyConnection":
    """DuckDB with bounds; what is over ``memory_mb`` goes to the folder ``spill``.

    Raises:
        ConfigurationError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise ConfigurationError("DuckDB is not installed; pip install 'b2m-cds-service[population]'") from None
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory_mb}MB'")
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET temp_directory = {quoted(spill)}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET partitioned_write_flush_threshold = {_ROWS_HELD}")
    return connection


def as_line(row: dict[str, Any]) -> str:
    """A row as a line of NDJSON, without the half characters that Python can hold and no encoding has."""
    return f"{json.dumps(row, ensure_ascii=False)}\n".encode("utf-8", "replace").decode()


def quoted(path: Path | str) -> str:
    """A path as an SQL text."""
    return "'" + str(path).replace("'", "''") + "'"


def ndjson(folder: Path, columns: dict[str, str]) -> str:
    """The rows of all ``.ndjson`` files of a folder, as something to select from."""
    typed = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    files = quoted(f"{escape(str(folder))}/*.ndjson")
    return f"read_json({files}, format = 'newline_delimited', columns = {{{typed}}})"


def parquet(path: Path) -> str:
    """The rows of a Parquet file, or of all in a folder, as something to select from."""
    inside = "/**/*.parquet" if path.is_dir() else ""
    return f"read_parquet({quoted(escape(str(path)) + inside)}, hive_partitioning = false)"


def streamed(connection: "DuckDBPyConnection", query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, a few at a time."""
    found = connection.execute(query)
    while rows := found.fetchmany(100):
        yield from rows
