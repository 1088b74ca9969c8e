"""Every ``cds-service`` that is written in a document can be typed: its command and its options are there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cds_service.cli.main import cli
from tests.test_docs_links import ROOT, WRITTEN

#: Where a command stands: first on a line or after what the shell puts before one, its settings and folder.
_COMMAND = re.compile(r"(?:^|[;(] *)(?:[A-Z_]+=\S* +)*(?:opentelemetry-instrument +)?(?:[\w./-]*/)?cds-service(?= |$)")
#: Where the shell ends it: a comment, a pipe, the next command, a file to write into.
_ENDS = {"#", "|", "||", "&&", "&", ";", ">", ">>", "2>&1", "<"}


def written(path: Path) -> Iterator[str]:
    """What follows ``cds-service`` in the blocks of code and the code spans of a document."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    spans = re.findall(r"(?<!`)`(cds-service [^`]+)`(?!`)", text)
    for line in [*_blocks(text), *(" ".join(span.split()) for span in spans)]:
        if found := _COMMAND.search(line):
            yield line[found.end() :]


def _blocks(text: str) -> Iterator[str]:
    """The lines of the blocks of shell: indented, or fenced."""
    language: str | None = None
    for line in text.splitlines():
        if fence := re.match(r" *```(\w*)$", line):
            language = fence[1] or "sh" if language is None else None
        elif language in ("sh", "bash") or (language is None and line.startswith("    ")):
            yield line.strip()


def arguments(line: str) -> list[str]:
    """The words of a command, up to where the shell ends it."""
    words = []
    lexer = shlex.shlex(line.replace("...", "X"), posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, "#"
    for word in lexer:
        if word in _ENDS or word.startswith((">", ")")):
            break
        words.append(word.rstrip(")"))
        if word.endswith((";", ")")):
            break
    return words


def fault(words: list[str]) -> str | None:
    """Why these words are no command line, None where they are one."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
        context = click.Context(command, parent=context)
    try:
        command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_written_can_be_typed(path: Path) -> None:
    lines = [(line, fault(arguments(line))) for line in written(path)]
    assert [found for found in lines if found[1]] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (" check --offline   # asks nobody", None),
        (" store purge --older-than 30 && echo done", None),
        (" stoer status", "no command stoer"),
        (" store purg", "no command purg"),
        (" check --online", "No such option"),
        (" token keys trial --kid", "Option '--kid' requires an argument."),
    ],
)
def test_what_cannot_be_typed_is_seen(line: str, said: str | None) -> None:
    found = fault(arguments(line))
    assert found is None if said is None else (found or "").startswith(said)
