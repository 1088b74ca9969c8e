"""The shape of a rule: what its TOML must hold, and the Finding that its ``evaluate`` returns.

A rule lives in ``rules/<question>/``: ``rule.toml`` is what a clinician reviews, ``rule.py`` decides, ``cases.toml``
is its specification. ``load()`` reads them all.
"""

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pkgutil import iter_modules
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from cds_service.errors import KnowledgeError
from cds_service.facts import CodedResult, Facts, Result
from cds_service.knowledge.cases import Case, read_cases
from cds_service.knowledge.identity import hash_with, rule_hash
from cds_service.knowledge.sign_off import SignOff
from cds_service.knowledge.terms import parse_toml, validated

SUMMARY_LIMIT = 139
#: The placeholder that says whose a limit is: the service's default, or the site's own.
WHOSE = "default"

NotEmpty = Annotated[str, Field(min_length=1)]
Basis = Literal["published", "service default"]
Element = Literal[
    "race",
    "ethnicity",
    "language",
    "sexual orientation",
    "gender identity",
    "sex",
    "date of birth",
    "social determinants of health data",
    "health status assessments data",
]
#: What of a person a rule may use, by the names of 45 CFR 170.315(b)(11)(iv)(A).
ELEMENTS: tuple[Element, ...] = get_args(Element)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Citation(_Part):
    """Where a fact was published, and how it was seen: "text", "abstract" or "second-hand"."""

    text: NotEmpty
    url: Annotated[str, Field(pattern=r"^https://")]
    seen: Literal["text", "abstract", "second-hand"]


class Threshold(_Part):
    """A number that decides, with unit and source. Its name says the side: _below, _from, _above or _to.

    ``service default`` marks a number that no publication gives: the card says so, and within ``site_from`` and
    ``site_to``, where it has them, a site may set another, which is then ``local``. ``of`` is the analyte that it is
    compared with, so that it can be shown in the laboratory's unit too.
    """

    value: Annotated[Decimal, Field(strict=False)]
    unit: NotEmpty
    basis: Basis
    cites: tuple[str, ...] = Field(strict=False, default=())
    of: str = ""
    says: NotEmpty
    site_from: Annotated[Decimal, Field(strict=False)] | None = None
    site_to: Annotated[Decimal, Field(strict=False)] | None = None
    local: bool = False


class Review(_Part):
    """Who of the clinical profession has reviewed the rule. Nobody, until somebody has."""

    status: Literal["not clinically reviewed", "clinically reviewed"]
    reviewed_by: str = ""
    reviewed_on: str = ""

    @model_validator(mode="after")
    def _a_review_names_its_reviewer(self) -> "Review":
        named = {bool(self.reviewed_by), bool(self.reviewed_on)}
        if named != {self.status == "clinically reviewed"}:
            raise ValueError("a clinically reviewed rule names reviewed_by and reviewed_on, any other names neither")
        return self


class Outcome(_Part):
    """One thing the rule may conclude: its wording, and how it ranks beside what other rules conclude.

    ``rank``: the lowest leads the card with its ``summary``; the others add their ``tag`` while there is room.
    ``raises_card``: whether it makes a card, or only speaks beside another finding. Beside an outcome named in
    ``yields_to`` ("rule-id/outcome") it is not shown, since that one says it; beside one named in ``means_yields_to``
    its ``means`` is left out. ``means_says``: thresholds that ``means`` says in its own words.
    """

    rank: int
    raises_card: bool
    indicator: Literal["info", "warning"] = "info"
    summary: str = ""
    tag: str = ""
    found: NotEmpty
    means: str = ""
    cites: tuple[str, ...] = Field(strict=False, default=())
    yields_to: tuple[str, ...] = Field(strict=False, default=())
    means_yields_to: tuple[str, ...] = Field(strict=False, default=())
    means_says: tuple[str, ...] = Field(strict=False, default=())

    @model_validator(mode="after")
    def _what_raises_a_card_has_a_summary(self) -> "Outcome":
        if self.raises_card and not self.summary:
            raise ValueError("an outcome that raises a card has a summary")
        return self

    def texts(self) -> dict[str, str]:
        """Its wording templates by the part of a card that they make."""
        return {"summary": self.summary, "tag": self.tag, "found": self.found, "means": self.means}


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a terminology, with what it is called."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a reader may accept with one click: a test to order, or with a ``value`` an Observation to file.

    ``label`` is what is offered, in words; ``note`` goes with it. An Observation also has its ``profile``, its
    ``method``, and the ``inputs`` that it derives from, the B2M first; where it ``rests_on`` what another rule
    proposes, it stands only beside that.
    """

    label: str
    code: Code
    note: str = ""
    value: Code | None = None
    method: Code | None = None
    profile: str = ""
    inputs: tuple[Result, ...] = ()
    rests_on: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule concluded about one specimen. ``values`` fill the wording's placeholders.

    ``inputs`` and ``coded`` are the results that it rests on: those that are numbers, those that are codes.
    """

    rule: str
    version: str
    specimen: str
    outcome: str
    notes: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Result, ...] = ()
    thresholds: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    coded: tuple[CodedResult, ...] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """The references of the results it rests on."""
        return (*(result.reference for result in self.inputs), *(coded.reference for coded in self.coded))


Evaluate = Callable[[Facts, "Rule"], Finding | None]


class Rule(_Part):
    """A rule as its TOML describes it, with its ``evaluate``.

    ``released`` is when its first version came out, ``revised`` when the present one did. ``asked_by`` says whether it
    is about results or about a B2M that is being ordered; ``orders`` has, by analyte, the note that goes with each test
    that it offers to order.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    released: date
    revised: date
    title: NotEmpty
    specimens: tuple[str, ...] = Field(strict=False)
    what_it_says: NotEmpty
    why_it_matters: NotEmpty
    silent_when: tuple[str, ...] = Field(strict=False)
    uses: tuple[Element, ...] = Field(strict=False)
    review: Review
    citations: Annotated[dict[str, Citation], Field(min_length=1)]
    thresholds: dict[str, Threshold] = {}
    placeholders: dict[str, int] = {}
    outcomes: dict[str, Outcome]
    notes: dict[str, str] = {}
    note_cites: dict[str, list[str]] = {}
    asked_by: Literal["results", "orders"] = "results"
    orders: dict[str, str] = {}

    _evaluate: Evaluate = PrivateAttr()
    _folder: Traversable = PrivateAttr()
    _hash: str = PrivateAttr(default="")
    _replaced: Mapping[str, Decimal] = PrivateAttr(default_factory=dict)
    _sign_offs: tuple[SignOff, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _is_consistent(self) -> "Rule":
        for problem in self._inconsistencies():
            raise ValueError(problem)
        return self

    def _inconsistencies(self) -> list[str]:
        found = ["revised lies before released"] if self.revised < self.released else []
        found += [f"thresholds.{name}: {fault}" for name, t in self.thresholds.items() for fault in _faults(name, t)]
        for where, cites in self.cites().items():
            found += [f"{where} cites {c!r}, which is not in citations" for c in cites if c not in self.citations]
        for name, outcome in self.outcomes.items():
            longest = self._longest(outcome.summary)
            if longest > SUMMARY_LIMIT:
                found.append(f"outcomes.{name}.summary can grow to {longest} characters, {SUMMARY_LIMIT} are allowed")
        found += [f"note_cites.{note}: there is no such note" for note in self.note_cites if note not in self.notes]
        for where, text in self.texts().items():
            found += [
                f"{where}: unknown placeholder {{{p}}}" for p in placeholders_of(text) if p not in self.placeholders
            ]
        return found

    def cites(self) -> dict[str, Sequence[str]]:
        """The names of citations by the place in the TOML that gives them."""
        return {
            **{f"thresholds.{name}": threshold.cites for name, threshold in self.thresholds.items()},
            **{f"outcomes.{name}": outcome.cites for name, outcome in self.outcomes.items()},
            **{f"note_cites.{name}": cites for name, cites in self.note_cites.items()},
        }

    def _longest(self, template: str) -> int:
        filled = {name: "x" * self.placeholders.get(name, 0) for name in placeholders_of(template)}
        return len(template.format_map(filled))

    def texts(self) -> dict[str, str]:
        """Every wording template by its place in the TOML."""
        texts = {f"notes.{name}": text for name, text in self.notes.items()}
        texts |= {f"orders.{key}": note for key, note in self.orders.items()}
        for name, outcome in self.outcomes.items():
            texts |= {f"outcomes.{name}.{part}": text for part, text in outcome.texts().items()}
        return texts

    def cited_by(self, finding: "Finding") -> tuple[Citation, ...]:
        """What a finding rests on: the sources of its outcome, of the thresholds that decided, and of its notes."""
        names = list(self.outcomes[finding.outcome].cites)
        names += [c for threshold in finding.thresholds for c in self.thresholds[threshold].cites]
        names += [c for note in finding.notes for c in self.note_cites.get(note, ())]
        return tuple(self.citations[name] for name in dict.fromkeys(names))

    def value(self, name: str) -> Decimal:
        """The threshold ``name``, in its unit."""
        return self.thresholds[name].value

    def evaluate(self, facts: Facts) -> Finding | None:
        """What the rule concludes from ``facts``, or None where it has nothing to say."""
        return self._evaluate(facts, self)

    def deciding_by(self, evaluate: Evaluate) -> "Rule":
        """This rule, with what decides for it."""
        self._evaluate = evaluate
        return self

    @property
    def content_hash(self) -> str:
        """What its files said when it was loaded: the hash of rule.toml and rule.py."""
        return self._hash

    def at_site(self, numbers: Mapping[str, Decimal], sign_offs: Sequence[SignOff]) -> "Rule":
        """This rule with a site's own numbers by threshold, and what of it the site's clinicians have signed off."""
        changed = {n: self.thresholds[n].model_copy(update={"value": numbers[n], "local": True}) for n in numbers}
        found = self.model_copy(update={"thresholds": self.thresholds | changed})
        found._replaced = {name: self.thresholds[name].value for name in numbers}
        found._sign_offs = tuple(sign_offs)
        return found

    @property
    def replaced(self) -> Mapping[str, Decimal]:
        """The service's own numbers where the site has set another, by threshold."""
        return self._replaced

    @property
    def hash_here(self) -> str:
        """The content hash, and with it the site's numbers where it has set any: what a sign-off is of."""
        return hash_with(self._hash, {name: self.thresholds[name].value for name in self._replaced})

    @property
    def signed_off(self) -> SignOff | None:
        """The site's sign-off of the rule as it stands; one of anything else does not count."""
        return next((one for one in self._sign_offs if one.is_of(self.version, self.hash_here)), None)

    @property
    def outdated_sign_offs(self) -> tuple[SignOff, ...]:
        """The site's sign-offs of what the rule no longer is, the newest first."""
        found = [one for one in self._sign_offs if not one.is_of(self.version, self.hash_here)]
        return tuple(sorted(found, key=lambda one: (one.on, one.version), reverse=True))

    def cases(self) -> tuple[Case, ...]:
        """Its specification, read anew.

        Raises:
            KnowledgeError: the cases are not well formed.
        """
        return read_cases(self._folder)

    def finding(
        self,
        outcome: str,
        specimen: str,
        *,
        values: Mapping[str, str] | None = None,
        notes: tuple[str, ...] = (),
        inputs: tuple[Result, ...] = (),
        thresholds: tuple[str, ...] = (),
        proposals: tuple[Proposal, ...] = (),
        coded: tuple[CodedResult, ...] = (),
    ) -> Finding:
        """A Finding of this rule.

        Raises:
            KnowledgeError: the outcome, a note or a threshold is not in the rule's TOML, a value is longer than its
                placeholder allows, or a placeholder has no value.
        """
        values = dict(values or {})
        if WHOSE in self.placeholders:
            is_local = any(self.thresholds[name].local for name in thresholds if name in self.thresholds)
            values[WHOSE] = "this site's own limit" if is_local else "a service default"
        unknown = [outcome] * (outcome not in self.outcomes)
        unknown += [n for n in notes if n not in self.notes] + [t for t in thresholds if t not in self.thresholds]
        unknown += [p for p, text in values.items() if len(text) > self.placeholders.get(p, -1)]
        if unknown:
            raise KnowledgeError(f"{self.id}: {unknown} not in rule.toml, or longer than its placeholder allows")
        used = [*self.outcomes[outcome].texts().values(), *(self.notes[note] for note in notes)]
        unfilled = {name for template in used for name in placeholders_of(template)} - set(values)
        if unfilled:
            raise KnowledgeError(f"{self.id}: no value for {sorted(unfilled)} in outcome {outcome!r}")
        return Finding(self.id, self.version, specimen, outcome, notes, values, inputs, thresholds, proposals, coded)


def _faults(name: str, threshold: Threshold) -> Iterator[str]:
    if not name.endswith(("_below", "_from", "_above", "_to")):
        yield "the name must end in _below, _from, _above or _to"
    if threshold.basis == "published" and not threshold.cites:
        yield "a published threshold cites its source"
    low, high = threshold.site_from, threshold.site_to
    is_sound = low is high if low is None or high is None else low <= threshold.value <= high
    if not is_sound or (low is not None and threshold.basis != "service default"):
        yield "site_from <= value <= site_to, both or neither, and only of a service default"


@cache
def placeholders_of(template: str) -> tuple[str, ...]:
    """The names of the placeholders in a wording template."""
    return tuple(name for _, name, _, _ in string.Formatter().parse(template) if name)


def load(package: str = "cds_service.knowledge.rules") -> tuple[Rule, ...]:
    """Every rule of ``package``, in the order of their folder names.

    Raises:
        KnowledgeError: a rule's TOML is not well formed; the message names the rule and the place.
    """
    return tuple(_load_rule(f"{package}.{found.name}") for found in iter_modules(import_module(package).__path__))


def _load_rule(package: str) -> Rule:
    rule = read_rule(files(package), package)
    return rule.deciding_by(import_module(f"{package}.rule").evaluate)


def read_rule(folder: Traversable, where: str) -> Rule:
    """The rule that a folder describes, still without its ``evaluate``; ``where`` names it in the message.

    Raises:
        KnowledgeError: its TOML is not well formed.
    """
    name = f"{where}/rule.toml"
    rule = validated(Rule, parse_toml(folder.joinpath("rule.toml"), name), name)
    rule._folder, rule._hash = folder, rule_hash(folder)
    return rule
