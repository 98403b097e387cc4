"""The case browser: a table that stays where it is while new cases arrive, and a sheet beside it."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability
from kovra.actions.request import Action, Source
from kovra.dashboard import case_query, case_sheet, files, wording
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.head_first import head_first
from kovra.dashboard.listing import asked, listing, of_member, once_called, views
from kovra.dashboard.pages.looks import COLUMNS, hidden_columns
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.schemas import ExportForm
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, can_act, seen_until, shell
from kovra.guard.case import NoticeStatus
from kovra.store.case_finding import NUMBERED
from kovra.store.case_search import CaseFilter, CaseSort
from kovra.store.guilds import GuildScope

#: The keys of this page, for the list behind ``?``.
KEYS: tuple[Keys, ...] = (
    (
        "Cases",
        (
            ("Next case", ("J",)),
            ("Previous case", ("K",)),
            ("Open", ("Enter",)),
            ("Search", ("/",)),
            ("Filter", ("F",)),
            ("Tick", ("X",)),
            ("Tick up to here", ("⇧X",)),
            ("Show new cases", (".",)),
            ("Edit the case", ("E",)),
            ("Copy link", ("C",)),
        ),
    ),
    ("Member of the case", (("Warn", ("W",)), ("Mute", ("M",)), ("Ban", ("B",)), ("Note", ("N",)))),
)

cases = Blueprint("cases", __name__)


@cases.get("/g/<int:guild_id>/cases")
@policy(in_guild(Capability.VIEW))
@head_first
def index(guild_id: int) -> str:
    """The whole page, with the sheet of ``?case=`` when it is open."""
    viewer = scope()
    since = seen_until(viewer)
    page = listing(viewer)
    wanted = request.args.get("case", type=int)
    sheet = case_sheet.drawn(viewer, wanted) if wanted else None
    return render_template(
        "cases.html",
        **shell(viewer, since, "cases", KEYS),
        page=page,
        views=views(viewer, page.query),
        columns=COLUMNS,
        hidden=hidden_columns(),
        can_export=viewer.may(Capability.EXPORT),
        missing_case=wanted if wanted and sheet is None else None,
        newest_case=_newest(viewer) if wanted and sheet is None else None,
        **(sheet or {"detail": None}),
    )


@cases.get("/g/<int:guild_id>/cases/list")
@policy(in_guild(Capability.VIEW))
def rows(guild_id: int) -> str:
    """Table and pager alone."""
    viewer = scope()
    return render_template(
        "cases_list.html",
        scope=viewer,
        page=listing(viewer),
        can_act=can_act(viewer),
        hidden=hidden_columns(),
        detail=None,
        fragment=True,
    )


@cases.get("/g/<int:guild_id>/cases/new")
@policy(in_guild(Capability.VIEW))
def new(guild_id: int) -> str:
    """How many cases that fit came after number ``since``, in words; nothing when there are none."""
    viewer = scope()
    since = max(0, request.args.get("since", 0, type=int))
    newer = services().cases.newer(viewer, asked(viewer).wanted, min(since, 1 << 62)) if since < 1 << 62 else 0
    return wording.new_cases(newer) if newer else ""


@cases.get("/g/<int:guild_id>/cases/filters")
@policy(in_guild(Capability.VIEW))
def filters(guild_id: int) -> str:
    """What can be filtered by, with what the address says ticked."""
    viewer = scope()
    query = asked(viewer)
    hidden = () if viewer.may(Capability.VIEW_NOTES) else (Action.NOTE,)
    return render_template(
        "cases_filters.html",
        scope=viewer,
        words=query.words,
        actions=[each for each in Action if each in NUMBERED and each not in hidden],
        sources=list(Source),
        notices=[each for each in NoticeStatus if each is not NoticeStatus.SENDING],
        states=[*(state.value for state in case_query.CASE_STATES), case_query.VOID],
        sorts=case_query.SORTS,
        moderators=services().cases.moderators(viewer),
    )


@cases.post("/g/<int:guild_id>/cases/export")
@policy(in_guild(Capability.EXPORT))
def export(guild_id: int) -> Response:
    """All the cases that the address asks for, as a file. It is on record before its first line is read."""
    viewer = scope()
    try:
        given = ExportForm().load(request.form)
    except ValidationError as error:
        raise BadRequest from error
    kind, query = given["kind"], asked(viewer)
    told = {name: list(values) for name, values in query.words.items()}
    if given["cases"]:
        told = {"cases": [str(number) for number in given["cases"]]}
        query = replace(query, wanted=CaseFilter(numbers=frozenset(given["cases"])), sort=CaseSort.NEWEST)
    elif query.wanted.text and not services().cases.page(viewer, query.wanted, limit=1).rows:
        # What the page shows then.
        called = once_called(viewer, query)
        query = replace(query, wanted=of_member(query, called)) if called else query
    facts = {"kind": kind, "asked": told}
    services().submit.audit.append(
        AuditEntry(guild_id=viewer.guild_id, kind=AuditKind.CASES_EXPORTED, actor_id=viewer.viewer.user_id, facts=facts)
    )
    written, content_type = files.KINDS[kind]
    named = f"cases-{viewer.guild_id}-{services().clock.now():%Y-%m-%d}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{named}"', "X-Accel-Buffering": "no"}
    lines = written(services().cases.parts(viewer, query.wanted, query.sort))
    return Response(lines, content_type=content_type, headers=headers)


@cases.get("/g/<int:guild_id>/cases/<int:case_no>/row")
@policy(in_guild(Capability.VIEW))
def row(guild_id: int, case_no: int) -> str:
    """One row alone, after something about its case has changed."""
    found = services().cases.row(scope(), case_no)
    if found is None:
        raise NoSuchPage
    return render_template("case_row_alone.html", scope=scope(), row=found, by_end=request.args.get("sort") == "ends")


@cases.get("/g/<int:guild_id>/cases/<int:case_no>")
@policy(in_guild(Capability.VIEW))
def sheet(guild_id: int, case_no: int) -> str | Response:
    """The side sheet. A link from Discord opens the page with it."""
    if request.headers.get("HX-Request") != "true":
        return redirect(url_for("cases.index", guild_id=guild_id, case=case_no), HTTPStatus.SEE_OTHER)
    viewer = scope()
    found = case_sheet.drawn(viewer, case_no)
    if found is None:
        return render_template("case_missing.html", missing_case=case_no, newest_case=_newest(viewer))
    return render_template("case_sheet.html", scope=viewer, **found)


def _newest(viewer: GuildScope) -> int | None:
    found = services().cases.page(viewer, limit=1)
    return found.rows[0].case_no if found.rows else None
