"""A raised or rising serum B2M after transplantation: what it may come from, informational only."""

from dataclasses import dataclass
from datetime import date

from cds_service.facts import Facts, Moment, Result
from cds_service.knowledge import context, series, states
from cds_service.knowledge.model import Finding, Rule
from cds_service.knowledge.treatment import current_drugs

#: The list that holds every result of B2M.
_LIST = "b2m"
_REJECTION, _GVHD = "kidney-transplant-rejection", "gvhd"
_OWN_CELLS = "autologous-stem-cell-transplantation"
_KINDS = {
    "kidney": ({"kidney-transplant", _REJECTION}, {"kidney-transplantation"}),
    "stem_cell": ({"stem-cell-transplant", _GVHD}, set(states.STEM_CELLS_TRANSPLANTED)),
    "organ": ({"other-transplant"}, {"liver-transplantation"}),
}


def evaluate(facts: Facts, rule: Rule) -> Finding | None:
    """A rise after kidney transplantation speaks at any level, all else only where a level is to be explained."""
    b2m = context.readable(facts)
    kind = next((kind for kind in _KINDS if _transplants(facts, b2m, kind)), None) if b2m else None
    if b2m is None or kind is None:
        return None
    course = _course(facts, rule, b2m) if kind == "kidney" else _Course("")
    if not course.rose and context.level_to_explain(facts, rule) is None:
        return None
    kind = "autologous" if kind == "stem_cell" and _is_autologous(facts, b2m) else kind
    outcome = _outcome(rule, course) if course.rose else kind
    near = context.beside(facts, b2m.when, rule.value("beside_days_to"), *_analytes(facts))
    values = course.values() | {"b2m": b2m.display}
    return rule.finding(
        outcome,
        facts.specimen,
        values={name: text for name, text in values.items() if text} | {"beside": _beside(rule, near, b2m)},
        notes=_notes(facts, rule, b2m, course, near),
        inputs=(b2m, *course.results(), *near),
        thresholds=("b2m_rise_from", *(("creatinine_rise_from",) if course.rose else ())) if course.before else (),
    )


def _beside(rule: Rule, near: tuple[Result, ...], b2m: Result) -> str:
    """What was measured near the B2M, which is named by its day: beside a rise two are spoken of."""
    days, day = rule.value("beside_days_to"), series.day_of(b2m.when)
    near_it = f"Within {days} days of the B2M of {day} (service default)"
    return f"{near_it}: {context.in_words(near, b2m.when)}." if near else ""


def _is_autologous(facts: Facts, b2m: Result) -> bool:
    """Whether the procedures tell of the patient's own stem cells alone, and nothing of graft-versus-host disease.

    A status in the problem list does not say whose cells they were.
    """
    by_then = (p for p in facts.procedures if not (p.when and p.when.first > b2m.when.last))
    kinds = {p.key for p in by_then if p.key in states.STEM_CELLS_TRANSPLANTED}
    return kinds == {_OWN_CELLS} and not context.present(facts, _GVHD)


def _transplants(facts: Facts, b2m: Result, kind: str) -> list[Moment | None]:
    """When such transplants took place, or the problems that tell of them began, without what lies after the B2M."""
    problems, procedures = _KINDS[kind]
    found = [p.onset for p in context.present(facts, *problems)]
    found += [p.when for p in facts.procedures if p.key in procedures]
    return [when for when in found if not (when and when.first > b2m.when.last)]


def _grafted_on(facts: Facts) -> list[date]:
    """The days on which a kidney was transplanted, as far as they are dated; a rejection begins later."""
    found = [p.onset for p in context.present(facts, "kidney-transplant")]
    found += [p.when for p in facts.procedures if p.key == "kidney-transplantation"]
    return [when.last for when in found if when]


@dataclass(frozen=True, slots=True)
class _Course:
    """An earlier B2M and how the present one lies to it ("no_rise", ...); with it the creatinine of then and now."""

    says: str
    before: Result | None = None
    creatinine_before: Result | None = None
    creatinine: Result | None = None

    @property
    def rose(self) -> bool:
        """Whether the B2M rose for certain."""
        return self.says == "rose"

    def results(self) -> tuple[Result, ...]:
        """What it rests on, beside the B2M itself."""
        return tuple(r for r in (self.before, self.creatinine_before, self.creatinine) if r)

    def values(self) -> dict[str, str]:
        """What fills its words; "" where there is nothing."""
        return {
            "before": self.before.display if self.before else "",
            "date": series.day_of(self.before.when) if self.before else "",
            "creatinine_before": self.creatinine_before.display if self.creatinine_before else "",
            "creatinine": self.creatinine.display if self.creatinine else "",
        }


def _course(facts: Facts, rule: Rule, b2m: Result) -> _Course:
    """Against the newest earlier result since the transplantation that may be compared."""
    grafted = [day for day in _grafted_on(facts) if day <= b2m.when.last]
    earlier = [
        r
        for r in series.earlier(facts, b2m)
        if r.when.days_until(b2m.when) <= rule.value("earlier_days_to") and all(r.when.first > day for day in grafted)
    ]
    before = next((r for r in earlier if not series.differ_in(b2m, r)), None)
    if before is None:
        return _Course("not_comparable" if earlier else "earlier_unknown" if _LIST in facts.unknown else "no_earlier")
    if states.is_child(facts, before.when) is True or states.dialysis(facts) is not states.Dialysis.NO:
        return _Course("")  # no verdict on a change: the rule trend says so
    rose = series.is_at_least(b2m, before, rule.value("b2m_rise_from"))
    if not rose:
        return _Course("rise_unclear" if rose is None else "no_rise", before)
    days = rule.value("creatinine_days_to")
    then, now = (context.beside(facts, result.when, days, "creatinine") for result in (before, b2m))
    both = (then[0], now[0]) if then and now and then != now else (None, None)
    return _Course("rose", before, *both)


def _outcome(rule: Rule, course: _Course) -> str:
    then, now = course.creatinine_before, course.creatinine
    rose = series.is_at_least(now, then, rule.value("creatinine_rise_from")) if now and then else None
    return {True: "kidney_rise", False: "kidney_rise_alone", None: "kidney_rise_creatinine_unknown"}[rose]


def _analytes(facts: Facts) -> tuple[str, ...]:
    """Cytomegalovirus DNA is named here where the infection is not in the problem list: else infection-context does."""
    return ("tacrolimus",) if context.present(facts, "cmv") else ("tacrolimus", "cmv-dna")


def _notes(facts: Facts, rule: Rule, b2m: Result, course: _Course, near: tuple[Result, ...]) -> tuple[str, ...]:
    measured = {r.analyte for r in near}
    drugs = current_drugs(facts, b2m.when, rule.value("tacrolimus_current_days_to"), "transplant-immunosuppression")
    asked = {
        "rejection": bool(context.present(facts, _REJECTION)),
        "gvhd": bool(context.present(facts, _GVHD)),
        course.says: bool(course.says) and not course.rose,
        "methods_not_stated": bool(course.rose and course.before and series.are_alike(b2m, course.before) is None),
        "no_tacrolimus": "tacrolimus" not in measured and any(d.key == "tacrolimus" for d in drugs),
        "no_cmv_dna": course.rose and "cmv-dna" in set(_analytes(facts)) - measured,
        "informational": True,
    }
    return tuple(note for note, holds in asked.items() if holds)
