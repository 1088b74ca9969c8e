"""What is to be run over a population, whatever engine does it."""

from collections.abc import Callable
from dataclasses import dataclass

from cds_service.replay.population.deciding import Basis

#: Told of each step how much of it is done, of how much.
Progress = Callable[[str, int, int], None]

#: The tables that a run writes, each by its name.
FINDINGS, DIFFERENCES, QUARANTINE, SUMMARY = "findings", "differences", "quarantine", "summary"


@dataclass(frozen=True, slots=True)
class Run:
    """An export to be decided into the folder ``out``; all places are as the engine names them.

    ``jobs``: how many processes. ``memory_mb``: what the join by patient may take before it goes to disk. ``parts``: in
    how many parts the patients are decided; None: by their number. ``compare``: the folder of an earlier run.
    """

    paths: tuple[str, ...]
    out: str
    basis: Basis
    jobs: int = 1
    memory_mb: int = 256
    parts: int | None = None
    compare: str | None = None
