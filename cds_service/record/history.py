"""What was shown before to the user of one call about its patient, by the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_service.cards.override_reasons import asks_for_it_again
from cds_service.cards.suppression import Shown
from cds_service.errors import StoreUnavailable
from cds_service.models import HookRequest
from cds_service.record.account import said_of
from cds_service.record.store import Store


@dataclass(frozen=True, slots=True)
class ShownBefore:
    """The store's answer for one call; ``scope`` is the caller's, within which ids are unique.

    Without a key nothing is known of anybody, and where the store cannot be had nothing is known either: then all is
    shown.
    """

    store: Store
    scope: str
    call: HookRequest

    def shown(self, texts: Sequence[str]) -> Mapping[str, Shown]:
        """Those of the sayings that this user was shown, with the time of the last."""
        pseudonyms = self.store.pseudonyms
        users = pseudonyms.all_of("user", self.scope, self.call.context.userId)
        names = {
            name: text for text in texts for name in pseudonyms.all_of("said", self.scope, said_of(self.call, text))
        }
        if not users or not names:
            return {}
        try:
            found = self.store.shown(users, tuple(names), self._instances())
        except StoreUnavailable:
            return {}
        shown: dict[str, Shown] = {}
        for row in found:
            again_soon = asks_for_it_again(row.reason_system or "", row.reason_code or "")
            text, one = names[row.said], Shown(row.at, again_soon, row.answered)
            before = shown.get(text)
            if before is None or before.at < one.at:
                shown[text] = one
        return shown

    def _instances(self) -> tuple[str, ...]:
        """This very call, had it been sent before."""
        return self.store.pseudonyms.all_of("instance", self.scope, str(self.call.hookInstance))
