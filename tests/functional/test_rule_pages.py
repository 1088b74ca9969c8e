"""GET /rules, /rules/{id} and /feedback: what they say without a browser."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from cds_service.app import create_app
from cds_service.config import Settings, SiteProfile
from cds_service.errors import StoreUnavailable
from cds_service.hooks.security_headers import PAGE_POLICY
from cds_service.pages.figures import Figures
from cds_service.record.store import Store
from cds_service.review.cases import in_words
from cds_service.review.history import Past, entries, history
from tests.functional.run import NOW, RULES
from tests.functional.writers import account, told

LEVEL = next(rule for rule in RULES if rule.id == "serum-level")
LIMIT = "default_to_49_years_above"


def app_of(database: str = "sqlite://", **site: Any) -> Flask:
    return create_app(Settings(database_url=database), rules=RULES, site=SiteProfile.model_validate(site))


def shown(path: str, app: Flask | None = None) -> str:
    answer = (app or app_of()).test_client().get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Security-Policy"] == PAGE_POLICY
    return " ".join(answer.text.split())


def test_the_list_leads_to_each_rule() -> None:
    page = shown("/rules", app_of(rule=[{"id": "trend", "mode": "silent", "reason": "on trial"}]))
    for rule in RULES:
        assert f'<a href="/rules/{rule.id}">' in page
    assert page.count("<td>on</td>") == len(RULES) - 1
    assert page.count("<td>silent</td>") == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_rule_has_its_page(rule: Any) -> None:
    page = shown(f"/rules/{rule.id}")
    parts = ("Clinical review", "What it says", "Why it matters", "When it is silent", "Sources", "Cases", "History")
    assert [part for part in parts if f">{part}</h2>" not in page] == []
    assert page.count('<tr><th scope="row">') >= len(rule.cases())
    assert rule.hash_here in page
    assert "no clinician has reviewed it" in page
    assert history(rule.id), "its line in KNOWLEDGE.md"


def test_a_rule_that_is_not_there() -> None:
    assert app_of().test_client().get("/rules/none").status_code == 404


def test_what_the_site_has_set_stands_on_the_page() -> None:
    number = [{"name": LIMIT, "value": Decimal("2.61"), "reason": "our own study"}]
    here = app_of(threshold=number).test_client().get("/knowledge/serum-level").get_json()["site"]["hash"]
    signed = {"id": LEVEL.id, "version": LEVEL.version, "hash": here, "by": "A. Able", "role": "nephrologist"}
    old = signed | {"version": "0.1.0", "hash": f"sha256:{'0' * 64}", "on": date(2025, 1, 1)}
    mode = [{"id": LEVEL.id, "mode": "off", "reason": "on trial"}]
    reviews = [signed | {"on": date(2026, 3, 1), "note": "against our study"}, old]
    page = shown("/rules/serum-level", app_of(threshold=number, rule=mode, review=reviews))
    assert "here it is <strong>off</strong>: not run" in page
    assert f"<strong>set by this site</strong>, in place of {LEVEL.value(LIMIT):f}" in page
    assert "Reviewed at this site by A. Able (nephrologist), 2026-03-01. Note: against our study." in page
    assert "Outdated, so that it does not count: version 0.1.0" in page
    assert "Sign it off" not in page
    assert "The project&#39;s: no clinician has reviewed it" in page or "The project's: no clinician" in page
    unsigned = shown("/rules/serum-level", app_of(threshold=number))
    assert "Nobody at this site has signed it off" in unsigned
    assert f"hash = &#34;{here}&#34;" in unsigned
    rows = shown("/rules", app_of(threshold=number, review=reviews))
    assert "<td>2026-03-01</td>" in rows
    assert "<td>outdated</td>" in shown("/rules", app_of(review=[old]))


def test_a_case_is_told_in_the_words_of_a_card() -> None:
    told_cases = {case.name: case for case in in_words(LEVEL)}
    assert len(told_cases) == len(LEVEL.cases())
    over = told_cases["just over the laboratory's upper limit"]
    assert over.given == "B2M 2.35 mg/L; upper limit 2.34"
    assert over.said == "Serum B2M 2.35 mg/L is above the laboratory's own upper limit of 2.34 mg/L."
    silent = {case.name for case in LEVEL.cases() if case.says == "nothing"}
    assert {name for name, case in told_cases.items() if not case.said} == silent
    assert any(case.notes for case in told_cases.values())


def test_the_changelog_is_read_item_by_item() -> None:
    text = (
        "# K\n\nNobody.\n\n## 2, May\n\nWords.\n- `a` 2.0.0: more,\n  and more.\n- `b`: less.\n\n## 1\n- `a` 1.0.0.\n"
    )
    assert list(entries(text)) == [
        Past("2, May", "`a` 2.0.0: more, and more."),
        Past("2, May", "`b`: less."),
        Past("1", "`a` 1.0.0."),
    ]


# ------------------------------------------------------------------ figures


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.sqlite"


def keep(database: str) -> None:
    """Forty decisions in February on which "serum-level" spoke, one of them set aside; forty in March without it."""
    store = Store(database)
    for place in range(80):
        at = NOW - timedelta(days=20) if place < 40 else NOW
        made = account(str(place), at)
        made.decision["found"] = [["serum-level", "1.0.0", "serum", "f"]] if place < 40 else []
        for row in made.card_rules:
            row["rule"] = "serum-level" if row["rule"] == "a" and place < 40 else "gone<b>"
        object.__setattr__(made, "card_rules", made.card_rules[:1])
        store.remember(made)
    late = NOW - timedelta(days=20, minutes=-7)
    store.feedback([told("0", outcome_at=late, received=NOW) | {"reason_code": "already-known"}])
    store.feedback([told("nobody's", received=NOW)])
    store.close()


def test_the_report_and_the_rules_page_say_the_same(database: str) -> None:
    keep(database)
    app = app_of(database)
    report, rule = shown("/feedback", app), shown("/rules/serum-level", app)
    for page in (report, rule):
        assert "<td>2026-02</td><td>40</td> <td>0 (0%)</td><td>1 (2%)</td><td>39 (98%)</td> <td>7 min</td>" in page
        assert "Already known or dealt with: 1" in page
        assert "in 2026-03: in 0% of decisions, 100% before" in page
    assert "80 decisions; feedback on 1 cards that the store does not know" in report
    assert '<a href="/rules/serum-level">serum-level</a>' in report
    assert "gone&lt;b&gt;" in report
    assert 'href="/rules/gone' not in report
    assert '<th scope="row">2026-02</th><td>40</td><td>40 (100%)</td>' in rule
    assert '<th scope="row">2026-03</th><td>40</td><td>0 (0%)</td>' in rule
    assert "gone" not in rule
    assert "It has spoken on no card here yet" in shown("/rules/trend", app)


def test_only_since_a_month(database: str) -> None:
    keep(database)
    app = app_of(database)
    assert "40 decisions since 2026-03" in shown("/feedback?since=2026-03", app)
    assert "No decision has been kept here since 2026-04" in shown("/feedback?since=2026-04", app)
    refused = app.test_client().get("/feedback?since=<b>")
    assert refused.status_code == 400
    assert "expected a month such as 2026-01" in refused.text


def test_an_empty_store_is_said() -> None:
    assert "No decision has been kept here yet" in shown("/feedback")
    assert "No decision has been kept here yet" in shown("/rules/trend")


@pytest.mark.parametrize("path", ["/feedback", "/rules/trend"])
def test_a_store_that_is_down_is_said_and_the_rule_told(path: str) -> None:
    page = shown(path, app_of("sqlite:////nowhere/there.sqlite"))
    assert "The store could not be read now" in page
    assert ("What it says" in page) == (path != "/feedback")


def test_a_report_that_fails_keeps_no_call_from_the_store(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(database)
    store: Store = app.extensions["store"]

    def slow(*_: object) -> None:
        raise OSError("canceling statement of patient 7 due to statement timeout")

    monkeypatch.setattr("cds_service.pages.figures.report", slow)
    assert "The store could not be read now" in shown("/feedback", app)
    assert "a report could not be read from the store: OSError" in caplog.text
    assert "patient" not in caplog.text
    store.remember(account("1"))


def test_while_the_store_is_left_alone_it_is_not_read() -> None:
    store = Store("sqlite:////nowhere/there.sqlite")
    with pytest.raises(StoreUnavailable):
        store.ping()
    with pytest.raises(StoreUnavailable), store.reading():
        pytest.fail("not reached")


def test_a_store_that_fails_after_it_answered_is_left_alone(database: str) -> None:
    store = Store(database)
    store.ping()
    store._circuit.fail("gone")
    with pytest.raises(StoreUnavailable), store.reading():
        pytest.fail("not reached")


def test_without_a_report_nothing_fired() -> None:
    assert Figures(None).fired("trend") == []
