"""The form of a ``[[fix]]`` table. What does not have this form is refused, with the file and the key path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog import editor_schema
from defender_remediate.catalog.conditions import condition
from defender_remediate.catalog.table import TomlTable, described
from defender_remediate.catalog.validity import check_fix
from defender_remediate.display import quoted
from defender_remediate.models.fix import (
    Evidence,
    FixAction,
    FixKind,
    FixParameter,
    Impact,
    LeftOutMember,
    NotApplicable,
    ParameterType,
    Reversibility,
)
from defender_remediate.models.live_use import Aggregation, LiveUse

ReadTemplate = Callable[[str], Mapping[str, Any]]
"""Gives the ARM template of this name; raises ValueError, whose text says why not."""

_FIX_KEYS = frozenset(editor_schema.FIX)
_PARAMETER_KEYS = frozenset(editor_schema.PARAMETER)
_IF_MATCH = re.compile(r"\*")
_API_VERSION = re.compile(editor_schema.API_VERSION)
RESOURCE_TYPE = re.compile(editor_schema.RESOURCE_TYPE)
_STEP = r"(?:[\w.-]|\$\{[^}/]*\})*(?:\w|\$\{[^}/]*\})"  # ends in what is no dot: ".." is no step
_TARGET = re.compile(rf"/?{_STEP}(/{_STEP})*", re.ASCII)
_MEMBER = r"(?:[^.\[\]'*]+|\['(?:[^']|'')*'\])"
_REMOVE = re.compile(rf"{_MEMBER}(?:\.[^.\[\]'*]+|\['(?:[^']|'')*'\])*")
_LINKED = re.compile(rf"{_MEMBER}(?:\.[^.\[\]'*]+|\[\*\])*")
_PERMISSION = re.compile(r"[A-Za-z][\w.]*(/[\w.-]+)*/(read|write|delete|[\w-]+/action)", re.ASCII | re.IGNORECASE)
_VARIANT = re.compile(editor_schema.VARIANT)
_NAME = re.compile(editor_schema.PARAMETER_NAME)
_METRIC = re.compile(editor_schema.METRIC)
_CHILDREN = re.compile("[A-Za-z]+")
POLICY = re.compile(editor_schema.POLICY)
_TYPE_LIKE = "Microsoft.Storage/storageAccounts"


def fixes(document: Any, *, source: str, read_template: ReadTemplate) -> tuple[FixAction, ...]:
    """The fixes of a whole catalog file, in its order.

    Raises:
        CatalogError: Names the file and the key path of the first thing that is wrong.
    """
    table = TomlTable(document, source=source, path="")
    table.only(frozenset({"fix"}))
    entries = table.tables("fix")
    if not entries:
        raise table.error("contains no [[fix]]")
    found = tuple(_fix(entry, read_template) for entry in entries)
    seen: dict[tuple[str, str], dict[str | None, int]] = {}
    for number, fix in enumerate(found):
        variants = seen.setdefault((fold(fix.key), fold(fix.resource_type)), {})
        if fix.variant in variants:
            same = "key, resource type and variant" if fix.variant else "key and resource type"
            raise entries[number].error(f"fix[{variants[fix.variant]}] has the same {same}", "key")
        if variants and (not fix.variant or None in variants):
            first = next(iter(variants.values()))
            message = f"fix[{first}] has the same key and resource type, so each of them has to be a variant"
            raise entries[number].error(message, "variant")
        variants[fix.variant] = number
    return found


def _fix(table: TomlTable, read_template: ReadTemplate) -> FixAction:
    table.only(_FIX_KEYS)
    kind = table.word("kind", FixKind)
    body, lists, given = table.table("body"), table.table("lists"), table.table("template_parameters")
    applies_when, compliant_when = table.table("applies_when"), table.table("compliant_when")
    if compliant_when is None:
        raise table.error("is missing", "compliant_when")
    live_use = table.table("live_use")
    template_name, template = table.text("template", ""), None
    if template_name:
        try:
            template = read_template(template_name)
        except ValueError as error:
            raise table.error(str(error), "template") from error
    array_strategies: dict[str, str] = {}
    if lists:
        for path, how in lists.values.items():
            if isinstance(how, dict):
                reason = "must be a string: put the whole path in quotes, else TOML splits it at its dots"
                raise lists.error(reason, path)
            array_strategies[path] = lists.text(path)
    fix = FixAction(
        key=table.text("key"),
        title=table.text("title"),
        titles=table.strings("titles"),
        kind=kind,
        resource_type=table.text("resource_type", shape=RESOURCE_TYPE, like=_TYPE_LIKE),
        variant=table.text("variant", "", shape=_VARIANT, like="linux or function-app"),
        api_version=table.text("api_version", shape=_API_VERSION, like="2023-05-01 or 2023-05-01-preview"),
        target=table.text("target", "", shape=_TARGET, like="config/web"),
        linked=table.text("linked", "", shape=_LINKED, like="properties.networkProfile.networkInterfaces[*].id"),
        if_match=table.text("if_match", "", shape=_IF_MATCH, like="*"),
        linked_type=table.text("linked_type", "", shape=RESOURCE_TYPE, like="Microsoft.Network/networkInterfaces"),
        body=_json(body) if body else None,
        remove=table.strings("remove", shape=_REMOVE, like="a path such as properties.authOptions"),
        array_strategies=array_strategies,
        template=template,
        template_name=template_name,
        template_parameters=_json(given) if given else {},
        parameters=tuple(_parameter(each) for each in table.tables("parameters")),
        send_whole=table.strings("send_whole", shape=_REMOVE, like="a path such as properties.networkAcls"),
        leave_out=tuple(_left_out(each) for each in table.tables("leave_out")),
        applies_when=condition(applies_when) if applies_when else None,
        not_applicable=tuple(_not_applicable(each) for each in table.tables("not_applicable")),
        put_decision=table.text("put_decision", None),
        compliant_when=condition(compliant_when),
        impact=table.word("impact", Impact, Impact.NONE),
        impact_reason=table.text("impact_reason", ""),
        cost=table.text("cost", ""),
        live_use=_live_use(live_use) if live_use else None,
        control=table.text("control", ""),
        quick_fix=table.flag("quick_fix", default=None),
        reversibility=table.word("reversibility", Reversibility, Reversibility.EXACT),
        permissions=table.strings("permissions", shape=_PERMISSION, like="Microsoft.Storage/storageAccounts/write"),
        policy_definition_ids=table.strings("policies", shape=POLICY, like="the bare name of a policy definition"),
        sources=table.strings("sources"),
        evidence=table.word("evidence", Evidence, None),
    )
    check_fix(fix, source=table.source, path=table.path)
    return fix


def _left_out(table: TomlTable) -> LeftOutMember:
    table.only(frozenset(editor_schema.LEAVE_OUT))
    when = table.table("when")
    return LeftOutMember(
        path=table.text("path", shape=_LINKED, like="a path such as properties.extensions[*].operationStatus"),
        when=condition(when) if when else None,
    )


def _live_use(table: TomlTable) -> LiveUse:
    table.only(frozenset(editor_schema.LIVE_USE))
    like = "the name of a metric, such as Transactions"
    return LiveUse(
        metrics=table.strings("metrics", shape=_METRIC, like=like),
        none=table.text("none", None),
        aggregation=table.word("aggregation", Aggregation, Aggregation.TOTAL),
        dimension=table.text("dimension", None, shape=_METRIC, like="the name of a dimension, such as Authentication"),
        values=table.strings("values"),
        keeps=table.strings("keeps"),
        below=table.text("below", None, shape=_CHILDREN, like="databases"),
        proof=table.text("proof", None, shape=_METRIC, like=like),
        note=table.text("note", None),
        logs=table.text("logs", None),
    )


def _not_applicable(table: TomlTable) -> NotApplicable:
    table.only(frozenset(editor_schema.NOT_APPLICABLE))
    when = table.table("when")
    if when is None:
        raise table.error("is missing", "when")
    return NotApplicable(when=condition(when), reason=table.text("reason"))


def _parameter(table: TomlTable) -> FixParameter:
    table.only(_PARAMETER_KEYS)
    kind = table.word("type", ParameterType)
    # An array may hold several of the allowed values, so each of them is one string.
    item = ParameterType.STRING if kind is ParameterType.STRING_LIST else kind
    allowed, default = table.values.get("allowed", []), table.values.get("default")
    if not isinstance(allowed, list):
        raise table.error(f"must be an array, got {described(allowed)}", "allowed")
    for number, value in enumerate(allowed):
        if not item.accepts(value):
            raise table.error(f"{quoted(value)} is not a valid {item}", f"allowed[{number}]")
    if default is not None and not kind.accepts(default):
        raise table.error(f"{quoted(default)} is not a valid {kind}", "default")
    for name in ("resource_type", "same_location"):
        if name in table.values and kind is not ParameterType.RESOURCE_ID:
            raise table.error("is for a parameter of type resource_id only", name)
    return FixParameter(
        name=table.text("name", shape=_NAME, like="workspace_id"),
        type=kind,
        description=table.text("description"),
        allowed=tuple(allowed),
        default=default,
        resource_type=table.text("resource_type", "", shape=RESOURCE_TYPE, like=_TYPE_LIKE),
        same_location=bool(table.flag("same_location", default=False)),
    )


def _json(table: TomlTable) -> dict[str, Any]:
    """The table, when it holds nothing but what JSON can say: TOML also knows dates, infinity and NaN."""
    return {name: table.json_value(name) for name in table.values}
