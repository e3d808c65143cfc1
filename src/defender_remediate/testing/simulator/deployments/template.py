"""ARM templates: the resources that a template with its parameters describes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from defender_remediate.arm_template import (
    DeferredParameter,
    ParameterNotFoundError,
    TemplateError,
    TemplateScope,
    UnresolvedError,
    copied,
    evaluate,
    is_expression,
    iterations,
    join_resource_id,
)
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.deployments.functions import FUNCTIONS
from defender_remediate.testing.simulator.deployments.implicit import references_in
from defender_remediate.testing.simulator.deployments.order import (
    Contents,
    Declared,
    NestedDeployment,
    Reads,
    TemplateReader,
    in_order,
)
from defender_remediate.testing.simulator.deployments.template_form import NESTED, check_kinds
from defender_remediate.testing.simulator.state import ids

_TOP = frozenset(
    [
        "$schema",
        "contentVersion",
        "languageVersion",
        "metadata",
        "parameters",
        "variables",
        "resources",
        "outputs",
        "apiProfile",
        "functions",
        "definitions",
        "imports",
        "extensions",
    ]
)
_RESOURCE = frozenset(
    [
        "type",
        "apiVersion",
        "name",
        "location",
        "tags",
        "properties",
        "sku",
        "kind",
        "identity",
        "zones",
        "plan",
        "scope",
        "dependsOn",
        "condition",
        "copy",
        "existing",
        "comments",
        "resources",
        "metadata",
        "resourceGroup",
        "subscriptionId",
        "extendedLocation",
        "managedBy",
        "id",
        "eTag",
        "etag",
        "placement",
        "scale",
        "systemData",
    ]
)
_BODY = ("location", "tags", "properties", "sku", "kind", "identity", "zones", "plan", "extendedLocation", "managedBy")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "securestring": (str,),
    "int": (int,),
    "bool": (bool,),
    "object": (dict,),
    "secureobject": (dict,),
    "array": (list,),
}


@attrs.frozen(kw_only=True)
class Described:
    """A resource that a template describes.

    Attributes:
        body: Its body before the deployment: expressions that read resources are left as they are written.
        raw, scope, contents: What ``resolved`` evaluates during the deployment.
    """

    id: str
    type: str
    api_version: str
    body: dict[str, Any]
    raw: Mapping[str, Any] = attrs.field(repr=False)
    scope: TemplateScope = attrs.field(repr=False)
    contents: Contents = attrs.field(repr=False)

    def resolved(self, read: Reads) -> dict[str, Any]:
        """Returns the body with the values of the resources that it refers to.

        Raises:
            TemplateError: It refers to something that does not exist.
        """
        return _body(
            self.raw, attrs.evolve(self.scope, read=TemplateReader(read, self.contents), keeps_unresolved=False)
        )


def _body(raw: Mapping[str, Any], scope: TemplateScope) -> dict[str, Any]:
    return {name: evaluate(raw[name], scope) for name in _BODY if name in raw}


def outputs(template: Mapping[str, Any], scope: TemplateScope) -> dict[str, Any]:
    """The outputs of a template.

    Raises:
        TemplateError: One of them cannot be worked out.
    """
    found = {}
    for name, raw in (template.get("outputs") or {}).items():
        if not evaluate(raw.get("condition", True), scope):
            continue
        value = evaluate(raw.get("value"), scope)
        if "copy" in raw:
            turns = iterations(name, raw["copy"].get("count"), scope)
            value = [evaluate(raw["copy"].get("input"), inner) for inner in turns]
        _check_output(name, raw, value)
        found[name] = {"type": str(raw.get("type", "string")).capitalize(), "value": value}
    return found


def _check_output(name: str, rules: Mapping[str, Any], value: Any) -> None:
    """Refuses a value of another type; an expression that reads resources has no value yet."""
    types = _TYPES.get(fold(str(rules.get("type", ""))))
    if types is None or is_expression(value) or (value is None and rules.get("nullable")):
        return
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TemplateError(f"the template output '{name}' is not valid: expected a value of type '{rules['type']}'")


def opened(template: Any, given: Mapping[str, Any], scope: TemplateScope) -> TemplateScope:
    """The scope with the template's parameters and variables.

    Raises:
        TemplateError: The template or a parameter is not what it should be.
    """
    if not isinstance(template, Mapping):
        raise TemplateError("the template is not an object")
    for name in ("$schema", "contentVersion", "resources"):
        if name not in template:
            raise TemplateError(f"required property '{name}' not found in JSON")
    unknown_names = sorted(set(template) - _TOP)
    if unknown_names:
        raise TemplateError(f"could not find member '{unknown_names[0]}' on object of type 'Template'")
    check_kinds(template)
    known = {
        fold(f"{group.get('namespace')}.{name}"): definition
        for group in template.get("functions") or ()
        for name, definition in (group.get("members") or {}).items()
    }
    scope = attrs.evolve(scope, functions={**FUNCTIONS, **scope.functions}, user_functions=known)
    within = attrs.evolve(scope, parameters=_parameters(template, given, scope))
    variables = dict(template.get("variables") or {})
    loops = variables.pop("copy", [])
    within = attrs.evolve(within, variables=variables)
    return attrs.evolve(within, variables={**variables, **copied(loops, within)})


def _parameters(template: Mapping[str, Any], given: Mapping[str, Any], scope: TemplateScope) -> dict[str, Any]:
    declared: Mapping[str, Any] = template.get("parameters") or {}
    values = {fold(name): raw for name, raw in given.items()}
    unknown_names = sorted(set(values) - {fold(name) for name in declared})
    if unknown_names:
        raise TemplateError(
            f"the following parameters were supplied, but do not correspond to any parameters defined in the template: "
            f"'{unknown_names[0]}'"
        )
    found: dict[str, Any] = {}
    waiting = dict(declared)
    while waiting:  # a default may refer to a parameter that is declared later
        late: dict[str, Any] = {}
        for name, stated in waiting.items():
            rules = _definition(template, stated)
            try:
                found[name] = _value(name, rules, values.get(fold(name)), attrs.evolve(scope, parameters=dict(found)))
            except ParameterNotFoundError:
                if len(late) + 1 == len(waiting):
                    raise
                late[name] = stated
        waiting = late
    return found


def _value(name: str, rules: Mapping[str, Any], raw: Any, scope: TemplateScope) -> Any:
    """Returns the value of a parameter: the given one, or its default, which also stands for a null."""
    if raw is not None and (not isinstance(raw, Mapping) or "value" not in raw):
        raise TemplateError(f"the parameter '{name}' has no 'value': references are not simulated")
    if raw is not None and raw["value"] is None and "defaultValue" in rules:
        raw = None
    if rules.get("nullable") and (raw["value"] if raw is not None else rules.get("defaultValue")) is None:
        return None
    if raw is None and "defaultValue" not in rules:
        raise TemplateError(f"the value for the template parameter '{name}' is not provided")
    if raw is None:
        try:
            value = evaluate(rules["defaultValue"], attrs.evolve(scope, keeps_unresolved=False))
        except UnresolvedError:
            return DeferredParameter(partial(_late_default, name, rules, scope))
    else:
        value = raw["value"]
    if not isinstance(value, DeferredParameter):
        _check_parameter(name, rules, value)
    return value


def _late_default(name: str, rules: Mapping[str, Any], scope: TemplateScope, read: Any) -> Any:
    value = evaluate(rules["defaultValue"], attrs.evolve(scope, read=read, keeps_unresolved=False))
    _check_parameter(name, rules, value)
    return value


def _definition(template: Mapping[str, Any], rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rules of a parameter, with those of the user-defined types that it refers to."""
    followed = set()
    while "$ref" in rules and rules["$ref"] not in followed:
        followed.add(rules["$ref"])
        name = str(rules["$ref"]).rpartition("/")[2]
        definitions = template.get("definitions") or {}
        if name not in definitions:
            raise TemplateError(f"the type definition '{rules['$ref']}' is not found")
        rules = {**definitions[name], **{key: value for key, value in rules.items() if key != "$ref"}}
    return rules


def _check_parameter(name: str, rules: Mapping[str, Any], value: Any) -> None:
    types = _TYPES.get(fold(str(rules.get("type", ""))))
    if types is None:
        raise TemplateError(f"the parameter '{name}' has the unknown type '{rules.get('type')}'")
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TemplateError(f"template parameter '{name}' was provided an invalid value: expected '{rules['type']}'")
    if "allowedValues" in rules and not _is_allowed(value, rules["allowedValues"]):
        raise TemplateError(f"the provided value for the template parameter '{name}' is not valid")
    if isinstance(value, (str, list)) and len(value) < int(rules.get("minLength", 0)):
        raise TemplateError(f"the provided value for the template parameter '{name}' is too short")
    if isinstance(value, (str, list)) and len(value) > int(rules.get("maxLength", len(value))):
        raise TemplateError(f"the provided value for the template parameter '{name}' is too long")
    if type(value) is int and not rules.get("minValue", value) <= value <= rules.get("maxValue", value):
        raise TemplateError(f"the provided value for the template parameter '{name}' is out of range")


def _is_allowed(value: Any, allowed: list[Any]) -> bool:
    """Whether a value is one of those allowed; of a list each item may be."""
    return value in allowed or (isinstance(value, list) and all(item in allowed for item in value))


def described(
    template: Mapping[str, Any],
    scope: TemplateScope,
    contents: Contents | None = None,
    *,
    named: Contents | None = None,
) -> Iterator[Described]:
    """The resources of a template, children and nested deployments included, each after those that it depends on.

    Args:
        template: The template.
        scope: What its expressions can refer to.
        contents: Is filled with what the template defines.
        named: The template whose resources the expressions name; this one by default.

    Raises:
        TemplateError: One of them cannot be worked out, is defined twice, or depends on what is not there.
    """
    listed = template["resources"]
    pairs = [(None, raw) for raw in listed] if isinstance(listed, list) else list(listed.items())
    contents = Contents() if contents is None else contents
    reads = contents if named is None else named
    found = [one for symbol, raw in pairs for one in _turns(raw, scope, reads, None, symbol)]
    contents.declared += [declared for declared, _ in found]
    for place in in_order(contents.declared):
        yield from found[place][1]


_Found = tuple[Declared, list["Described"]]


def _turns(
    raw: Mapping[str, Any], scope: TemplateScope, contents: Contents, parent: str | None, symbol: str | None = None
) -> Iterator[_Found]:
    """What a resource of a template stands for: itself, or each turn of its copy loop; and its children."""
    loop = raw.get("copy")
    if loop is None:
        yield from _resource(raw, scope, contents, parent, None, symbol)
        return
    if not isinstance(loop, Mapping) or not {"name", "count"} <= set(loop):
        raise TemplateError("a copy loop needs 'name' and 'count'")
    name = str(evaluate(loop["name"], scope))
    turns = iterations(name, loop["count"], scope)
    if not turns:  # others may still depend on the loop
        place = f"{scope.id}/providers/{raw.get('type')}/{symbol or name}"
        yield Declared(id=place, copy=name, symbol=symbol, is_left_out=True), []
    for inner in turns:
        yield from _resource(raw, inner, contents, parent, name, symbol)


def _resource(
    raw: Mapping[str, Any],
    scope: TemplateScope,
    contents: Contents,
    parent: str | None,
    copy: str | None,
    symbol: str | None,
) -> Iterator[_Found]:
    unknown_names = sorted(set(raw) - _RESOURCE)
    if unknown_names:
        raise TemplateError(f"could not find member '{unknown_names[0]}' on object of type 'TemplateResource'")
    for name in ("type", "name", "apiVersion"):
        if name not in raw:
            raise TemplateError(f"required property '{name}' not found in JSON of a resource")
    type_name = str(raw["type"])
    condition = evaluate(raw.get("condition", True), scope)
    if not isinstance(condition, bool):
        raise TemplateError(f"the condition of the resource of type '{type_name}' is not a boolean")
    is_left_out = not condition or bool(raw.get("existing"))
    try:
        resource_id = _id(raw, scope, parent)
    except TemplateError:
        if not is_left_out:
            raise
        # Its place may depend on what is left out, too; others may still name it.
        resource_id = f"{scope.id}/providers/{type_name}/{symbol or raw['name']}"
    target = ids.path_of(resource_id)
    if not is_left_out and (target is None or target.is_collection):
        raise TemplateError(f"'{resource_id}' is not the id of a resource")
    depends_on = tuple(str(evaluate(one, scope)) for one in raw.get("dependsOn") or ())
    is_nested = fold(type_name) == NESTED
    own = _outside(raw.get("properties") or {}) if is_nested else {name: raw[name] for name in _BODY if name in raw}
    declared = Declared(
        id=resource_id,
        copy=copy,
        symbol=symbol,
        depends_on=depends_on,
        refers_to=() if is_left_out else references_in(own, scope),
        is_left_out=is_left_out,
    )
    if is_left_out:
        yield declared, []
        return
    if is_nested:
        yield declared, _nested(raw, scope, contents, resource_id)
        return
    assert target is not None  # it is not left out
    here = Described(
        id=resource_id,
        type=target.type,
        api_version=str(evaluate(raw["apiVersion"], scope)),
        body=_body(raw, attrs.evolve(scope, keeps_unresolved=True)),
        raw=raw,
        scope=scope,
        contents=contents,
    )
    yield declared, [here]
    for child in raw.get("resources") or ():
        yield from _turns(child, scope, contents, resource_id)


def _id(raw: Mapping[str, Any], scope: TemplateScope, parent: str | None) -> str:
    """Returns the id of a resource. A child has a type and a name below its parent, or whole ones."""
    type_name, names = str(raw["type"]), str(evaluate(raw["name"], scope)).split("/")
    above = None if parent is None else ids.path_of(parent)
    if above is None or "." not in type_name.partition("/")[0]:
        if parent is None:
            return f"{_base(raw, scope)}/providers/{join_resource_id(type_name, names)}"
        return "/".join((parent, *(part for pair in zip(type_name.split("/"), names, strict=False) for part in pair)))
    missing = type_name.count("/") - len(names)
    if fold(type_name).startswith(f"{fold(above.type)}/"):
        names = [*above.names[:missing], *names]
    return f"{_base(raw, scope)}/providers/{join_resource_id(type_name, names)}"


def _outside(properties: Mapping[str, Any]) -> Any:
    """What the expressions of a nested deployment read from the template around it: inside an inner scope they cannot."""
    options = properties.get("expressionEvaluationOptions") or {}
    is_inner = fold(str(options.get("scope", "outer"))) == "inner"
    return properties.get("parameters") if is_inner else properties


def _base(raw: Mapping[str, Any], scope: TemplateScope) -> str:
    if "scope" not in raw:
        return scope.id
    owner = str(evaluate(raw["scope"], scope))
    return owner if owner.startswith("/") else f"{scope.id}/providers/{owner}"


def _given(raw: Any, scope: TemplateScope, contents: Contents) -> Any:
    """Returns what a nested deployment is given for a parameter; what reads resources of the template around it waits for these."""
    try:
        return evaluate(raw, scope)
    except UnresolvedError:
        held = raw.get("value") if isinstance(raw, Mapping) else raw

    def resolve(read: Callable[[str, list[Any]], Any]) -> Any:
        if not isinstance(read, TemplateReader):
            raise UnresolvedError("the parameter depends on the template around it")
        return evaluate(held, attrs.evolve(scope, read=TemplateReader(read.read, contents), keeps_unresolved=False))

    return {"value": DeferredParameter(resolve)}


def _nested(raw: Mapping[str, Any], scope: TemplateScope, contents: Contents, deployment_id: str) -> list[Described]:
    subscription = str(evaluate(raw.get("subscriptionId", scope.subscription_id), scope))
    group = evaluate(raw.get("resourceGroup", scope.resource_group), scope)
    properties = raw.get("properties") or {}
    template: Any = properties.get("template")
    options = properties.get("expressionEvaluationOptions") or {}
    name = str(evaluate(raw["name"], scope))
    base = scope.base if not subscription else None
    is_own = False
    within = attrs.evolve(scope, subscription_id=subscription, resource_group=group, deployment=name, base=base)
    if fold(str(options.get("scope", "outer"))) == "inner":
        given = {name: _given(raw, scope, contents) for name, raw in (properties.get("parameters") or {}).items()}
        within = opened(template, given, attrs.evolve(within, parameters={}, variables={}))
        is_own = True
    elif not isinstance(template, Mapping) or "resources" not in template:
        raise TemplateError("a nested deployment has no template")
    inside = Contents()
    reads = inside if is_own else contents

    def results(read: Reads) -> dict[str, Any]:
        return outputs(template, attrs.evolve(within, read=TemplateReader(read, reads), keeps_unresolved=False))

    contents.outputs[ids.key(deployment_id)] = results
    before = len(contents.nested)
    found = list(described(template, within, inside, named=reads))
    contents.nested += inside.nested
    entry = NestedDeployment(
        id=f"{within.id}/providers/Microsoft.Resources/deployments/{name}",
        base=within.id,
        mode=str(evaluate(properties.get("mode", "Incremental"), scope)),
        template=template,
        parameters=properties.get("parameters") or {},
        resource_ids=tuple(one.id for one in found),
        below=tuple(one.id for one in contents.nested[before:]),
        results=results,
    )
    contents.nested.append(entry)
    return found
