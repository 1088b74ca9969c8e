"""``cds-service check``: the configuration as it takes effect, what it means, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
from pydantic import SecretStr

from cds_service.config import Client, Settings, SiteProfile, is_loopback, load_settings, load_site
from cds_service.errors import CdsServiceError, ConfigurationError
from cds_service.hooks.key_sets import KeySet
from cds_service.hooks.operators import HEADER
from cds_service.hooks.services import services
from cds_service.hooks.trust import mode_of
from cds_service.knowledge import model
from cds_service.record import upkeep
from cds_service.record.engine import file_of, masked, open_engine
from cds_service.record.pseudonyms import Key, load_pseudonyms
from cds_service.record.schema import is_newer, remedy
from cds_service.rules_in_force import InForce, check_days_of_reviews, in_force

_SAID = {
    "registered clients": "a token of a registered client is needed",
    "open access": "ANYBODY who can reach this service is answered; for demonstrations only",
    "loopback only": "no client is registered: only this machine is answered",
}
IN_MEMORY = (
    "DATABASE_URL=sqlite:// is a memory of each worker's own: a token could be used once in each, and all is lost at "
    "the end. Expected sqlite:///file or postgresql+psycopg://..., or WORKERS=1 and no client in SITE_PROFILE."
)
_MARKS = {"ok": "  ", "note": "! ", "fault": "✗ "}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. A "fault" keeps the service from starting or from answering."""

    kind: Literal["ok", "note", "fault"]
    text: str


@click.command()
@click.option("--offline", is_flag=True, help="Ask neither for the clients' keys nor for the store.")
def check(offline: bool) -> None:
    """Print the configuration in force, secrets masked; exit 1 naming the setting that cannot be used."""
    settings = load_settings()
    site = load_site(settings.site_profile)
    click.echo("Settings")
    for name in Settings.model_fields:
        value = shown(name, getattr(settings, name))
        changed = "" if name in settings.model_fields_set else "  (default)"
        click.echo(f"  {name.upper()} = {value}{changed}")
    lines = [
        *_access(settings, site),
        *_clients(site, settings, offline),
        *_memory(settings),
        *_store(settings, site, offline),
        *_knowledge(site),
    ]
    click.echo("What that means")
    for line in lines:
        click.echo(f"{_MARKS[line.kind]}{line.text}")
    faults = [line for line in lines if line.kind == "fault"]
    if faults:
        raise ConfigurationError(f"{len(faults)} of these lines, marked ✗, must be mended before it is served.")


def shown(name: str, value: object) -> str:
    """A setting's value for reading: secrets and the passwords in URLs masked."""
    if isinstance(value, SecretStr):
        return "***"
    if name == "database_url":
        return masked(str(value))
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _access(settings: Settings, site: SiteProfile) -> Iterator[Line]:
    try:
        mode = mode_of(settings, site)
    except ConfigurationError as error:
        yield Line("fault", str(error))
        return
    yield Line("note" if mode == "open access" else "ok", f"Access: {mode}: {_SAID[mode]}")
    if mode == "loopback only" and not is_loopback(settings.bind_host):
        yield Line("fault", not_served_to_others(settings.bind_host))
    if not settings.behind_proxy and not is_loopback(settings.bind_host):
        yield Line("note", "BEHIND_PROXY is not set: nothing keeps slow clients off; see docs/proxy.md")
    if mode == "loopback only" and settings.behind_proxy:
        yield Line("fault", "BEHIND_PROXY is set and no client is registered: nobody is answered, this machine neither")
    ways = [
        *([] if settings.behind_proxy else ["this machine"]),
        *(["by OPERATOR_TOKEN"] if settings.operator_token else []),
        *([f"by {HEADER} from {', '.join(settings.trusted_proxies)}"] if settings.trusted_proxies else []),
    ]
    yield Line("ok", f"Operator pages: {', or '.join(ways) or 'nobody'}")


def is_in_memory(settings: Settings, site: SiteProfile, workers: int) -> bool:
    """Whether the store is a worker's own, where workers and clients need one in common."""
    engine = open_engine(settings.database_url)
    return engine.dialect.name == "sqlite" and file_of(engine) is None and (workers > 1 or bool(site.client))


def not_served_to_others(host: str) -> str:
    """Why this service is not bound to an address that others can reach."""
    return (
        f"BIND_HOST={host}: no client is registered in SITE_PROFILE, so that only loopback may be served. Register "
        "clients, or set OPEN_ACCESS=1 for a demonstration."
    )


def _clients(site: SiteProfile, settings: Settings, offline: bool) -> Iterator[Line]:
    known = services(settings)
    for client in site.client:
        yield Line("ok", f"Client {client.name}: iss {client.iss}, {', '.join(client.algorithms)}")
        for service in client.services:
            if service not in known:
                yield Line("fault", f"client {client.name}: services {service!r}; expected some of {', '.join(known)}")
        if not offline:
            yield _keys_of(client, settings)
    for server in site.fhir_server:
        users = [client.name for client in site.client if server.url in client.fhir_servers] or ["nobody"]
        named = f", for {', '.join(users)}" if site.client else ""
        yield Line("ok", f"FHIR server {server.url}{', takes batches' if server.batch else ''}{named}")


def _keys_of(client: Client, settings: Settings) -> Line:
    keys = KeySet(client, settings.jwks_max_age_hours * 3600)
    keys.refresh()
    source = f"jwks_file {client.jwks_file}" if client.jwks_file else f"jku {client.jku}"
    if len(keys):
        return Line("ok", f"Client {client.name}: {len(keys)} public key(s) from {source}")
    return Line(
        "fault", f"client {client.name}: {source} gave no public key; expected a JWK Set with kid and RSA or EC keys"
    )


def _memory(settings: Settings) -> Iterator[Line]:
    said = "are stored (KEEP_COMMENTS)" if settings.keep_comments else "are not stored"
    yield Line("note" if settings.keep_comments else "ok", f"Comments that users type {said}")
    if settings.pseudonym_keys is None:
        yield Line("note", "PSEUDONYM_KEYS is not set: no patient, user or result is stored, even as a pseudonym")
    yield Line("ok", f"Kept for {settings.retention_days} days; `cds-service store purge` removes what is older")


def _store(settings: Settings, site: SiteProfile, offline: bool) -> Iterator[Line]:
    url, lost = settings.database_url, "until then cards go out, nothing is kept and feedback is refused"
    try:
        keys = load_pseudonyms(settings.pseudonym_keys).keys
        engine = open_engine(url)
    except ConfigurationError as error:
        yield Line("fault", str(error))
        return
    yield from _pseudonyms(settings.pseudonym_keys, keys)
    if is_in_memory(settings, site, settings.workers):
        yield Line("fault", IN_MEMORY)
    if offline:
        return
    try:
        with upkeep.reaching(url) as engine:
            found = upkeep.status(engine)
    except ConfigurationError as error:
        yield Line("note", f"{error}; {lost}")
        return
    if found.is_current:
        yield Line("ok", f"Store: at revision {found.revision}")
        yield from _overdue(found, settings.retention_days)
    elif engine.dialect.name == "sqlite" and not is_newer(found.revision):
        yield Line("ok", "Store: made, or brought up to date, at the first start")
    else:
        at = f"{masked(url)} is at revision {found.revision or 'none'}"
        yield Line("fault", f"Store: {at}; {remedy(found.revision)}: {lost}")


def _overdue(found: upkeep.Status, days: int) -> Iterator[Line]:
    if found.is_overdue(days, datetime.now(UTC)):
        said = f"It holds what is older than RETENTION_DAYS={days}: run `cds-service store purge` every day"
        yield Line("note", said)


def _pseudonyms(path: Path | None, keys: Sequence[Key]) -> Iterator[Line]:
    if keys:
        yield Line("ok", f"Pseudonyms: key {keys[0].id} in force, {len(keys) - 1} older to recognise rows")
    if path and path.stat().st_mode & 0o077:
        yield Line("note", f"PSEUDONYM_KEYS={path} can be read or written by others than its owner; expected chmod 600")


def _modes(here: InForce) -> Iterator[Line]:
    """Which rules show nothing at this site; that none does is said loudly, as after an incident."""
    if here.silent >= {rule.id for rule in here.rules}:
        yield Line("note", "NO RULE IS SHOWN: all are silent or off by SITE_PROFILE; no card goes out")
        return
    for mode, names in (("silent", sorted(here.silent)), ("off", [rule.id for rule in here.off])):
        if names:
            yield Line("note", f"Rules that are {mode} by SITE_PROFILE: {', '.join(names)}")


def _knowledge(site: SiteProfile) -> Iterator[Line]:
    try:
        check_days_of_reviews(site, datetime.now(UTC))
        here = in_force(model.load(), site)
    except CdsServiceError as error:
        yield Line("fault", str(error))
        return
    yield from _modes(here)
    rules = here.all
    reviewed = sum(rule.review.status == "clinically reviewed" for rule in rules)
    yield Line(
        "ok" if reviewed == len(rules) else "note", f"{len(rules)} rules, {reviewed} of them clinically reviewed"
    )
    yield Line(
        "ok", f"{sum(rule.signed_off is not None for rule in rules)} rules signed off by this site as they stand"
    )
    outdated = [rule.id for rule in rules if rule.outdated_sign_offs and rule.signed_off is None]
    if outdated:
        yield Line("note", f"Outdated sign-offs, which do not count: {', '.join(outdated)}")
