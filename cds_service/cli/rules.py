"""``cds-service rules``: the clinical knowledge, read, checked and compared in the terminal."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Column, Table
from rich.text import Text

from cds_service.config import load_settings, load_site
from cds_service.errors import InputFileError
from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.knowledge.model import load
from cds_service.review.changes import Change, changes
from cds_service.review.checking import check
from cds_service.review.page import GENERATED, page, pages
from cds_service.review.signing import entry
from cds_service.review.snapshot import installed, read_snapshot
from cds_service.rules_in_force import in_force

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_EITHER = click.Path(exists=True, path_type=Path)
_HASH_SHOWN = 12


@click.group()
def rules() -> None:
    """Read, check and compare the clinical rules."""


@rules.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print all of the knowledge as JSON, to compare with later.")
def list_command(as_json: bool) -> None:
    """List the rules: id, version, review, specimens, hash."""
    if as_json:
        click.echo(json.dumps(installed(), ensure_ascii=False, indent=1))
        return
    table = Table(Column("Id", no_wrap=True), "Version", "Title", "Review", "Specimens", Column("Hash", no_wrap=True))
    for rule in load():
        specimens, digest = ", ".join(rule.specimens), rule.content_hash.removeprefix("sha256:")[:_HASH_SHOWN]
        table.add_row(rule.id, rule.version, rule.title, rule.review.status, specimens, digest)
    console = Console()
    console.print(table)
    console.print(f"Knowledge {source().version}, {knowledge_hash()}", soft_wrap=True)


@rules.command(name="show")
@click.argument("rule_id", metavar="ID")
@click.option("--cases", is_flag=True, help="Show its cases too.")
def show_command(rule_id: str, cases: bool) -> None:
    """Show the rule ID as a clinician reads it, with the site's numbers and sign-offs."""
    site = in_force(load(), load_site(load_settings().site_profile))
    found = site.named(rule_id)
    if found is None:
        raise InputFileError(f"no rule is called {rule_id!r}; `cds-service rules list` names them")
    Console().print(Markdown(page(found, cases=cases)))
    if found.signed_off is None:
        click.echo("\nTo sign it off as it stands here, complete this in the site's profile (SITE_PROFILE):\n")
        click.echo(entry(found))


@rules.command(name="check")
@click.argument("folder", type=_FOLDER, required=False)
def check_command(folder: Path | None) -> None:
    """Check the rules in FOLDER, or one rule's FOLDER; without it those of the package. Each case is tried.

    Exit codes: 0 all is well; 1 a rule has a fault.
    """
    found = check(folder)
    for rule in found:
        for fault in rule.faults:
            click.echo(f"{rule.name}: {fault}")
    faulty = [rule for rule in found if rule.faults]
    click.echo(f"{len(found)} rules, {sum(rule.cases for rule in found)} cases, {len(faulty)} rules with faults.")
    sys.exit(1 if faulty else 0)


@rules.command(name="diff")
@click.argument("old", type=_EITHER)
@click.argument("new", type=_EITHER, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def diff_command(old: Path, new: Path | None, as_json: bool) -> None:
    """Show which rule, threshold, wording, source or case differs between OLD and NEW, or the package.

    Each is a folder of rules, a checkout, or what `rules list --json` printed.

    Exit codes: 0 nothing differs; 1 something does.
    """
    found = changes(read_snapshot(old), read_snapshot(new) if new else installed())
    if as_json:
        click.echo(json.dumps([asdict(change) for change in found], ensure_ascii=False, indent=1))
    else:
        _print(found)
    sys.exit(1 if found else 0)


def _print(found: list[Change]) -> None:
    console = Console(highlight=False)
    for place, change in enumerate(found):
        if place == 0 or found[place - 1].rule != change.rule:
            console.print(Text(change.rule, style="bold"))
        console.print(Text("  " + " ".join(dict.fromkeys((change.kind, change.where))).strip()), soft_wrap=True)
        for sign, text in (("-", change.before), ("+", change.after)):
            if text:
                console.print(Text(f"    {sign} {text}"), soft_wrap=True)
    if not found:
        console.print("Nothing differs.")


@rules.command(name="pages")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def pages_command(folder: Path) -> None:
    """Write a page a rule, and their list, into FOLDER; pages of rules that are gone are removed."""
    written = pages(load())
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.md"):
        if stale.name not in written and stale.read_text("utf-8").startswith(GENERATED):
            stale.unlink()
    for name, text in written.items():
        (folder / name).write_bytes(text.encode())
    click.echo(f"{len(written)} pages written to {folder}.")
