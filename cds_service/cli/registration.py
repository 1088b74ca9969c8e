"""``cds-service registration``: what an EHR's administrators ask about this service, from the configuration in force.

The sheet is the template ``registration.md`` beside this module. What this installation does not know stands there as a
blank that names who fills it in. What is said of an EHR's own side, and where that was seen, is in docs/registration.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import click
from jinja2 import Environment, StrictUndefined

from cds_service import __version__
from cds_service.cards.override_reasons import REASONS
from cds_service.config import Client, Settings, SiteProfile, load_settings, load_site
from cds_service.errors import ConfigurationError, InputFileError
from cds_service.fhir.local_codes import LocalCodes
from cds_service.hooks.services import Service, services
from cds_service.knowledge import identity, model

#: EHRs that the sheet has a section for.
EHRS = {"epic": "Epic", "oracle-health": "Oracle Health", "sandbox": "the public CDS Hooks sandbox"}
#: Stands for PUBLIC_BASE_URL where that is not set; a shell fills it in.
_NO_BASE = "$PUBLIC_BASE_URL"
#: What a search's _include brings beside its own type of resource.
_INCLUDED = {"MedicationRequest:medication": "Medication"}


@click.command()
@click.argument("ehr", required=False, type=click.Choice(list(EHRS)))
@click.option("--client", "name", help="The client of SITE_PROFILE that the sheet is for.  [default: the only one]")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it into this file; none is replaced."
)
def registration(ehr: str | None, name: str | None, out: Path | None) -> None:
    """Print a sheet for registering this service with an EHR, filled in from the configuration in force."""
    settings = load_settings()
    site = load_site(settings.site_profile)
    text = sheet(settings, site, ehr, client_of(site, name))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputFileError(f"--out {out}: {error.strerror}; name a new file in a folder that is there.") from error
    click.echo(f"{out}: {text.count('[to be filled in')} blanks to be filled in")


def client_of(site: SiteProfile, name: str | None) -> Client | None:
    """The client of this name; without a name the only one, None where there are none or several.

    Raises:
        ConfigurationError: no client has this name.
    """
    if name is None:
        return site.client[0] if len(site.client) == 1 else None
    found = next((client for client in site.client if client.name == name), None)
    if found is None:
        known = ", ".join(client.name for client in site.client) or "none"
        raise ConfigurationError(f"--client {name}: SITE_PROFILE registers no such client; expected one of: {known}.")
    return found


def sheet(settings: Settings, site: SiteProfile, ehr: str | None, client: Client | None) -> str:
    """The registration sheet, as Markdown.

    Args:
        settings, site: the configuration in force.
        ehr: one of ``EHRS``, whose own questions are answered too; None for the general part alone.
        client: the registered client that it is for; None leaves blanks for what its registration would tell.
    """
    offered = services(settings, LocalCodes(site.local_codes))
    allowed = [s for s in offered.values() if client is None or not client.services or s.id in client.services]
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False)  # noqa: S701 - Markdown, of our own values
    environment.filters["json"] = lambda value: json.dumps(value, indent=1)
    environment.globals["blank"] = _blank
    template = files("cds_service.cli").joinpath("registration.md").read_text("utf-8")
    return environment.from_string(template).render(
        settings=settings,
        site=site,
        ehr=ehr,
        ehr_title=EHRS.get(ehr or ""),
        client=client,
        base=settings.public_base_url or _NO_BASE,
        services=allowed,
        prefetch=_prefetch(allowed),
        scopes=scopes(template for service in allowed for template in service.prefetch.values()),
        reasons=[reason.coding for reason in REASONS],
        linked=_linked_hosts(),
        is_postgresql=settings.database_url.startswith("postgresql"),
        version=__version__,
        knowledge=identity.source().version,
    )


def scopes(templates: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The SMART scopes that the searches of prefetch templates need, in v1 and v2, by type of resource.

    SMART App Launch 2.2, "Scopes for requesting FHIR Resources": r is to read by id, s to search.
    """
    letters: dict[str, set[str]] = {}
    for template in templates:
        path, _, query = template.partition("?")
        letters.setdefault(path.partition("/")[0], set()).add("s" if query else "r")
        for parameter in query.split("&"):
            key, _, value = parameter.partition("=")
            if key == "_include":
                letters.setdefault(_INCLUDED[value], set()).add("r")
    # What a search finds is read: servers differ in whether s alone shows it.
    v2 = {kind: "".join(sorted({"r", *found})) for kind, found in sorted(letters.items())}
    return {kind: (f"patient/{kind}.read", f"patient/{kind}.{found}") for kind, found in v2.items()}


def _prefetch(offered: Iterable[Service]) -> list[tuple[list[str], Mapping[str, str]]]:
    """The prefetch templates, each set once with the ids of the services that have it."""
    by_text: dict[str, list[Service]] = {}
    for service in offered:
        by_text.setdefault(json.dumps(service.prefetch), []).append(service)
    return [([service.id for service in group], group[0].prefetch) for group in by_text.values()]


def _linked_hosts() -> list[str]:
    """The hosts that a card may link to: sources that the rules cite, and LOINC for the result's code."""
    cited = {urlsplit(citation.url).hostname or "" for rule in model.load() for citation in rule.citations.values()}
    return sorted(cited | {"loinc.org"})


def _blank(who: str) -> str:
    """A blank, and who fills it in."""
    return f"[to be filled in by {who}]"
