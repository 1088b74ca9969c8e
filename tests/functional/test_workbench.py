"""The workbench: a chart is tried, its decision shown in full, and nothing of it kept."""

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.cli.demo import demo
from cds_service.config import RuleMode, Settings, SiteProfile
from cds_service.hooks.security_headers import PAGE_POLICY
from cds_service.models import Card
from cds_service.pages.html import of_markdown
from cds_service.record import tables
from cds_service.record.engine import open_engine
from cds_service.replay.calls import dump_json, fixtures_folder
from tests.functional.run import NOW, RULES, post
from tests.functional.tokens import BASE, Ehr
from tests.unit.fhir.make import bundle, call, observation, patient

SETTINGS = Settings(workbench=True)


@pytest.fixture
def app() -> Flask:
    return create_app(SETTINGS, rules=RULES, clock=lambda: NOW, site=SiteProfile())


def chart(**parts: Any) -> dict[str, Any]:
    return bundle(patient(), observation(**parts), type="collection")


def drop(app: Flask, *documents: Any, **fields: str) -> TestResponse:
    body = b"\n".join(one if isinstance(one, bytes) else dump_json(one) for one in documents)
    return app.test_client().post("/workbench/try", data={"file": (BytesIO(body), "chart.json"), **fields})


def again(app: Flask, page: str, **fields: str) -> str:
    """The page's own form sent back with some fields changed, as a browser would."""
    form = page[page.index('<form id="change"') : page.index("</form>", page.index('<form id="change"'))]
    sent = dict(re.findall(r'<input[^>]*? name="([^"]+)" value="([^"]*)"', form))
    sent["as_of"] = re.findall(r'id="as_of" name="as_of" value="([^"]*)"', form)[0]
    sent["request"] = form[form.index("aria-hidden") :].partition(">")[2].partition("</textarea>")[0]
    unescaped = {name: value.replace("&#34;", '"').replace("&amp;", "&") for name, value in sent.items()}
    answer = app.test_client().post("/workbench/try", data=unescaped | fields, content_type="multipart/form-data")
    assert answer.status_code == 200, answer.text
    return answer.text


def diagnostics(answer: TestResponse) -> str:
    said: str = answer.get_json()["issue"][0]["diagnostics"]
    return said


# ------------------------------------------------------------------ where it is


def test_it_is_off_unless_told_so() -> None:
    assert create_app(Settings(), rules=RULES).test_client().get("/").status_code == 404
    assert create_app(SETTINGS, rules=RULES).test_client().get("/").status_code == 200


def test_the_demo_has_it() -> None:
    assert '"WORKBENCH": "1"' in Path(demo.callback.__code__.co_filename).read_text("utf-8")  # type: ignore[union-attr]


def test_nothing_from_elsewhere_may_be_loaded_or_run(app: Flask) -> None:
    answer = app.test_client().get("/?fixture=iss-stage-3-kidney")
    policy = answer.headers["Content-Security-Policy"]
    assert policy == PAGE_POLICY
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! src=\"/)|<style|\son\w+=|\sstyle=", answer.text)
    assert not re.search(r"(src|action)=\"(https?:)?//", answer.text)


def test_where_clients_are_registered_the_page_sends_nothing(tmp_path: Path) -> None:
    settings = Settings(workbench=True, public_base_url=BASE)
    app = create_app(settings, rules=RULES, site=SiteProfile(client=(Ehr(tmp_path).client(),)))
    page = app.test_client().get("/?fixture=iss-stage-3-kidney").text
    assert "only they call and send feedback" in page
    assert page.count("data-code") == page.count("disabled>") - page.count("data-suggestion") > 0
    assert 'id="send"' not in page


# ------------------------------------------------------------------ what it shows


def test_every_fixture_can_be_chosen(app: Flask) -> None:
    client = app.test_client()
    names = re.findall(r'<option value="([^"]+)"', client.get("/").text)
    cases = sorted(path.parent.name for path in fixtures_folder().glob("*/request.json"))
    assert sorted(name for name in names if not name.startswith("commpass-")) == cases
    for name in names:
        assert client.get(f"/?fixture={name}").status_code == 200, name
    assert client.get("/?fixture=none").status_code == 404


def test_a_bundle_is_shown_as_the_service_answers_it(app: Flask) -> None:
    page = drop(app, chart()).text
    (card,) = post("b2m-result-review", call(bundle(observation()))).get_json()["cards"]
    assert card["summary"] in page
    assert "decided as of 2026-03-03 09:00 UTC" in page
    for part in ("4.2 mg/L", "serum-level", "Thresholds:", "<svg", "say nothing here", "The exact request"):
        assert part in page, part


def test_the_site_decides(app: Flask) -> None:
    entry = RuleMode(id="*", mode="silent", reason="on trial")
    silent = create_app(SETTINGS, rules=RULES, clock=lambda: NOW, site=SiteProfile(rule=(entry,)))
    page = drop(silent, chart()).text
    assert "silent here" in page
    assert "No card." in page


def test_what_is_refused_is_told(app: Flask) -> None:
    page = drop(app, call() | {"prefetch": {}}).text
    assert "Refused with 412" in page
    assert "What the change changes" not in page
    assert "Nothing: the cards" in again(app, page)


def test_of_many_calls_one_is_shown(app: Flask) -> None:
    lines = [chart(id=f"o{n}") | {"id": f"p{n}"} for n in range(3)]
    assert '<h2 id="outcome-title" tabindex="-1">chart.json:1 (p0)' in drop(app, *lines).text
    page = drop(app, *lines, b"{}", b"no JSON", call="2").text
    assert '<h2 id="outcome-title" tabindex="-1">chart.json:3 (p2)' in page
    assert "One of 3 calls" in page
    assert "chart.json:5: no JSON" in page
    assert ">chart.json:1 (p0)</h2>" in drop(app, *lines, call="9").text


def test_observations_of_nobody_are_counted(app: Flask) -> None:
    document = chart()
    document["entry"].append({"resource": {"resourceType": "Observation", "id": "x"}})
    assert "1 Observations are in no call: no-subject." in drop(app, document).text


def test_another_time_may_be_asked_for(app: Flask) -> None:
    assert "decided as of 2026-04-01 00:00 UTC" in again(app, drop(app, chart()).text, as_of="2026-04-01T00:00:00Z")


# ------------------------------------------------------------------ what changes


def test_a_changed_value_changes_the_card_and_the_rules(app: Flask) -> None:
    page = drop(app, chart()).text
    changed = again(app, page, **{"value-0": "1.1"})
    assert "What the change changes" in changed
    assert re.search(r"<td>card gone</td><td>serum-level</td><td>Serum B2M 4.2 mg/L", changed)
    assert "<td>rule, serum</td><td>serum-level</td>" in changed
    assert '"value": 1.1' in changed.replace("&#34;", '"')
    assert "Nothing: the cards" in again(app, changed)


def test_a_unit_that_could_not_be_read_can_be_mended(app: Flask) -> None:
    page = drop(app, chart(value={"value": 4.2, "unit": "mgs per jug"})).text
    assert "Serum B2M 4.2 mg/L" not in page
    assert "Serum B2M 4.2 mg/L" in again(app, page, **{"unit-0": "mg/L"})


# ------------------------------------------------------------------ a real call


def test_the_answer_to_a_real_call_takes_the_place_of_the_tried_cards(app: Flask) -> None:
    page = drop(app, chart()).text
    card = json.loads(post("b2m-result-review", call(bundle(observation()))).text)["cards"][0]
    shown = again(app, page, answer=json.dumps({"cards": [card]}))
    assert card["uuid"] in shown
    assert "the answer to a real call" in shown
    assert "What was shown before" in again(app, page, answer='{"cards": []}')


def test_nothing_that_was_tried_is_kept(sqlite_url: str) -> None:
    app = create_app(Settings(workbench=True, database_url=sqlite_url), rules=RULES, clock=lambda: NOW)
    again(app, drop(app, chart()).text, **{"value-0": "9"})
    assert rows(sqlite_url) == 0
    body = dump_json(call(bundle(observation())))
    app.test_client().post("/cds-services/b2m-result-review", data=body, content_type="application/json")
    assert rows(sqlite_url) > 0


def test_nothing_that_was_tried_is_logged(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        drop(app, chart(id="secret-id", value={"value": 4.2, "unit": "secret unit"}))
        drop(app, b'{"hook": "secret')
    assert "/workbench/try" in str([record.__dict__.get("fields") for record in caplog.records])
    assert "secret" not in str([record.__dict__ for record in caplog.records])


def rows(url: str) -> int:
    engine = open_engine(url)
    with engine.connect() as connection:
        kept = sum(connection.scalar(select(func.count()).select_from(t)) or 0 for t in tables.metadata.sorted_tables)
    engine.dispose()
    return kept


# ------------------------------------------------------------------ what cannot be used


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"secret", "chart.json: no JSON: Expecting value (line 1, column 1)"),
        (b"[1]", "chart.json: expected a JSON object"),
        ({"x": "secret"}, "neither a CDS Hooks request"),
        (b'{"hook":' + b"[" * 200 + b"]" * 200 + b"}", "nested too deeply"),
        (bundle(), "No patient is in it"),
        (b'{"hook": "\\ud800"}', "not Unicode"),
    ],
)
def test_a_file_that_holds_no_call(app: Flask, document: Any, said: str) -> None:
    answer = drop(app, document)
    assert answer.status_code == 400
    assert said in diagnostics(answer)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Choose a file first"),
        ({"request": "{}", "answer": "{}"}, "neither a CDS Hooks request"),
        ({"request": json.dumps(call()), "answer": "{}"}, "none of this service"),
        ({"request": json.dumps(call()), "as_of": "soon"}, "expected a date and time"),
        ({"request": json.dumps(call()), "as_of": "2026-03-03T09:00:00"}, "expected a date and time"),
        ({"request": json.dumps(call()), "as_of": "0001-01-01T00:00:00Z"}, "expected a date and time"),
    ],
)
def test_a_form_that_cannot_be_used(app: Flask, fields: dict[str, str], said: str) -> None:
    answer = app.test_client().post("/workbench/try", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert said in diagnostics(answer)


def test_what_is_no_form_and_what_is_too_large(app: Flask) -> None:
    assert app.test_client().post("/workbench/try", json={}).status_code == 415
    small = create_app(Settings(workbench=True, max_body_bytes=10_000), rules=RULES)
    assert drop(small, b" " * 20_000).status_code == 413


# ------------------------------------------------------------------ hostile text


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>{{7*7}}[x](javascript:alert(1))"


def test_markdown_stays_text() -> None:
    shown = of_markdown(f"{HOSTILE} ![x](https://x.example/i.png) <https://x.example> [y](https://x.example)")
    assert "href" not in of_markdown("[z](http://z.example) [m](mailto:z@z.example) [l](/metrics) <http://z.example>")
    assert "<script" not in shown
    assert "<img" not in shown
    assert 'href="javascript' not in shown
    assert '<a href="https://x.example" rel="noopener noreferrer" target="_blank">y</a>' in shown
    assert "<table>" in of_markdown("| a |\n| --- |\n| b |")


def test_a_card_with_hostile_text_in_every_field_stays_text(app: Flask) -> None:
    coding = {"system": HOSTILE, "code": HOSTILE, "display": HOSTILE}
    card = Card.model_validate(
        {
            "uuid": HOSTILE,
            "summary": HOSTILE,
            "detail": HOSTILE,
            "indicator": "info",
            "source": {"label": HOSTILE, "url": "javascript:alert(1)", "topic": coding},
            "suggestions": [{"label": HOSTILE, "uuid": HOSTILE, "actions": []}],
            "overrideReasons": [coding],
            "extension": {HOSTILE: HOSTILE},
        }
    )
    page = again(app, drop(app, chart()).text, answer=json.dumps({"cards": [card.model_dump()]}))
    assert page.count("<script") == 1  # the page's own
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "49" not in re.findall(r"<h3.*?</h3>", page, re.DOTALL)[0]
