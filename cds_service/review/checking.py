"""Rules of the package or of a folder, checked: every fault by name, so that a draft can be mended from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from cds_service.errors import InputFileError, KnowledgeError
from cds_service.knowledge.model import Evaluate, Rule, load, placeholders_of, read_rule
from cds_service.review.cases import faults_of_cases

PARTS = ("__init__.py", "rule.toml", "rule.py", "cases.toml")
#: Cards advise professionals and direct nobody.
DIRECTIVES = ("must", "immediately", "urgent", "start ", "stop ", "prescribe", "administer", "critical")


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule that was checked: how many cases it has, and what is wrong with it."""

    name: str
    cases: int
    faults: tuple[str, ...]


def check(folder: Path | None) -> list[Checked]:
    """The rules of a folder, or of one rule's folder; those of the package where none is given.

    Raises:
        InputFileError: the folder holds no rule.
    """
    installed = load()
    if folder is None:
        return [_checked(rule, installed) for rule in installed]
    return [_of_draft(draft, installed) for draft in rule_folders(folder)]


def rule_folders(folder: Path) -> list[Path]:
    """The folders of rules that ``folder`` is or holds, be it the rules', the knowledge's or a whole checkout.

    Raises:
        InputFileError: there is none.
    """
    if (folder / "rule.toml").is_file():
        return [folder]
    for place in (
        folder,
        folder / "rules",
        folder / "knowledge" / "rules",
        folder / "cds_service" / "knowledge" / "rules",
    ):
        found = sorted(path.parent for path in place.glob("*/rule.toml"))
        if found:
            return found
    raise InputFileError(f"{folder} holds no rule: no rule.toml in it or in a folder of it")


def _of_draft(folder: Path, installed: Sequence[Rule]) -> Checked:
    name = folder.resolve().name
    absent = tuple(f"{part} is not there" for part in PARTS if not (folder / part).is_file())
    if absent:
        return Checked(name, 0, absent)
    try:
        rule = read_rule(folder, name).deciding_by(_evaluate_of(folder))
        found = _checked(rule, installed)
    except KnowledgeError as error:
        return Checked(name, 0, (str(error),))
    expected = rule.id.replace("-", "_")
    misnamed = (f"the folder is called {name}, expected {expected} (from id)",) if name != expected else ()
    return Checked(found.name, found.cases, misnamed + found.faults)


def _evaluate_of(folder: Path) -> Evaluate:
    """What a draft's rule.py decides by. Its folder needs no place on Python's path."""
    module = ModuleType(f"draft_of_{folder.resolve().name}")
    try:
        SourceFileLoader(module.__name__, str(folder / "rule.py")).exec_module(module)
        evaluate: Evaluate = module.evaluate
    except Exception as error:  # whatever a draft's rule.py does is a fault of the draft
        raise KnowledgeError(f"rule.py cannot be loaded: {type(error).__name__}: {error}") from error
    return evaluate


def _checked(rule: Rule, installed: Sequence[Rule]) -> Checked:
    faults = (*faults_of_wording(rule), *faults_of_yielding(rule, installed), *faults_of_cases(rule))
    return Checked(rule.id, len(rule.cases()), faults)


def faults_of_wording(rule: Rule) -> Iterator[str]:
    """What is wrong with the words and sources of a rule that is well formed."""
    cited = {name for cites in rule.cites().values() for name in cites}
    used = {p for text in rule.texts().values() for p in placeholders_of(text)}
    yield from (f"citations.{name} is cited nowhere" for name in rule.citations if name not in cited)
    yield from (f"placeholders.{name} is used nowhere" for name in rule.placeholders if name not in used)
    for name, outcome in rule.outcomes.items():
        unknown = (threshold for threshold in outcome.means_says if threshold not in rule.thresholds)
        yield from (f"outcomes.{name}.means_says: there is no threshold {threshold!r}" for threshold in unknown)
    for where, text in rule.texts().items():
        yield from (f"{where} gives a directive ({word.strip()!r})" for word in DIRECTIVES if word in text.lower())


def faults_of_yielding(rule: Rule, others: Sequence[Rule]) -> Iterator[str]:
    """Outcomes that a rule would yield to and that neither it nor any of ``others`` has."""
    there = {f"{known.id}/{outcome}" for known in (*others, rule) for outcome in known.outcomes}
    for name, outcome in rule.outcomes.items():
        named = {"yields_to": outcome.yields_to, "means_yields_to": outcome.means_yields_to}
        for part, yielding in named.items():
            yield from (f"outcomes.{name}.{part}: there is no {other!r}" for other in yielding if other not in there)
