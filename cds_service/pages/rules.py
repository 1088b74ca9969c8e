"""GET /rules, /rules/{id} and /feedback: the rules as clinicians read them, and what became of their cards."""

from collections.abc import Callable

from flask import Blueprint, abort, render_template, request
from flask import Response as Answer

from cds_service.cards.markdown import plain
from cds_service.hooks.security_headers import PAGE_POLICY
from cds_service.knowledge.identity import knowledge_hash, source
from cds_service.pages.figures import figures, filters, since
from cds_service.record.store import Store
from cds_service.review.cases import in_words
from cds_service.review.history import history
from cds_service.review.page import sections, site_reviews
from cds_service.review.signing import entry
from cds_service.rules_in_force import InForce


def blueprint(running: Callable[[], InForce], store: Store, *, workbench: bool) -> Blueprint:
    """The pages, and the static files of all pages. Who may see them is asked elsewhere (``operators``).

    Args:
        running: the rules as the site has them now.
        store: where the figures come from.
        workbench: whether there is one to link to.
    """
    routes = Blueprint(
        "pages", __name__, static_folder="static", static_url_path="/pages/static", template_folder="templates"
    )
    routes.add_app_template_filter(plain, "plain")
    routes.app_context_processor(lambda: {"has_workbench": workbench})

    @routes.get("/rules")
    def rules() -> str:
        return render_template("rules.html", now=running(), version=source().version, hash=knowledge_hash())

    @routes.get("/rules/<rule_id>")
    def rule(rule_id: str) -> str:
        from cds_service.pages import html  # a Markdown parser, which the start does not wait for

        now = running()
        found = now.named(rule_id)
        if found is None:
            abort(404)
        return render_template(
            "rule.html",
            rule=found,
            mode=now.mode(rule_id),
            reviews=site_reviews(found),
            entry=entry(found),
            sections=html.of_page(sections(found, cases=False)),
            cases=in_words(found),
            past=[(past.under, html.of_page(plain(past.text))) for past in history(rule_id)],
            figures=figures(store, rule=rule_id),
            **filters(),
        )

    @routes.get("/feedback")
    def feedback() -> str:
        given = request.args.get("since", "")
        found = figures(store, since(given))
        known = {rule.id: rule.title for rule in running().all}
        return render_template("feedback.html", figures=found, since=given, known=known, **filters())

    @routes.after_request
    def restrict(answer: Answer) -> Answer:
        answer.headers["Content-Security-Policy"] = PAGE_POLICY
        return answer

    return routes
