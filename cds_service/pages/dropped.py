"""What is dropped on the workbench, or chosen there, as calls: read in memory, written nowhere."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from io import BytesIO

from flask import Request
from werkzeug.formparser import FormDataParser

from cds_service.cards.markdown import plain
from cds_service.errors import MalformedCall, WrongContentType
from cds_service.hooks.body import check_depth
from cds_service.hooks.content import read_content
from cds_service.replay.amend import Entry
from cds_service.replay.calls import Prepared, Recorded, fixtures_folder, prepare, read_documents, read_fixtures
from cds_service.replay.dates import moved
from cds_service.replay.inputs import STDIN, Fault, Input, read_inputs

#: Real patients among the fixtures: stages I to III, kidneys failing, a unit in doubt, a test that is not at hand.
_REAL = ("commpass-005", "commpass-007", "commpass-008", "commpass-010", "commpass-012")
_OF_REAL = "a real patient with newly diagnosed myeloma (MMRF CoMMpass)"
_MOST_FIELDS = 10_000


@dataclass(frozen=True, slots=True)
class Fixture:
    """A recorded case that can be chosen: why it is there, the document, and the time that it was written for."""

    why: str
    given: Input
    as_of: datetime

    def call(self, services: dict[str, str], now: datetime) -> Recorded:
        """The case as a call of today, its dates moved by whole days; ``services`` are ids by hook.

        Raises:
            MalformedCall: it holds none.
        """
        document = moved(self.given.document, (now - self.as_of).days)
        found = dropped_calls([replace(self.given, document=document)], services)
        return replace(found.calls[0], name=self.given.name)


@dataclass(frozen=True, slots=True)
class Dropped:
    """The calls that a file comes to, what in it could not be used, and the Observations that are in no call."""

    calls: tuple[Recorded, ...]
    faults: tuple[Fault, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


@cache
def fixtures() -> dict[str, Fixture]:
    """The cases of the fixtures folder by name, real patients first.

    Raises:
        InputFileError: there is no such folder, or a file in it cannot be read.
    """
    folder, found = fixtures_folder(), {}
    for given in read_documents([folder / "commpass" / "bundles.ndjson.gz"]):
        name = str(given.document.get("id"))
        if name in _REAL:
            as_of = datetime.fromisoformat(given.expected["as_of"])
            found[name] = Fixture(_OF_REAL, Input(name, given.document), as_of)
    for case in read_fixtures(folder):
        given = Input(case.name, case.request, {"service": case.service})
        found[case.name] = Fixture(case.expected["why"], given, datetime.fromisoformat(case.expected["as_of"]))
    return found


def of_file(name: str, body: bytes, services: dict[str, str]) -> Dropped:
    """The calls of a file: a CDS Hooks request, a Bundle or another FHIR resource, or one of them a line.

    Raises:
        MalformedCall: it holds none; the message says where and why, and quotes nothing.
    """
    found = read_inputs([STDIN], BytesIO(body))
    return dropped_calls([replace(given, name=name + given.name.removeprefix(STDIN)) for given in found], services)


def dropped_calls(inputs: Iterable[Input | Fault], services: dict[str, str]) -> Dropped:
    """The calls of documents.

    Raises:
        MalformedCall: they hold none.
    """
    calls: list[Recorded] = []
    faults: list[Fault] = []
    left_out: Counter[str] = Counter()
    for given in inputs:
        found = _prepared(given, services)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            calls += found.calls
            left_out += found.left_out
    if not calls:
        told = [f"{fault.name}: {fault.message}" for fault in faults[:1]]
        raise MalformedCall(*told or ["No patient is in it: nobody that a result could be of."])
    return Dropped(tuple(calls), tuple(faults), left_out)


def _prepared(given: Input | Fault, services: dict[str, str]) -> Prepared | Fault:
    if isinstance(given, Fault):
        return given
    try:
        check_depth(given.document)
    except MalformedCall as error:
        return Fault(given.name, error.message)
    return prepare(given, services)


# ------------------------------------------------------------------ the form


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was sent: its fields, and the file in it, if one was chosen."""

    fields: Mapping[str, str]
    file_name: str = ""
    file: bytes = b""

    def changes(self) -> dict[tuple[str, str], Entry]:
        """How results are to be filed, by reference and analyte."""
        changes = {}
        for name, key in self.fields.items():
            kind, _, number = name.partition("-")
            reference, _, analyte = key.partition(" ")
            if kind == "at" and analyte:
                given = (plain(self.fields.get(f"{part}-{number}", "")) for part in ("value", "unit", "when"))
                changes[reference, analyte] = Entry(*given)
        return changes


def read_form(request: Request, most_bytes: int) -> Form:
    """A form with its file, all of it in memory: Flask would put a larger file on disk for a while.

    Raises:
        WrongContentType: it is no multipart/form-data.
        TooLarge, MalformedCall: see ``read_content``.
    """
    if request.mimetype != "multipart/form-data":
        raise WrongContentType("Send the form as multipart/form-data.")
    body = read_content(request, most_bytes)
    parser = FormDataParser(lambda *_, **__: BytesIO(), max_form_memory_size=None, max_form_parts=_MOST_FIELDS)
    _, fields, files = parser.parse(BytesIO(body), request.mimetype, len(body), request.mimetype_params)
    file = files.get("file")
    named = file.filename if file else None
    return Form(fields.to_dict(), named, file.read()) if file and named else Form(fields.to_dict())
