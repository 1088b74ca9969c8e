"""The rules as a site has them: the modes, thresholds and sign-offs of its profile, read anew within a minute."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Lock

from cds_service.config import RuleMode, RuleReview, SiteProfile, load_site
from cds_service.errors import ConfigurationError
from cds_service.knowledge.model import Rule, Threshold
from cds_service.knowledge.sign_off import SignOff

_log = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS = 20
_ALL = "*"
#: How far the day of any place on earth runs ahead of UTC.
_MOST_AHEAD = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class InForce:
    """What runs: the rules that are on or silent, and which of them are silent; and those that are off."""

    rules: tuple[Rule, ...]
    silent: frozenset[str] = frozenset()
    off: tuple[Rule, ...] = ()

    @property
    def all(self) -> tuple[Rule, ...]:
        """Every rule as the site has it, whether it runs or not, in the order of their folders."""
        return tuple(sorted((*self.rules, *self.off), key=lambda rule: rule.id.replace("-", "_")))

    def named(self, rule_id: str) -> Rule | None:
        """The rule of this id as the site has it, or None."""
        return next((rule for rule in self.all if rule.id == rule_id), None)

    def mode(self, rule_id: str) -> str:
        """How a rule runs here: on, silent or off."""
        if any(rule.id == rule_id for rule in self.off):
            return "off"
        return "silent" if rule_id in self.silent else "on"


@dataclass(frozen=True, slots=True)
class Change:
    """What the site has set of its rules: ``what`` it is of, to what, and the reason that it gives."""

    what: str
    to: str
    reason: str


def in_force(rules: Sequence[Rule], site: SiteProfile) -> InForce:
    """The rules with the site's modes, thresholds and sign-offs.

    Raises:
        ConfigurationError: the profile names a rule, a version of one or a threshold that is none, or a number outside
            of its bounds.
    """
    known = [rule.id for rule in rules]
    modes = {entry.id: entry for entry in site.rule}
    for name in modes:
        if name not in (*known, _ALL):
            raise ConfigurationError(f"SITE_PROFILE: rule {name!r}; expected * or one of {', '.join(known)}")
    _check_thresholds(rules, site)
    local = {entry.name: entry.value for entry in site.threshold}
    mode = {name: _mode(modes, name) for name in known}
    here = [_at_site(rule, local, site) for rule in rules]
    _check_reviews(here, site)
    return InForce(
        rules=tuple(rule for rule in here if mode[rule.id] != "off"),
        silent=frozenset(name for name in known if mode[name] == "silent"),
        off=tuple(rule for rule in here if mode[rule.id] == "off"),
    )


def changes(site: SiteProfile) -> tuple[Change, ...]:
    """What the profile sets, as it is recorded."""
    return (
        *(Change(f"rule {entry.id}", entry.mode, entry.reason) for entry in site.rule),
        *(Change(f"threshold {entry.name}", f"{entry.value:f}", entry.reason) for entry in site.threshold),
        *(Change(f"review {entry.id} {entry.version}", f"{entry.on}", _signed(entry)) for entry in site.review),
    )


def _mode(modes: dict[str, RuleMode], name: str) -> str:
    """A rule's own mode, else that of all. Off and silent for all are not undone by a rule that is on."""
    of_all = modes[_ALL].mode if _ALL in modes else "on"
    own = modes[name].mode if name in modes else "on"
    return max(of_all, own, key=("on", "silent", "off").index)


def _check_thresholds(rules: Sequence[Rule], site: SiteProfile) -> None:
    for entry in site.threshold:
        found = [rule.thresholds[entry.name] for rule in rules if entry.name in rule.thresholds]
        if not any(_is_open(threshold) for threshold in found):
            names = dict.fromkeys(n for rule in rules for n, t in rule.thresholds.items() if _is_open(t))
            raise ConfigurationError(
                f"SITE_PROFILE: threshold {entry.name!r} may not be set; expected one of {', '.join(names)}"
            )
        for threshold in filter(_is_open, found):
            low, high = threshold.site_from, threshold.site_to
            if low is not None and high is not None and not low <= entry.value <= high:
                expected = f"expected {low:f} to {high:f} {threshold.unit}"
                raise ConfigurationError(f"SITE_PROFILE: threshold {entry.name} = {entry.value:f}; {expected}")


def _is_open(threshold: Threshold) -> bool:
    return threshold.site_from is not None


def _signed(entry: RuleReview) -> str:
    return f"{entry.by}, {entry.role}, {entry.hash}{f': {entry.note}' if entry.note else ''}"


def _at_site(rule: Rule, local: Mapping[str, Decimal], site: SiteProfile) -> Rule:
    """The rule with the site's numbers where it has those thresholds, and what of it was signed off."""
    numbers = {n: local[n] for n, threshold in rule.thresholds.items() if n in local and _is_open(threshold)}
    signed = [SignOff(e.version, e.hash, e.by, e.role, e.on, e.note) for e in site.review if e.id == rule.id]
    return rule.at_site(numbers, signed) if numbers or signed else rule


def _check_reviews(rules: Sequence[Rule], site: SiteProfile) -> None:
    """That each sign-off names a rule, and the present files by the present version.

    One of another version is outdated, no error: neither an upgrade nor a rollback may stop the service.
    """
    by_id = {rule.id: rule for rule in rules}
    for entry in site.review:
        rule = by_id.get(entry.id)
        if rule is None:
            raise ConfigurationError(f"SITE_PROFILE: review of {entry.id!r}; expected one of {', '.join(by_id)}")
        if entry.hash == rule.hash_here and entry.version != rule.version:
            raise ConfigurationError(
                f"SITE_PROFILE: review of {entry.id} version {entry.version}, but the hash is not of that one; "
                f"expected {rule.version}, the version here, with {rule.hash_here}"
            )


def check_days_of_reviews(site: SiteProfile, now: datetime) -> None:
    """That no sign-off is of a day that has begun nowhere yet.

    Raises:
        ConfigurationError: one is.
    """
    today = (now.astimezone(UTC) + _MOST_AHEAD).date()
    for entry in site.review:
        if entry.on > today:
            raise ConfigurationError(
                f"SITE_PROFILE: review of {entry.id} on {entry.on} is dated in the future; expected {today} or before"
            )


class RulesInForce:
    """The rules that run now. The site's profile is looked at every 20 s; one that cannot be used changes nothing.

    Args:
        rules: all that the package brings.
        site: the profile at the start.
        path: where it is read anew from; None for never.
        on_change: told what a profile sets, when it is first read and when it has changed.
        clock: seconds that only go forward.
        now: answers with the present time, with its zone, by which no sign-off may lie in the future.

    Raises:
        ConfigurationError: the profile at the start cannot be used.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        site: SiteProfile,
        path: Path | None = None,
        on_change: Callable[[tuple[Change, ...]], None] = lambda changes: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules, self._path, self._on_change, self._clock = tuple(rules), path, on_change, clock
        self._time = now
        check_days_of_reviews(site, now())
        self._now, self._looked, self._seen = in_force(rules, site), clock(), _stamp(path)
        self._said, self._lock = changes(site), Lock()
        _warn_of_outdated(self._now)
        on_change(self._said)

    def __call__(self) -> InForce:
        """The rules that run now."""
        if self._path and self._clock() - self._looked >= _LOOK_EVERY_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._look(self._path)
            finally:
                self._lock.release()
        return self._now

    def _look(self, path: Path) -> None:
        self._looked, stamp = self._clock(), _stamp(path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            site = load_site(path)
            check_days_of_reviews(site, self._time())
            now = in_force(self._rules, site)
        except ConfigurationError as error:
            _log.error("the site's profile has changed and cannot be used; the rules stay as they were: %s", error)
            return
        if (said := changes(site)) != self._said:
            self._now, self._said = now, said
            for change in said:
                _log.warning("set by the site: %s %s (%s)", change.what, change.to, change.reason)
            _warn_of_outdated(now)
            self._on_change(said)


def _warn_of_outdated(now: InForce) -> None:
    for rule in now.all:
        for one in rule.outdated_sign_offs if rule.signed_off is None else ():
            _log.warning(
                "the site's review of %s %s (%s) does not count: the rule is at %s with %s",
                *(rule.id, one.version, one.hash, rule.version, rule.hash_here),
            )


def _stamp(path: Path | None) -> tuple[int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if found else None
