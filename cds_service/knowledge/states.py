"""What several rules ask of a chart: plain questions, answered from the facts alone."""

from decimal import Decimal
from enum import Enum

from cds_service.facts import Facts, Moment, Presence, Problem, Procedure, answered_once
from cds_service.knowledge.terms import limit

_INACTIVE = {"inactive", "remission", "resolved"}
_UNPROVEN = {"unconfirmed", "provisional", "differential"}
REFUTED = {"refuted", "entered-in-error"}
#: Lymphoid cancers, in remission or relapse told apart by their keys where the terms do.
LYMPHOID = (
    "cll", "cll-relapse", "sll", "waldenstrom", "lymphoma", "follicular-lymphoma", "mantle-cell-lymphoma", "dlbcl",
    "cns-lymphoma", "hodgkin-lymphoma",
)  # fmt: skip
#: What a chart may go on calling active long after it is over.
ACUTE_INFECTIONS = ("pneumonia", "sepsis")
#: Cadmium itself, as it is measured.
CADMIUM = ("cadmium-urine-ratio", "cadmium-blood", "cadmium-urine")
#: Procedures that transplant stem cells: allogeneic or not said which, and the patient's own.
STEM_CELLS_TRANSPLANTED = ("stem-cell-transplantation", "autologous-stem-cell-transplantation")
_RETURNED_OR_REMISSION = {"recurrence", "relapse", "remission"}


def is_active(problem: Problem) -> bool:
    """Whether a problem counts as present: neither refuted nor over. A status that is not stated counts as active."""
    return (
        problem.verification_status not in REFUTED and problem.clinical_status not in _INACTIVE and not problem.abated
    )


def is_in_remission(problem: Problem) -> bool:
    """Whether a disease is in remission, by its code or by its clinical status."""
    return problem.key.endswith("-remission") or problem.clinical_status == "remission"


def is_confirmed(problem: Problem) -> bool:
    """Whether a diagnosis is more than suspected. A verification status that is not stated counts as confirmed."""
    return problem.verification_status not in _UNPROVEN | REFUTED


def active(facts: Facts, *keys: str) -> tuple[Problem, ...]:
    """The active problems of the given keys."""
    return tuple(p for p in facts.problems_of(*keys) if is_active(p))


def myeloma_returned_or_in_remission(facts: Facts) -> bool:
    """Whether the chart tells of relapse or remission of myeloma, by code or by clinical status."""
    by_code = any(
        p.verification_status not in REFUTED for p in facts.problems_of("myeloma-relapse", "myeloma-remission")
    )
    by_status = any(
        p.clinical_status in _RETURNED_OR_REMISSION and p.verification_status not in REFUTED
        for p in facts.problems_of("myeloma")
    )
    return by_code or by_status


def days_from_diagnosis(facts: Facts, when: Moment, *keys: str) -> tuple[int, int] | None:
    """The fewest and the most days between ``when`` and the oldest recorded onset of the given keys.

    None where no onset is recorded. An entry that is over counts for the age of the disease, a refuted one does not.
    """
    onsets = [p.onset for p in facts.problems_of(*keys) if p.onset and p.verification_status not in REFUTED]
    if not onsets:
        return None
    oldest = min(onsets, key=lambda onset: onset.first)
    apart = [abs((when.first - day).days) for day in (oldest.first, oldest.last)]
    within = oldest.first <= when.first <= oldest.last
    return (0 if within else min(apart)), max(apart)


def first_diagnosed(facts: Facts, *keys: str) -> Moment | None:
    """The oldest recorded onset of the given keys; None where one of them carries none, and may be older."""
    entries = [p for p in facts.problems_of(*keys) if p.verification_status not in REFUTED]
    onsets = [p.onset for p in entries if p.onset]
    return min(onsets, key=lambda onset: onset.first) if len(onsets) == len(entries) > 0 else None


class Dialysis(Enum):
    """What the chart says about dialysis."""

    NO = "no"
    YES = "yes"
    UNCLEAR = "unclear"


_DIALYSIS_PROCEDURES = {"haemodialysis", "haemodiafiltration", "haemofiltration", "peritoneal-dialysis", "dialysis"}


@answered_once
def dialysis(facts: Facts) -> Dialysis:
    """Whether the patient is on dialysis at the time of the B2M; a kidney transplant after it overrides it.

    A code for dialysis shows it, and so does a dialysis procedure that goes on or took place shortly before. Unclear:
    dialysis and transplant of which one has no date; dialysis without a dated session shortly before and beside a
    creatinine that speaks against it (kidneys recover after acute injury, the code stays); a procedure of some weeks
    ago, or without a date; end-stage kidney disease without a word on either.
    """
    shown = [p.onset for p in dialysis_codes(facts)]
    shown += [session.when for session in dialysis_sessions(facts, limit("dialysis_session_days_to"))]
    grafted = kidney_grafts(facts)
    if not shown:
        ended = bool(active(facts, "end-stage-kidney-disease")) and not grafted
        return Dialysis.UNCLEAR if ended or _doubtful_sessions(facts, grafted) else Dialysis.NO
    if grafted and (None in shown or None in grafted):
        return Dialysis.UNCLEAR
    if grafted and max(t.last for t in grafted if t) > max(d.last for d in shown if d):
        return Dialysis.NO
    return Dialysis.UNCLEAR if _is_doubted(facts) else Dialysis.YES


def is_coded_unclear(facts: Facts) -> bool:
    """Whether dialysis is coded and only not sure to go on: then no stage or index rests on a serum B2M either.

    A creatinine that speaks against it may have been taken after a session.
    """
    return dialysis(facts) is Dialysis.UNCLEAR and bool(dialysis_codes(facts))


def _is_doubted(facts: Facts) -> bool:
    """Whether creatinine speaks against dialysis that no dated session shortly before the B2M shows."""
    near = dialysis_sessions(facts, limit("dialysis_session_days_to"))
    return not any(session.when for session in near) and _creatinine_speaks_against_dialysis(facts)


def dialysis_codes(facts: Facts) -> list[Problem]:
    """The confirmed entries of dialysis that may have begun by the B2M."""
    codes = [p for p in active(facts, "dialysis") if is_confirmed(p)]
    return [p for p in codes if facts.taken is None or begun_by(p, facts.taken)]


def dialysis_sessions(facts: Facts, within_days: Decimal) -> tuple[Procedure, ...]:
    """The dialysis procedures that go on, or took place up to ``within_days`` before the B2M."""
    taken = facts.taken
    if taken is None:
        return ()
    return tuple(
        p
        for p in facts.procedures
        if p.key in _DIALYSIS_PROCEDURES
        and not (p.when and p.when.first > taken.last)
        and (p.ongoing or (p.when is not None and p.when.days_until(taken) <= within_days))
    )


def kidney_grafts(facts: Facts) -> list[Moment | None]:
    """When a kidney was transplanted, by problem list and procedures; what lies after the B2M leaves it as it was."""
    found = [p.onset for p in active(facts, "kidney-transplant") if is_confirmed(p)]
    found += [p.when for p in facts.procedures if p.key == "kidney-transplantation"]
    return [when for when in found if not (when and facts.taken and when.first > facts.taken.last)]


def kidneys_differed(facts: Facts, then: Moment, when: Moment) -> bool:
    """Whether a result of ``then`` tells nothing of the kidneys of ``when``: from before a graft, or dialysis."""
    grafted = before_last_graft(facts, then) and not before_last_graft(facts, when)
    return grafted or was_on_dialysis(facts, then)


def before_last_graft(facts: Facts, when: Moment) -> bool:
    """Whether ``when`` may lie before the last kidney transplantation, or on its day.

    By the procedures where they tell, since a status in the problem list may be dated later than its operation.
    """
    operated = [p.when for p in facts.procedures if p.key == "kidney-transplantation"]
    grafts = kidney_grafts(facts)
    days = [g.last for g in grafts if g and g in operated] or [g.last for g in grafts if g]
    return bool(days) and when.first <= max(days)


def was_on_dialysis(facts: Facts, when: Moment) -> bool:
    """Whether sessions are dated both shortly before (or on the day of) ``when`` and shortly after it."""
    near = limit("dialysis_session_days_to")
    dated = [p.when for p in facts.procedures if p.key in _DIALYSIS_PROCEDURES and p.when]
    sessions = [session for session in dated if session.days_until(when) <= near]
    return any(s.first <= when.last for s in sessions) and any(s.last >= when.first for s in sessions)


def _doubtful_sessions(facts: Facts, grafted: list[Moment | None]) -> bool:
    """Whether dialysis of some weeks ago, or of a time not told, may still go on."""
    if _creatinine_speaks_against_dialysis(facts):
        return False
    undated = [p for p in facts.procedures if p.key in _DIALYSIS_PROCEDURES and p.when is None]
    late = dialysis_sessions(facts, limit("dialysis_unclear_days_to"))
    before_graft = [s for s in late if any(s.when and g and s.when.last <= g.last for g in grafted)]
    return len(late) > len(before_graft) or bool(undated and not grafted)


def _creatinine_speaks_against_dialysis(facts: Facts) -> bool:
    """By an adult's limit: a child's creatinine may lie below it on dialysis."""
    if facts.taken and is_child(facts, facts.taken):
        return False
    days = limit("dialysis_creatinine_days_to")
    near = facts.within(("creatinine",), facts.taken, days) if facts.taken else ()
    return any(r.interval.is_below(limit("dialysis_creatinine_below")) for r in near)


def begun_by(problem: Problem, when: Moment) -> bool:
    """Whether a problem may have begun by ``when``: one without a date may."""
    return problem.onset is None or problem.onset.first <= when.last


def stem_cells_transplanted(facts: Facts, when: Moment) -> bool:
    """Whether stem cells were transplanted: by the problem list, or by a procedure not known to be later."""
    earlier = (p for p in facts.procedures if p.when is None or p.when.first <= when.last)
    by_list = any(begun_by(p, when) for p in active(facts, "stem-cell-transplant"))
    return by_list or any(p.key in STEM_CELLS_TRANSPLANTED for p in earlier)


@answered_once
def acute_kidney_injury(facts: Facts, when: Moment) -> bool:
    """Whether acute kidney injury is an active problem, if only suspected, begun no longer ago than counts as acute."""
    return bool(acute_kidney_injuries(facts, when))


def acute_kidney_injuries(facts: Facts, when: Moment) -> tuple[Problem, ...]:
    """The active entries of acute kidney injury, if only suspected, begun no longer ago than counts as acute."""
    return _begun_lately(facts, when, limit("acute_kidney_injury_days_to"), "acute-kidney-injury")


def acute_infections(facts: Facts, when: Moment) -> tuple[Problem, ...]:
    """The active entries of acute infection, if only suspected, begun no longer ago than counts as acute."""
    return _begun_lately(facts, when, limit("acute_infection_days_to"), *ACUTE_INFECTIONS)


def _begun_lately(facts: Facts, when: Moment, within_days: Decimal, *keys: str) -> tuple[Problem, ...]:
    begun = (p for p in active(facts, *keys) if begun_by(p, when))
    return tuple(p for p in begun if p.onset is None or p.onset.days_until(when) <= within_days)


def pregnant(facts: Facts, when: Moment) -> bool:
    """Whether ``when`` lies in a pregnancy or in the six weeks after one, for a patient not recorded as male.

    An entry still active long after any pregnancy would have ended does not count.
    """
    if facts.patient.sex == "male":
        return False
    after = limit("post_partum_days_to")
    lasts = limit("pregnancy_days_to") + after
    age = facts.patient.age_on(when)
    past_it = age is not None and age[0] > limit("pregnancy_age_to")
    current = any(
        is_confirmed(p)
        and begun_by(p, when)
        and (not past_it if p.onset is None else p.onset.days_until(when) <= lasts)
        for p in active(facts, "pregnancy")
    )
    ended = [p.abatement for p in facts.problems_of("pregnancy") if p.abatement and is_confirmed(p)]
    recent_birth = _is_cared_for_after_birth(facts, when, after) and not past_it
    return (
        current
        or recent_birth
        or any(end.days_until(when) <= after for end in ended)
        or _said_to_be_pregnant(facts, when)
    )


def _is_cared_for_after_birth(facts: Facts, when: Moment, within_days: Decimal) -> bool:
    """Whether an encounter for care after childbirth lies near: the birth itself may lie on either side of ``when``."""
    entries = [p for p in active(facts, "postpartum-care") if is_confirmed(p)]
    return any(p.onset is None or p.onset.days_until(when) <= within_days for p in entries)


def _said_to_be_pregnant(facts: Facts, when: Moment) -> bool:
    """Whether a final pregnancy status near enough says so: within a pregnancy's length before, or six weeks after.

    An undated one counts; that somebody is not pregnant never outweighs an entry of the problem list.
    """
    before, after = limit("pregnancy_days_to") + limit("post_partum_days_to"), limit("post_partum_days_to")
    said = (c for c in facts.coded if c.item == "pregnancy-status" and c.presence is Presence.PRESENT)
    return any(
        c.when is None or c.when.days_until(when) <= (before if c.when.first <= when.last else after)
        for c in said
        if not c.provisional
    )


@answered_once
def is_child(facts: Facts, when: Moment) -> bool | None:
    """Whether the patient was under 18 years on ``when``; None where the age does not tell."""
    age = facts.patient.age_on(when)
    adult_from = limit("adult_years_from")
    if age is None or age[0] < adult_from <= age[1]:
        return None
    return age[1] < adult_from


def exposed_to_cadmium(facts: Facts) -> bool:
    """Whether the chart shows cadmium: a toxic effect of it that is not over, or a final cadmium result."""
    measured = any(r.analyte in CADMIUM and not r.provisional for r in facts.results)
    return measured or bool(active(facts, "cadmium"))
