"""Whether the requests of a plan are what the plan shows. Makes no request, but for the first look at management groups.

A plan is a file, and its digest can be computed by anyone who edits it. So nothing that decides is taken from the file
alone: each request has to be on the target that is shown, in the scope of the client, and to do what is shown, and each
template has to be one of the catalog.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from defender_remediate.casing import fold
from defender_remediate.catalog import Catalog
from defender_remediate.catalog.read_only import is_unknown_member, unsettable_members
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidResourceIdError, PlanAlteredError
from defender_remediate.executors.requests import DEPLOYMENTS
from defender_remediate.fixes.candidates import resource_or_parent
from defender_remediate.fixes.decisions import is_recoverable
from defender_remediate.fixes.drift import depends_on, is_watched, members_read
from defender_remediate.fixes.paths import split
from defender_remediate.fixes.restore import GONE
from defender_remediate.fixes.unshown import unshown_members
from defender_remediate.json_values import canonical
from defender_remediate.models.fix import FixAction, FixKind, Impact
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.step import PlannedRequest, RemediationStep

_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[A-Za-z]+)?")
_IMPACTS = tuple(Impact)
# The clocks of the machines that plan and apply may differ by this much.
_CLOCK_SKEW = timedelta(minutes=5)
_PLAN_AGAIN = "create and approve a new plan"


def check_integrity(
    plan: RemediationPlan,
    *,
    covers: Callable[[str], bool],
    catalog: Catalog,
    now: datetime | None,
    ignored: Iterable[str] = (),
) -> None:
    """Refuse a plan with a request that is not what the plan shows.

    Args:
        plan: The plan.
        covers: Whether an id is in the scope of the client.
        catalog: What the templates, the impacts and the members that a PUT leaves out are compared with.
        now: The time; None for a resume, because what was approved in time stays approved.
        ignored: The ids of steps that are not sent: those of an interrupted run that have ended, or whose request the
            journal does not have.

    Raises:
        PlanAlteredError: Names the step and what is wrong with it.
    """
    if now is not None and plan.created_at > now + _CLOCK_SKEW:
        raise PlanAlteredError(f"the plan was created in the future, at {plan.created_at}", hint=_PLAN_AGAIN)
    skipped = frozenset(ignored)
    fixes: dict[str, list[FixAction]] = defaultdict(list)
    for fix in catalog:
        fixes[fold(fix.resource_type)].append(fix)
    for step in plan.steps:
        problems = [] if step.id in skipped else list(_problems(step, plan, covers, fixes[fold(step.resource_type)]))
        if problems:
            raise PlanAlteredError(f"step {step.id} for {step.target_id}: {problems[0]}", hint=_PLAN_AGAIN)


def _problems(
    step: RemediationStep, plan: RemediationPlan, covers: Callable[[str], bool], fixes: Sequence[FixAction]
) -> Iterator[str]:
    try:
        yield from _problems_of_place(step, covers)
    except InvalidResourceIdError as error:
        yield error.message
        return
    for request in (step.request, step.undo_request):
        if request is not None:
            yield from _problems_of_request(request, step)
    if not step.is_removal:
        yield from _problems_of_content(step, plan, fixes)
    elif step.request.body or not (plan.rolls_back or is_recoverable(step)):
        yield "only a rollback removes anything but an exemption, an attestation or a governance assignment"
    elif step.compliant_when != GONE:
        yield "it removes its target and would be proven by something else"
    elif step.undo_request is not None and not _shows_what_goes(step):
        yield "what it shows to go is not what its undo request brings back"
    yield from _problems_of_paths(step)
    if not (step.is_removal or _is_deployment(step)):
        yield from _problems_of_dependencies(step)


def _problems_of_place(step: RemediationStep, covers: Callable[[str], bool]) -> Iterator[str]:
    resource = ResourceId.parse(step.resource_id)
    try:
        target = ResourceId.parse(step.target_id)
    except InvalidResourceIdError:
        # A collection, such as the diagnostic settings of a vault: its members have ids.
        target = ResourceId.parse(f"{step.target_id}/any")
    if not resource.is_type(step.resource_type):
        yield f"{resource} is not of the type {step.resource_type}"
    if id_key(resource.subscription_id or "") != id_key(target.subscription_id or ""):
        yield f"the target is in another subscription than {resource}"
    created = [ResourceId.parse(creation.resource_id).text for creation in step.creates]
    for written in (resource.text, step.target_id, *created):
        if not covers(written):
            yield f"{written} is outside the scope of this client"


def _problems_of_request(request: PlannedRequest, step: RemediationStep) -> Iterator[str]:
    if _is_deployment(step):
        resource = ResourceId.parse(step.resource_id)
        scope = resource.group or resource.subscription
        place, _, name = request.path.rpartition(DEPLOYMENTS)
        if scope is None or id_key(place) != scope.key or not re.fullmatch(r"[\w.()-]{1,64}", name):
            yield f"its request goes to {request.path}, which is not a deployment to {scope}"
    else:
        if id_key(request.path) != id_key(step.target_id):
            yield f"its request goes to {request.path}"
        if request.api_version != step.api_version:
            read, written = quoted(step.api_version), quoted(request.api_version)
            yield f"it is read with the api-version {read} and written with {written}"
    method = {FixKind.PATCH.value: "PATCH", FixKind.PUT.value: "PUT", FixKind.TEMPLATE.value: "PUT"}[step.executor]
    removes = step.is_removal and request is step.request
    method = "DELETE" if removes else method
    is_merged = step.executor == FixKind.PUT and not removes
    if request.method != method or request.is_merge_patch is not is_merged:
        yield f"its request is not a {method} of the form that the executor {quoted(step.executor)} sends"
    for version in (request.api_version, step.api_version):
        if not _API_VERSION.fullmatch(version):
            yield f"{quoted(version)} is not an api-version"
    if request.if_match and not (request.if_match.isascii() and request.if_match.isprintable()):
        yield "its If-Match is not an etag"


def _problems_of_paths(step: RemediationStep) -> Iterator[str]:
    try:
        members_read(step.compliant_when)
        for path in step.request.send_whole:
            split(path)
        # The changes of a deployment name resources, not members of the target.
        own = () if _is_deployment(step) else step.changes
        watched = [is_watched(change.path, step.dependencies) for change in own]
    except ValueError as error:
        yield str(error)
        return
    if not all(watched):
        yield f"a change of {step.changes[watched.index(False)].path} by someone else would be overwritten"


def _problems_of_content(step: RemediationStep, plan: RemediationPlan, of_type: Sequence[FixAction]) -> Iterator[str]:
    # The fixes that the step may be made of.
    titles = {fold(title) for title in step.titles}
    fixes = [fix for fix in of_type if fold(fix.title) in titles]
    if _is_deployment(step):
        if not any(_deploys(step.request, fix) for fix in fixes):
            yield "its template is not that of the fix in the catalog of this client"
    else:
        for path in unshown_members(step.request, step.changes):
            yield f"the request and the changes that are shown differ in {path}"
        known = {member.path for fix in fixes for member in fix.leave_out}
        for path in step.request.leave_out:
            if path not in known:
                yield f"no fix in the catalog of this client leaves out {path}"
    if fixes and not (step.irreversible_keys or plan.rolls_back) and all(fix.is_irreversible for fix in fixes):
        yield "it cannot be undone, and the plan does not say so"
    if fixes and _IMPACTS.index(step.impact) < min(_IMPACTS.index(fix.impact) for fix in fixes):
        yield f"its impact is more than {step.impact}"
    if fixes and not (step.cost or plan.rolls_back) and all(fix.cost for fix in fixes):
        yield "it costs money, and the plan does not say so"


def _problems_of_dependencies(step: RemediationStep) -> Iterator[str]:
    """A step that ignores what others can change would overwrite it."""
    if step.request.is_merge_patch and not step.dependencies.is_whole:
        yield "its PUT sends every member, and it does not depend on all of them"
    target = resource_or_parent(step.target_id)
    may_be_ignored = depends_on(is_whole=True, ignored=unsettable_members(target.type, target.name)).ignored
    for path in step.dependencies.ignored:
        try:
            is_known = path not in may_be_ignored and not is_unknown_member(path, target.type, target.name)
        except ValueError:
            is_known = True
        if is_known:
            yield f"it ignores changes of {quoted(path)}"


def _shows_what_goes(step: RemediationStep) -> bool:
    shown = {change.path: change.before for change in step.changes}
    undo = step.undo_request.body if step.undo_request is not None else {}
    return all(canonical(shown.get(name)) == canonical(item) for name, item in undo.items())


def _is_deployment(step: RemediationStep) -> bool:
    return step.executor == FixKind.TEMPLATE and not step.is_removal


def _deploys(request: PlannedRequest, fix: FixAction) -> bool:
    properties = request.body.get("properties")
    if fix.kind is not FixKind.TEMPLATE or not isinstance(properties, Mapping):
        return False
    parameters = properties.get("parameters")
    return (
        set(request.body) <= {"properties", "location"}
        and set(properties) == {"mode", "template", "parameters"}
        and properties["mode"] == "Incremental"
        and canonical(properties["template"]) == canonical(fix.template)
        and isinstance(parameters, Mapping)
        and set(parameters) == set(fix.template_parameters)
        and all(isinstance(given, Mapping) and set(given) == {"value"} for given in parameters.values())
    )
