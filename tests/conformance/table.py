"""docs/conformance.md, made from the requirements and the tests that show them.

``python -m tests.conformance.table`` prints the page; ``tests/test_docs.py`` compares it with the one in docs/.
"""

import re
from collections.abc import Iterator

from tests.conformance.requirements import DEVIATIONS, NOT_APPLICABLE, Requirement, binding, published, shown

_HEAD = """# What CDS Hooks asks of a service, and what shows that it is met

Made from the requirements and the tests (`python -m tests.conformance.table > docs/conformance.md`). The requirements
of CDS Hooks 2.0 and of the hooks library 1.0.1 are those of the Da Vinci CRD test kit, under its ids; those of `3.0:`
are what the 3.0.0-ballot asks for beside or instead. Of {published} published requirements {clients} bind clients only
and are left out; {tested} of the others are shown by tests, {reasons} do not apply,
and {deviations} is deviated from on purpose.

Three of the list are slips: @78 and @212 speak of clients, and what @57 forbids 3.0 allows.
"""
_TESTED = """
## Shown by tests

The tests lie in `tests/conformance`.

| requirement | verb | what it asks | shown by |
|---|---|---|---|
"""
_REASONS = """
## Not applicable

`test_requirements.py::test_what_does_not_apply_still_does_not` fails where a reason is no longer true.

| requirement | verb | what it asks | why it does not apply |
|---|---|---|---|
"""
_DEVIATIONS = """
## Deviations

| requirement | verb | what it asks | why it is not done |
|---|---|---|---|
"""
_FOOT = """
## Beside the requirements

- `test_black_box.py` puts a black-box checker to the shipped server: CDS Hooks 2.0 and 3.0, browsers of allowed and of
  foreign origins, a real FHIR server, signed tokens. Nothing fails; what it remarks on stands in the test, with why.
- `test_calls.py` and `test_discovery.py` put discovery and the answers to every fixture, of both services, to HL7's
  logical models of CDS Hooks with their invariants.
- `test_examples.py` judges HL7's 17 example files as HL7's models judge them.
- `test_openapi.py` sends to every route what the document at `/openapi.json` allows and what it does not: no 5xx, no
  undocumented status, no answer that is not as described.
"""
_LONGEST = 150


def page() -> str:
    """The whole page."""
    tests: dict[str, list[str]] = {}
    for id_, test in shown():
        tests.setdefault(id_, []).append(f"`{test}`")
    every = published()
    head = _HEAD.format(
        published=len(every),
        clients=sum(not one.binds_a_service for one in every),
        tested=len(tests),
        reasons=len(NOT_APPLICABLE),
        deviations=len(DEVIATIONS),
    )
    parts = (
        (_TESTED, {id_: ", ".join(names) for id_, names in tests.items()}),
        (_REASONS, NOT_APPLICABLE),
        (_DEVIATIONS, DEVIATIONS),
    )
    return head + "".join(title + "".join(_rows(last_column)) for title, last_column in parts) + _FOOT


def _rows(last_column: dict[str, str]) -> Iterator[str]:
    """A row for each requirement that has a last column, in the order in which they are published."""
    for one in binding():
        if one.id in last_column:
            yield f"| [{one.id}]({one.url}) | {one.verb} | {_shortened(one)} | {last_column[one.id]} |\n"


def _shortened(one: Requirement) -> str:
    """What it asks, without links and in at most ``_LONGEST`` characters."""
    text = re.sub(r"\(https?://[^)]*\)|[\[\]]", "", one.text.replace("|", "/"))
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(' ', 1)[0]} ..."


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its purpose
