"""The trend chart: what is drawn, what is joined, what stays text, and that all of it lies within the picture."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cards.trend_chart import chart
from cds_service.decide import evaluate
from cds_service.facts import Facts
from cds_service.knowledge.model import load
from cds_service.review.chart import facts_of

RULES = load()
HERE = {"laboratory": "Hospital A", "method": "Nephelometry", "lower_limit": "0.8", "upper_limit": "2.34"}
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\"'&\x00\x07\u202e\ud800\ufffe"


def drawn(facts: Facts) -> Element:
    return read(chart(facts, evaluate(facts, RULES)[0], RULES))


def read(svg: str) -> Element:
    return fromstring(svg)  # noqa: S314 - made here


def series(*values: str, **extra: Any) -> Facts:
    """B2M results of one laboratory and method, the newest first, 30 days apart."""
    given: dict[str, Any] = {
        f"b2m@{n}" if n else "b2m": {"is": v, "days": -30 * n, **HERE} for n, v in enumerate(values)
    }
    return facts_of(given | extra)


def found(root: Element, name: str, panel: str = "") -> list[Element]:
    """The elements of a class, of one panel or of all."""
    within = root.find(f".//{SVG}g[@data-panel='{panel}']") if panel else root
    return within.findall(f".//*[@class='{name}']") if within is not None else []


def texts(root: Element) -> str:
    return "\n".join(element.text or "" for element in root.iter(f"{SVG}text"))


def described(root: Element) -> str:
    return root.findtext(f"{SVG}desc") or ""


def of_each(elements: Iterable[Element], attribute: str) -> list[str | None]:
    return [element.get(attribute) for element in elements]


# ------------------------------------------------------------------ results


def test_every_result_is_a_mark_and_the_one_under_review_is_ringed() -> None:
    root = drawn(series("4.0 mg/L", "3.0 mg/L", "2.0 mg/L"))
    assert of_each(found(root, "result", "b2m"), "data-value") == ["2.0", "3.0", "4.0"]
    assert of_each(found(root, "result", "b2m"), "data-under-review") == [None, None, "yes"]
    assert len(found(root, "joint")) == 2
    assert {"2.0", "3.0", "4.0"} <= set(texts(root).split("\n"))


def test_the_words_tell_the_series_to_those_who_do_not_see_it() -> None:
    root = drawn(series("4.0 mg/L", "3.0 mg/L", creatinine="90 umol/L"))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Serum B2M, mg/L and creatinine over time"
    words = described(root)
    assert "2026-01-31 3.0 mg/L, laboratory's range 0.8 to 2.34; 2026-03-02 4.0 mg/L" in words
    assert "(under review)" in words
    assert "Creatinine, umol/L, oldest first: 2026-03-02 90 umol/L." in words


@pytest.mark.parametrize(("value", "shape"), [("<0.5 mg/L", "below"), (">20 mg/L", "above"), (">=20 mg/L", "above")])
def test_a_comparator_is_an_open_triangle_that_points_where_the_value_lies(value: str, shape: str) -> None:
    root = drawn(series(value, "3.0 mg/L"))
    mark = found(root, "result", "b2m")[-1]
    assert mark.get("data-shape") == shape
    triangle = mark.find(f"{SVG}polygon")
    assert triangle is not None
    assert triangle.get("fill") == "none"
    heights = [float(point.split(",")[1]) for point in (triangle.get("points") or "").split()]
    assert (heights[2] > heights[0]) == (shape == "below")
    assert value.split()[0] in texts(root)
    assert f"triangle {'down' if shape == 'below' else 'up'}" in texts(root)


def test_a_conversion_from_moles_has_a_bar_for_what_it_may_be() -> None:
    root = drawn(series("300 nmol/L", "3.0 mg/L"))
    assert [bool(found(mark, "interval")) for mark in found(root, "result", "b2m")] == [False, True]
    assert "printed 300 nmol/L" in described(root)


def test_a_provisional_or_doubtful_value_is_hollow_and_not_joined() -> None:
    provisional = {"is": "3 mg/L", "days": -30, "provisional": True, **HERE}
    root = drawn(series("4.0 mg/L", **{"b2m@1": provisional, "b2m@2": {"is": "0.2 mg/L", "days": -60, **HERE}}))
    assert of_each(found(root, "result", "b2m"), "data-certain") == ["no", "no", "yes"]
    circles = [mark.find(f"{SVG}circle") for mark in found(root, "result", "b2m")]
    assert [c.get("fill") for c in circles if c is not None] == ["none", "none", "currentColor"]
    assert found(root, "joint") == []
    assert "hollow" in texts(root)
    assert "provisional" in described(root)
    assert "value in doubt" in described(root)


def test_a_date_that_is_a_month_lies_over_its_days() -> None:
    root = drawn(series("4.0 mg/L", **{"b2m@1": {"is": "3.0 mg/L", "dated": "2025-09", **HERE}}))
    assert [len(found(mark, "days")) for mark in found(root, "result", "b2m")] == [1, 0]


def test_results_whose_order_is_not_known_are_not_joined() -> None:
    root = drawn(series("4.0 mg/L", **{"b2m@1": {"is": "3.0 mg/L", "dated": "2026-03", **HERE}}))
    assert found(root, "joint") == []


def test_without_a_laboratory_the_line_is_broken() -> None:
    root = drawn(facts_of({"b2m": "4.0 mg/L", "b2m@1": {"is": "3.0 mg/L", "days": -30}}))
    (joint,) = found(root, "joint")
    assert (joint.get("data-surely"), joint.get("stroke-dasharray")) == ("no", "4 4")
    (sure,) = found(drawn(series("4.0 mg/L", "3.0 mg/L")), "joint")
    assert (sure.get("data-surely"), sure.get("stroke-dasharray")) == ("yes", None)


def test_another_laboratory_is_marked_and_not_joined() -> None:
    there = {"is": "2.0 mg/L", "days": -30, "laboratory": "Hospital B", "method": "Turbidimetry", "upper_limit": "2.8"}
    root = drawn(series("4.0 mg/L", **{"b2m@1": there, "b2m@2": {**there, "days": -60}}))
    assert len(found(root, "joint")) == 1
    assert of_each(found(root, "event"), "data-kind") == ["laboratory or method"]
    assert "laboratory: Hospital B, then Hospital A; method: Turbidimetry, then Nephelometry" in described(root)
    assert of_each(found(root, "reference-range"), "data-high") == ["2.8", "2.34"]
    assert "up to 2.8 (from 2026-01-01); 0.8 to 2.34 (from 2026-03-02)" in texts(root).replace("\n", " ")


def test_spot_and_24_h_collections_are_not_joined() -> None:
    whole_day = {"is": "200 ug/g{creat}", "days": -9, "loinc": "44303-6"}
    spot = {"is": "300 ug/g{creat}", "loinc": "13485-8"}
    root = drawn(facts_of({"specimen": "urine ratio", "b2m": spot, "b2m@1": whole_day}))
    assert found(root, "joint") == []
    assert "2026-03-02 other urine collection" in described(root)


def test_one_range_of_all_results_is_one_band() -> None:
    (band,) = found(drawn(series("4.0 mg/L", "3.0 mg/L", "2.0 mg/L")), "reference-range")
    assert (band.get("data-low"), band.get("data-high")) == ("0.8", "2.34")
    assert (band.get("fill") or "").startswith("url(#")
    assert found(drawn(facts_of({"b2m": "4.0 mg/L"})), "reference-range") == []


# ------------------------------------------------------------------ thresholds


def test_the_thresholds_of_a_stage_are_lines_with_words() -> None:
    root = drawn(series("4.0 mg/L", problems=["myeloma"], albumin="40 g/L", age=60))
    assert of_each(found(root, "limit"), "data-value") == ["5.5", "3.5"]
    assert "from 5.5 mg/L: serum B2M of stage III (iss-stage)" in texts(root)
    assert "below 3.5 mg/L: serum B2M of stage I (iss-stage)" in described(root)


def test_a_default_limit_is_a_line_where_the_laboratory_gives_none() -> None:
    assert of_each(found(drawn(facts_of({"b2m": "4.0 mg/L", "age": 60})), "limit"), "data-value") == ["2.70"]
    assert found(drawn(series("4.0 mg/L", age=60)), "limit") == []


def test_a_threshold_that_several_rules_used_is_one_line() -> None:
    root = drawn(series("6.0 mg/L", problems=["myeloma"], albumin="30 g/L", creatinine="90 umol/L", age=60))
    (label,) = [words for words in texts(root).split("\n") if words.startswith("from 5.5 iss")]
    assert label == "from 5.5 iss-stage +1"


def test_thresholds_of_another_specimen_are_not_drawn() -> None:
    facts = facts_of({"b2m": "4.0 mg/L", "age": 60})
    findings = [replace(finding, specimen="urine") for finding in evaluate(facts, RULES)[0]]
    assert found(read(chart(facts, findings, RULES)), "limit") == []


# ------------------------------------------------------------------ kidney


def test_creatinine_stands_below_by_series() -> None:
    root = drawn(
        series("4.0 mg/L", "3.0 mg/L", creatinine="90 umol/L", **{"creatinine@1": {"is": "80 umol/L", "days": -30}})
    )
    assert of_each(found(root, "result", "kidney"), "data-value") == ["80", "90"]
    assert "Creatinine, umol/L" in texts(root)


def test_reported_egfr_of_one_equation_is_joined_and_of_two_is_not() -> None:
    unit = "mL/min/{1.73_m2}"
    root = drawn(
        series(
            "4.0 mg/L",
            creatinine="90 umol/L",
            **{
                "egfr-2021": f"60 {unit}",
                "egfr-2021@1": {"is": f">90 {unit}", "days": -30},
                "egfr-cystatin@1": {"is": f"50 {unit}", "days": -60},
            },
        )
    )
    assert "eGFR as reported, mL/min/1.73 m2" in texts(root)
    assert len(found(root, "result", "kidney")) == 3
    assert len(found(root, "joint", "kidney")) == 1


def test_without_kidney_results_the_chart_says_so() -> None:
    root = drawn(series("4.0 mg/L"))
    assert "No creatinine or eGFR was read" in texts(root)
    assert "No creatinine or eGFR was read." in described(root)
    assert found(root, "result", "kidney") == []


# ------------------------------------------------------------------ events


def test_treatment_dialysis_and_transplant_are_marked() -> None:
    facts = series(
        "4.0 mg/L",
        "3.0 mg/L",
        "3.0 mg/L",
        medications=[
            {"key": "bortezomib", "days": -40},
            {"key": "bortezomib", "days": -10},
            {"key": "dexamethasone", "days": "unknown"},
        ],
        procedures=[
            {"key": "kidney-transplantation", "days": -50},
            *({"key": "haemodialysis", "days": -n} for n in (55, 53)),
        ],
        problems=[{"key": "dialysis", "onset_days": -58}],
    )
    root = drawn(facts)
    kinds = of_each(found(root, "event"), "data-kind")
    assert kinds == ["dialysis or transplant"] * 3 + ["treatment"]
    for words in (
        "2026-01-03 dialysis (problem list)",
        "2026-01-06 haemodialysis, the last of 2 on 2026-01-08",
        "2026-01-11 kidney transplantation",
        "2026-01-21 bortezomib",
        "without a date dexamethasone",
    ):
        assert words in described(root)
    assert "Not on the time axis: without a date dexamethasone" in texts(root)
    letters = of_each(found(root, "flag"), "data-letter")
    assert letters == ["A", "B", "C", "D"]
    assert set(letters) <= set(texts(root).split("\n"))


def test_events_close_together_share_a_letter() -> None:
    drugs = [{"key": "bortezomib", "days": -40}, {"key": "lenalidomide", "days": -39}, {"key": "lithium", "days": -5}]
    root = drawn(series("4.0 mg/L", "3.0 mg/L", "3.0 mg/L", medications=drugs))
    assert len(found(root, "event")) == 3
    assert of_each(found(root, "flag"), "data-letter") == ["A", "B"]
    assert "2026-01-21 bortezomib ordered; 2026-01-22 lenalidomide ordered" in texts(root)


def test_a_number_stands_beside_the_line_of_an_event_and_not_on_it() -> None:
    there = {"is": "2.0 mg/L", "days": -30, "laboratory": "Hospital B", "method": "Turbidimetry"}
    root = drawn(series("4.0 mg/L", **{"b2m@1": there}))
    (line, *_) = found(root, "event")[0].findall(f"{SVG}line")
    (number,) = [element for element in root.iter(f"{SVG}text") if element.get("font-weight") and element.text == "4.0"]
    assert abs(float(number.get("x") or 0) - float(line.get("x1") or 0)) > 10


def test_what_lies_far_off_is_told_and_does_not_press_the_results_together() -> None:
    root = drawn(series("4.0 mg/L", "3.0 mg/L", medications=[{"key": "bortezomib", "days": -3000}]))
    assert found(root, "event") == []
    assert "Not on the time axis: 2017-12-14 bortezomib" in texts(root)
    one = drawn(series("4.0 mg/L", medications=[{"key": "bortezomib", "days": -3000}]))
    assert len(found(one, "event")) == 1


def test_drugs_that_are_planned_or_local_are_not_marked() -> None:
    facts = series("4.0 mg/L", "3.0 mg/L", medications=[{"key": "bortezomib", "days": -10, "evidence": "planned"}])
    assert "bortezomib" not in chart(facts, (), RULES)


def test_what_is_only_suspected_or_over_is_not_marked() -> None:
    suspected = {"key": "dialysis", "onset_days": -10, "verification": "provisional"}
    over = {"key": "kidney-transplant", "onset_days": -10, "clinical": "resolved"}
    assert found(drawn(series("4.0 mg/L", problems=[suspected, over])), "event") == []


def test_a_list_that_did_not_come_is_told() -> None:
    assert "Not at hand, or not all of it: medications." in texts(drawn(series("4.0 mg/L", unknown=["medications"])))


# ------------------------------------------------------------------ other charts


def test_without_results_there_is_no_chart() -> None:
    assert chart(facts_of({"missing": [{"item": "b2m", "reason": "no-unit"}]}), (), RULES) == ""
    assert chart(facts_of({"creatinine": "90 umol/L"}), (), RULES) == ""
    assert chart(facts_of({"ordered": ["serum"]}), (), RULES) == ""


def test_earlier_results_are_drawn_where_the_one_under_review_cannot_be_read_or_is_ordered() -> None:
    missing = facts_of({"missing": [{"item": "b2m", "reason": "no-unit"}], "b2m@1": {"is": "3 mg/L", "days": -3}})
    ordered = facts_of({"ordered": ["serum"], "b2m@1": {"is": "3 mg/L", "days": -3}})
    for facts in (missing, ordered):
        (mark,) = found(drawn(facts), "result", "b2m")
        assert mark.get("data-under-review") is None


@pytest.mark.parametrize(
    ("specimen", "value"),
    [
        ("urine", "0.5 mg/L"),
        ("urine ratio", "760 ug/g{creat}"),
        ("CSF", "1.5 mg/L"),
        ("CSF/serum ratio", "0.5 {ratio}"),
    ],
)
def test_other_specimens_have_charts_in_their_units(specimen: str, value: str) -> None:
    root = drawn(facts_of({"specimen": specimen, "b2m": value, "age": 40}))
    assert len(found(root, "result", "b2m")) == 1
    assert "{" not in texts(root)


# ------------------------------------------------------------------ safe, and within the picture


def test_hostile_text_stays_text() -> None:
    facts = series(
        "4.0 mg/L", **{"b2m@1": {"is": "3.0 mg/L", "days": -30, "laboratory": HOSTILE, "method": HOSTILE * 50}}
    )
    svg = chart(facts, evaluate(facts, RULES)[0], RULES)
    root = read(svg)
    assert found(root, "event")
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{tag}"
        for tag in ("svg", "title", "desc", "defs", "pattern", "g", "line", "rect", "circle", "polygon", "text")
    }
    assert "alert(1)" in texts(root)
    assert not any(sign in svg for sign in "\x00\x07\u202e\ud800\ufffe")
    assert len(svg) < 20_000


def test_nothing_in_it_that_a_strict_policy_refuses() -> None:
    root = drawn(series("4.0 mg/L", "<0.5 mg/L", "3.0 mg/L", problems=["myeloma"], creatinine="90 umol/L"))
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name == "style" or name.startswith("on") or "href" in name for name in names)
    assert {v for e in root.iter() for k, v in e.attrib.items() if k in ("fill", "stroke")} <= {
        "none", "currentColor", "url(#laboratory-range)",
    }  # fmt: skip


NUMBERS = st.decimals(min_value="0", max_value="50", places=1)
ENTRIES = st.fixed_dictionaries(
    {
        "is": st.builds(
            "{}{} {}".format, st.sampled_from(["", "", "", "<", ">"]), NUMBERS, st.sampled_from(["mg/L", "nmol/L"])
        ),
        "days": st.integers(-6000, 0) | st.floats(-1, 0),
    },
    optional={
        "laboratory": st.text(max_size=80) | st.just(HOSTILE),
        "method": st.sampled_from(["Nephelometry", "Turbidimetry"]),
        "provisional": st.booleans(),
        "upper_limit": st.sampled_from(["2.34", "3", "1000000"]),
        "dated": st.sampled_from(["2025", "2025-09", "2026-03-02"]),
    },
)
EVENTS = st.fixed_dictionaries({"key": st.sampled_from(["bortezomib", "lenalidomide"]), "days": st.integers(-9000, 90)})


@given(st.lists(ENTRIES, min_size=1, max_size=60), st.lists(EVENTS, max_size=5), st.integers(0, 5))
def test_any_series_is_well_formed_and_within_the_picture(
    entries: list[dict[str, Any]], events: list[dict[str, Any]], creatinines: int
) -> None:
    given: dict[str, Any] = {f"b2m@{n}" if n else "b2m": entry for n, entry in enumerate(entries)}
    given |= {f"creatinine@{n}": {"is": f"{80 + n} umol/L", "days": -7 * n} for n in range(creatinines)}
    root = drawn(facts_of(given | {"medications": events, "problems": ["myeloma"], "age": 60}))
    assert len(found(root, "result", "b2m")) == len(entries)
    assert len(found(root, "result", "kidney")) == creatinines
    width, height = (float(number) for number in (root.get("viewBox") or "").split()[2:])
    for x, y in points(root):
        assert 0 <= x <= width
        assert 0 <= y <= height


def points(root: Element) -> Iterable[tuple[float, float]]:
    """The corners and middles of all that is drawn outside of the legend and the pattern."""
    drawn_parts = [part for part in root if part.tag == f"{SVG}g" and part.get("class") != "legend"]
    for element in (element for part in drawn_parts for element in part.iter()):
        for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")):
            if element.get(x):
                yield float(element.get(x) or 0), float(element.get(y) or 0)
        for point in (element.get("points") or "").split():
            x_of, y_of = point.split(",")
            yield float(x_of), float(y_of)
