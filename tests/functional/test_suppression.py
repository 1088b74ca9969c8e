"""What was said is not said again: over HTTP, with the store on SQLite and on PostgreSQL."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import NullPool, Row, Select, create_engine, select

from cds_service.app import create_app
from cds_service.cards.override_reasons import HL7, OWN
from cds_service.cli.main import cli
from cds_service.config import Settings
from cds_service.errors import StoreUnavailable
from cds_service.fhir.shape import Json
from cds_service.record import tables
from cds_service.record.store import Store
from cds_service.replay.calls import dump_json, fixtures_folder
from tests.functional.run import NOW, RULES
from tests.unit.fhir.make import bundle, call, observation, patient, quantity

REVIEW, CHART = "b2m-result-review", "b2m-chart-review"
HOUR = timedelta(hours=1)


@dataclass
class Ward:
    """A service with a store, at a time that moves."""

    settings: Settings
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.client = create_app(self.settings, rules=RULES, clock=lambda: self.now).test_client()

    def ask(
        self,
        value: str = "4.2",
        *,
        user: str = "Practitioner/a",
        hook: str = REVIEW,
        instance: str = "",
        **changed: Any,
    ) -> list[Json]:
        """The cards that a user gets of a B2M of this value in mg/L."""
        result = observation(**({"valueQuantity": quantity(value)} | changed))
        body = call(bundle(result)) if hook == REVIEW else chart(result)
        body["context"]["userId"] = user
        body["hookInstance"] = instance or str(uuid4())
        answer = self.client.post(f"/cds-services/{hook}", data=dump_json(body), content_type="application/json")
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.get_json()["cards"]
        return found

    def override(self, card: Json, system: str = OWN, code: str = "already-known") -> None:
        """Sets a card aside for a reason."""
        given = {
            "card": card["uuid"],
            "outcome": "overridden",
            "overrideReason": {"reason": {"system": system, "code": code}},
            "outcomeTimestamp": self.now.isoformat(),
        }
        answer = self.client.post(f"/cds-services/{REVIEW}/feedback", json={"feedback": [given]})
        assert answer.status_code == 200, answer.text


def kept(ward: Ward, asked: Select[Any]) -> Sequence[Row[Any]]:
    """Rows of the store."""
    with create_engine(ward.settings.database_url, poolclass=NullPool).connect() as connection:
        return connection.execute(asked).all()


def chart(result: Json) -> Json:
    body = call(bundle(result))
    body["hook"] = "patient-view"
    results = body["context"].pop("results")
    body["prefetch"] = (body.get("prefetch") or {}) | {"b2m": results | {"type": "searchset"}}
    return body


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"k1:{'ab' * 32}\n")
    return file


@pytest.fixture
def ward(database: str, keys: Path) -> Ward:
    return Ward(Settings(database_url=database, pseudonym_keys=keys))


def test_the_same_is_shown_once_to_each_user(ward: Ward) -> None:
    assert len(ward.ask()) == 1
    assert ward.ask() == []
    assert len(ward.ask(user="Practitioner/b")) == 1
    ward.now += 71 * HOUR
    assert ward.ask() == []
    ward.now += HOUR
    assert len(ward.ask()) == 1


def test_hooks_share_what_was_shown(ward: Ward) -> None:
    assert len(ward.ask(hook=CHART)) == 1
    assert ward.ask(hook=REVIEW) == []


def test_what_is_new_or_corrected_is_shown_at_once(ward: Ward) -> None:
    ward.ask()
    assert len(ward.ask("4.3")) == 1
    assert len(ward.ask(id="another")) == 1
    assert len(ward.ask(status="preliminary")) == 1


def test_a_value_of_what_leads_is_news_though_it_raises_nothing(ward: Ward) -> None:
    before = (fixtures_folder() / "pattern-tubular" / "request.json").read_bytes()
    after = before.replace(b'"value": 1.8', b'"value": 1.9')
    assert before != after
    instance = json.loads(before)["hookInstance"].encode()
    shown = [
        ward.client.post(
            f"/cds-services/{REVIEW}",
            data=body.replace(instance, str(uuid4()).encode()),
            content_type="application/json",
        ).get_json()["cards"]
        for body in (before, before, after)
    ]
    assert [len(cards) for cards in shown] == [1, 0, 1]


def test_set_aside_until_later_it_comes_sooner(ward: Ward) -> None:
    (card,) = ward.ask()
    ward.override(card, HL7, "wrong-time-workflow")
    ward.now += 3 * HOUR
    assert ward.ask() == []
    ward.now += HOUR
    assert len(ward.ask()) == 1


def test_set_aside_for_good_it_does_not_come_sooner(ward: Ward) -> None:
    (card,) = ward.ask()
    ward.override(card)
    ward.now += 5 * HOUR
    assert ward.ask() == []


def test_a_warning_is_shown_until_somebody_reacts_to_it(ward: Ward) -> None:
    unit: Json = {"valueQuantity": {"value": 4.2}}
    (card,) = ward.ask(**unit)
    assert card["indicator"] == "warning"
    (again,) = ward.ask(**unit)
    ward.override(again)
    assert ward.ask(**unit) == []
    assert len(ward.ask(user="Practitioner/b", **unit)) == 1


def test_what_one_user_sets_aside_another_has_not_seen(ward: Ward) -> None:
    unit: Json = {"valueQuantity": {"value": 4.2}}
    ward.ask(**unit)
    (card,) = ward.ask(user="Practitioner/b", **unit)
    ward.override(card, HL7, "inappropriate-recipient")
    assert len(ward.ask(**unit)) == 1


def test_a_warning_that_comes_again_needs_a_reaction_again(ward: Ward) -> None:
    unit: Json = {"valueQuantity": {"value": 4.2}}
    (card,) = ward.ask(**unit)
    ward.override(card, HL7, "need-more-info")
    ward.now += 5 * HOUR
    assert [len(ward.ask(**unit)) for _ in range(2)] == [1, 1]


def test_a_call_that_is_sent_again_gets_its_card_again(ward: Ward) -> None:
    instance = str(uuid4())
    assert [len(ward.ask(instance=instance)) for _ in range(3)] == [1, 1, 1]
    assert ward.ask() == []


def test_the_decision_tells_what_was_held_back(ward: Ward) -> None:
    ward.ask()
    ward.ask()
    rows = kept(ward, select(tables.decision.c.held).order_by(tables.decision.c.at))
    held = [one for (row,) in rows for one in row]
    assert [lead for lead, _, _ in held] == ["serum-level/above_default"]
    assert datetime.fromisoformat(held[0][2]) - datetime.fromisoformat(held[0][1]) == 72 * HOUR


def test_an_old_key_still_knows_what_it_has_seen(database: str, keys: Path) -> None:
    assert len(Ward(Settings(database_url=database, pseudonym_keys=keys)).ask()) == 1
    keys.write_text(f"k2:{'cd' * 32}\n" + keys.read_text())
    assert Ward(Settings(database_url=database, pseudonym_keys=keys)).ask() == []
    keys.write_text(f"k2:{'cd' * 32}\n")
    assert len(Ward(Settings(database_url=database, pseudonym_keys=keys)).ask()) == 1


@pytest.mark.parametrize("without", ["a key", "a window"])
def test_everything_is_shown_without(without: str, sqlite_url: str, keys: Path) -> None:
    change: dict[str, Any] = {"pseudonym_keys": None} if without == "a key" else {"repeat_after_hours": 0}
    ward = Ward(Settings(database_url=sqlite_url, pseudonym_keys=keys).model_copy(update=change))
    assert [len(ward.ask()), len(ward.ask())] == [1, 1]


def test_everything_is_shown_while_the_store_cannot_be_asked(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.ask()

    def down(*asked: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(Store, "shown", down)
    assert len(ward.ask()) == 1


def test_another_patient_is_another_matter(ward: Ward) -> None:
    ward.ask()
    other = json.loads(
        dump_json(call(bundle(observation(valueQuantity=quantity("4.2"))))).replace(b"Patient/p", b"Patient/q")
    )
    other["context"]["patientId"] = "q"
    other["prefetch"] = {"patient": patient() | {"id": "q"}}
    answer = ward.client.post(f"/cds-services/{REVIEW}", data=dump_json(other), content_type="application/json")
    assert len(answer.get_json()["cards"]) == 1


def explained(ward: Ward, folder: Path, *options: str) -> str:
    """What ``explain`` says of the call of ``Ward.ask``, in one line."""
    file = folder / "call.json"
    body = call(bundle(observation(valueQuantity=quantity("4.2"))))
    body["context"]["userId"] = "Practitioner/a"
    file.write_bytes(dump_json(body))
    settings = ward.settings
    given = {"DATABASE_URL": settings.database_url, "COLUMNS": "300"}
    given |= {"PSEUDONYM_KEYS": str(settings.pseudonym_keys)} if settings.pseudonym_keys else {}
    given |= {"SITE_PROFILE": str(settings.site_profile)} if settings.site_profile else {}
    at = (ward.now + HOUR).isoformat()
    ran = CliRunner(env=given).invoke(cli, ["explain", str(file), "--as-of", at, *options])
    assert ran.exit_code == 0, ran.output
    return " ".join(ran.output.split())


def test_explain_tells_what_is_not_shown_again(ward: Ward, tmp_path: Path) -> None:
    ward.ask()
    told = explained(ward, tmp_path, "--history")
    assert "Not shown again" in told
    assert "serum-level/above_default" in told
    assert "No card." in told
    assert "Not shown again" not in explained(ward, tmp_path, "--history", "--client", "another")
    assert "Not shown again" not in explained(ward, tmp_path)


# ----------------------------------------------------------------- modes over HTTP


SILENT = '[[rule]]\nid = "serum-level"\nmode = "silent"\nreason = "a trial"\n'


@pytest.fixture
def with_profile(database: str, tmp_path: Path) -> Callable[[str], Ward]:
    def started(profile: str) -> Ward:
        file = tmp_path / "site.toml"
        file.write_text(profile)
        settings = Settings(database_url=database, site_profile=file)
        return Ward(settings)

    return started


def test_a_silent_rule_is_recorded_and_not_shown(with_profile: Callable[[str], Ward]) -> None:
    ward = with_profile(SILENT)
    assert ward.ask() == []
    (row,) = kept(ward, select(tables.decision))
    (noted,) = kept(ward, select(tables.site_change))
    assert "serum-level" in [found[0] for found in row.found]
    assert row.silent == ["serum-level"]
    assert (noted.what, noted.value, noted.reason) == ("rule serum-level", "silent", "a trial")


def test_explain_tells_which_rules_are_silent_here(with_profile: Callable[[str], Ward], tmp_path: Path) -> None:
    assert "serum-level │ silent here" in explained(with_profile(SILENT), tmp_path)


def test_a_change_is_noted_once_and_its_end_too(with_profile: Callable[[str], Ward]) -> None:
    for profile in (SILENT, SILENT, SILENT.replace("silent", "off"), "", "", SILENT):
        ward = with_profile(profile)
    noted = kept(ward, select(tables.site_change.c.value).order_by(tables.site_change.c.at))
    assert [value for (value,) in noted] == ["silent", "off", "", "silent"]


def test_a_limit_of_the_site_is_called_so(with_profile: Callable[[str], Ward]) -> None:
    ward = with_profile('[[threshold]]\nname = "default_from_50_years_above"\nvalue = 3.9\nreason = "our own study"\n')
    (card,) = ward.ask()
    assert "above 3.9 mg/L, this site's own limit for this age" in card["detail"]
    assert "3.9 mg/L (set by this site)" in card["detail"]
    assert ward.ask("3.8") == []
