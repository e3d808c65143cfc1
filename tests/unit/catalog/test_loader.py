"""Catalog files: what they may say, and where the error points when they say something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defender_remediate.catalog.loader import read_fixes
from defender_remediate.errors import CatalogError
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction, FixKind, FixParameter, Impact, ParameterType, Reversibility
from defender_remediate.models.live_use import LiveUse

HEAD = """
[[fix]]
key = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
title = "Sites should be safe"
resource_type = "Microsoft.Web/sites"
api_version = "2025-03-01"
"""
PATCH = HEAD + 'kind = "patch"\n'
BODY = "[fix.body.properties]\nsafe = true\n"
WHEN = '[fix.compliant_when]\npath = "properties.safe"\nequals = true\n'
WHOLE = PATCH + BODY + WHEN
NOT_APPLICABLE = '[[fix.not_applicable]]\n[fix.not_applicable.when]\npath = "properties.endpoint"\nexists = true\n'
LINUX = PATCH + 'variant = "linux"\n' + BODY + WHEN + '[fix.applies_when]\npath = "kind"\nequals = "linux"\n'
TEMPLATE = HEAD + 'kind = "template"\ntemplate = "site.json"\n'
ARM = {"$schema": "s", "contentVersion": "1.0.0.0", "parameters": {"site": {"type": "string"}}, "resources": []}
GIVEN = '[fix.template_parameters]\nsite = "${resource.name}"\n'


def lists(body: str, how: str) -> str:
    """A patch of this member ``a``, and what it says about it."""
    return PATCH + f"[fix.body]\n{body}\n" + f'[fix.lists]\na = "{how}"\n' + WHEN


def parameter(text: str) -> str:
    """A patch whose body uses ``${level}``, and these parameters."""
    return BODY.replace("true", '"${level}"') + "[[fix.parameters]]\n" + text + WHEN


LEVEL = 'name = "level"\ntype = "string"\ndescription = "How safe."\n'


def load(folder: Path, text: str, **templates: object) -> tuple[FixAction, ...]:
    """The fixes of a catalog file with this text, beside templates with these contents."""
    file = folder / "my.toml"
    file.write_text(text, encoding="utf-8")
    for name, content in templates.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_fixes(file)


def test_a_file_that_says_everything(tmp_path: Path) -> None:
    """Every key of a fix ends up where the model has it."""
    text = (
        PATCH
        + """
variant = "function-app"
policies = ["404c3081-a854-4457-ae30-26a93ef643f9"]
linked = "properties.slots[*].id"
linked_type = "Microsoft.Web/sites/slots"
target = "config/web-${resource.name}"
remove = ["properties.old", "tags['a.b']"]
control = "Encrypt data in transit"
quick_fix = false
impact = "restart"
impact_reason = "it starts again"
reversibility = "conditional"
permissions = ["Microsoft.Web/sites/config/write", "Microsoft.Web/sites/join/action"]
sources = ["we looked"]
[fix.body.properties]
origins = "${origins}"
'a.b' = ["x"]
id = "${resource.id}"
rules = [{ name = "a" }, { name = "b" }]
ends = [{ tls = "${workspace_id}" }]
[fix.lists]
"properties.origins" = "replace"
"properties['a.b']" = "union"
"properties.rules" = "by:name"
"properties.ends" = "each"
[[fix.parameters]]
name = "workspace_id"
type = "resource_id"
description = "Where to."
resource_type = "A.B/c"
same_location = true
[[fix.parameters]]
name = "origins"
type = "string_list"
description = "Who may call."
allowed = ["a", "b"]
default = ["a"]
[fix.applies_when]
path = "kind"
matches = "app.*"
"""
        + WHEN
    )
    (fix,) = load(tmp_path, text)
    assert fix == FixAction(
        key="1C5DE8E1-f68d-6a17-e0d2-ec259c42768c",
        title="Sites should be safe",
        kind=FixKind.PATCH,
        resource_type="Microsoft.Web/sites",
        api_version="2025-03-01",
        variant="function-app",
        linked="properties.slots[*].id",
        linked_type="Microsoft.Web/sites/slots",
        target="config/web-${resource.name}",
        remove=("properties.old", "tags['a.b']"),
        control="Encrypt data in transit",
        quick_fix=False,
        body={
            "properties": {
                "origins": "${origins}",
                "a.b": ["x"],
                "id": "${resource.id}",
                "rules": [{"name": "a"}, {"name": "b"}],
                "ends": [{"tls": "${workspace_id}"}],
            }
        },
        array_strategies={
            "properties.origins": "replace",
            "properties['a.b']": "union",
            "properties.rules": "by:name",
            "properties.ends": "each",
        },
        parameters=(
            FixParameter(
                name="workspace_id",
                type="resource_id",
                description="Where to.",
                resource_type="A.B/c",
                same_location=True,
            ),
            FixParameter(
                name="origins",
                type=ParameterType.STRING_LIST,
                description="Who may call.",
                allowed=("a", "b"),
                default=("a",),
            ),
        ),
        applies_when=Condition(operator=Operator.MATCHES, path="kind", value="app.*"),
        compliant_when=Condition(operator=Operator.EQUALS, path="properties.safe", value=True),
        impact=Impact.RESTART,
        impact_reason="it starts again",
        reversibility=Reversibility.CONDITIONAL,
        permissions=("Microsoft.Web/sites/config/write", "Microsoft.Web/sites/join/action"),
        policy_definition_ids=("404c3081-a854-4457-ae30-26a93ef643f9",),
        sources=("we looked",),
    )


def test_a_template_beside_the_file(tmp_path: Path) -> None:
    """A template is read from the folder of the catalog file; a parameter with a default need not be given."""
    arm = {**ARM, "parameters": {**ARM["parameters"], "size": {"type": "int", "defaultValue": 1}}}  # type: ignore[dict-item]
    (fix,) = load(tmp_path, TEMPLATE + GIVEN + WHEN, site=arm)
    assert (fix.kind, fix.template, fix.template_name) == (FixKind.TEMPLATE, arm, "site.json")
    assert fix.template_parameters == {"site": "${resource.name}"}
    assert fix.body is None


def test_a_template_needs_no_parameters(tmp_path: Path) -> None:
    """A template without a parameters object takes none."""
    arm = {name: ARM[name] for name in ("$schema", "contentVersion", "resources")}
    (fix,) = load(tmp_path, TEMPLATE + WHEN, site=arm)
    assert fix.template == arm


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('path = "a.b"\nnot_equals = 1', Condition(operator=Operator.NOT_EQUALS, path="a.b", value=1)),
        ('path = "a"\nin = ["x"]', Condition(operator=Operator.IN, path="a", value=["x"])),
        ('path = "a[0]"\nnot_in = [1]', Condition(operator=Operator.NOT_IN, path="a[0]", value=[1])),
        (
            "path = \"tags['a.b']\"\nexists = false",
            Condition(operator=Operator.EXISTS, path="tags['a.b']", value=False),
        ),
        ('path = "a"\nat_least = "TLS1_2"', Condition(operator=Operator.AT_LEAST, path="a", value="TLS1_2")),
        ('path = "a"\nat_least = 90', Condition(operator=Operator.AT_LEAST, path="a", value=90)),
        ('path = "a"\ncontains = "*"', Condition(operator=Operator.CONTAINS, path="a", value="*")),
        (
            'not = { path = "a", equals = 1 }',
            Condition(operator=Operator.NOT, of=(Condition(operator=Operator.EQUALS, path="a", value=1),)),
        ),
        (
            'all = [{ path = "a", equals = 1 }, { any = [{ path = "b", equals = 2 }] }]',
            Condition(
                operator=Operator.ALL,
                of=(
                    Condition(operator=Operator.EQUALS, path="a", value=1),
                    Condition(operator=Operator.ANY, of=(Condition(operator=Operator.EQUALS, path="b", value=2),)),
                ),
            ),
        ),
        (
            'some = { path = "a", where = { matches = ".+" } }',
            Condition(operator=Operator.SOME, path="a", of=(Condition(operator=Operator.MATCHES, value=".+"),)),
        ),
        (
            'every = { path = "a", where = { not = { path = "b", equals = 1 } } }',
            Condition(
                operator=Operator.EVERY,
                path="a",
                of=(Condition(operator=Operator.NOT, of=(Condition(operator=Operator.EQUALS, path="b", value=1),)),),
            ),
        ),
    ],
)
def test_every_kind_of_condition(tmp_path: Path, text: str, expected: Condition) -> None:
    """Each test of a condition is written as a key of its own."""
    (fix,) = load(tmp_path, PATCH + BODY + "[fix.compliant_when]\n" + text)
    assert fix.compliant_when == expected


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("", "", "contains no [[fix]]"),
        ("fix = 1", "fix", "must be an array, got an integer"),
        ("fix = [1]", "fix[0]", "expected a table, got an integer"),
        ("[[fixes]]", "fixes", "unknown key; the valid keys are fix"),
        (WHOLE + WHOLE.replace("1c5d", "1C5D"), "fix[1].key", "fix[0] has the same key and resource type"),
        (LINUX + LINUX, "fix[1].key", "fix[0] has the same key, resource type and variant"),
        (LINUX + WHOLE, "fix[1].variant", "fix[0] has the same key and resource type, so each of them has to be"),
        (WHOLE + LINUX, "fix[1].variant", "fix[0] has the same key and resource type, so each of them has to be"),
        (LINUX.split("[fix.applies_when]")[0], "fix[0].applies_when", "is missing: a variant says where it applies"),
        (LINUX.replace('"linux"', '"Linux!"'), "fix[0].variant", "must look like linux or function-app"),
        (PATCH + 'linked = "a[*].id"\n' + BODY + WHEN, "fix[0].linked_type", "is missing"),
        (PATCH + 'linked = "a[0].id"\nlinked_type = "A.B/c"\n' + BODY + WHEN, "fix[0].linked", "must look like prop"),
        (PATCH + 'linked_type = "A.B/c"\n' + BODY + WHEN, "fix[0].linked", "is missing: the fix has a linked_type"),
        (
            PATCH
            + 'linked = "a"\nlinked_type = "A.B/c"\ntarget = "/subscriptions/${resource.subscription}/x"\n'
            + BODY
            + WHEN,
            "fix[0].target",
            "is a whole id, so the link leads nowhere",
        ),
        (PATCH + 'target = "/subscriptions/x/y"\n' + BODY + WHEN, "fix[0].target", "no fix leaves the subscription"),
        (PATCH + 'remove = ["a[0]"]\n' + BODY + WHEN, "fix[0].remove[0]", "must look like a path such as"),
        (PATCH + 'remove = ["x", "Properties"]\n' + BODY + WHEN, "fix[0].remove[1]", "Properties is also in the body"),
        (PATCH + 'remove = ["properties.safe.x"]\n' + BODY + WHEN, "fix[0].remove[0]", "is also in the body"),
        (PATCH + 'quick_fix = "yes"\n' + BODY + WHEN, "fix[0].quick_fix", "must be true or false, got a string"),
        (PATCH + 'control = " "\n' + BODY + WHEN, "fix[0].control", "must not be empty"),
        (TEMPLATE + 'remove = ["a"]\n' + GIVEN + WHEN, "fix[0].remove", "a fix of kind template has none"),
        (
            TEMPLATE + 'linked = "a"\nlinked_type = "A.B/c"\n' + GIVEN + WHEN,
            "fix[0].linked",
            "a fix of kind template has none",
        ),
        (lists("a = [{ b = 1 }]", "by:"), "fix[0].lists.a", "'by:' is not one of union, replace, each, by:<member>"),
        (lists("a = [{ b = 1 }]", "union:b"), "fix[0].lists.a", "'union:b' is not one of"),
        (lists("a = [{ b = 1 }, 2]", "by:b"), "fix[0].lists.a", "an array of tables with the key 'b' there"),
        (lists("a = [{ b = 1 }, { c = 1 }]", "by:b"), "fix[0].lists.a", "an array of tables with the key 'b' there"),
        (lists('a = "${resource.id}"', "by:b"), "fix[0].lists.a", "an array of tables with the key 'b' there"),
        (lists("a = [{ b = 1 }, { b = 2 }]", "each"), "fix[0].lists.a", "an array of one table there"),
        (lists("a = [1]", "each"), "fix[0].lists.a", "an array of one table there"),
        (lists('a = "x"', "each"), "fix[0].lists.a", "an array of one table there"),
        (WHOLE.replace("title", "titel"), "fix[0].titel", "unknown key"),
        (
            WHOLE.replace("key =", "sources =").replace('"1c', '["1c').replace('68c"', '68c"]'),
            "fix[0].key",
            "is missing",
        ),
        (WHOLE.replace('"Sites should be safe"', '" "'), "fix[0].title", "must not be empty"),
        (WHOLE.replace('"Sites should be safe"', "true"), "fix[0].title", "must be a string, got true or false"),
        (WHOLE.replace('"Sites should be safe"', "2020-01-01"), "fix[0].title", "must be a string, got a date"),
        (WHOLE.replace('"patch"', '"post"'), "fix[0].kind", "'post' is not one of patch, put, template"),
        (WHOLE.replace("Microsoft.Web/sites", "sites"), "fix[0].resource_type", "must look like Microsoft.Storage/"),
        (WHOLE.replace("2025-03-01", "latest"), "fix[0].api_version", "must look like 2023-05-01"),
        (PATCH + 'target = "/config"\n' + BODY + WHEN, "fix[0].target", "has to begin with /subscriptions/${resource."),
        (PATCH + 'target = "a/../x"\n' + BODY + WHEN, "fix[0].target", "must look like config/web"),
        (PATCH + 'target = "a?b=c"\n' + BODY + WHEN, "fix[0].target", "must look like config/web"),
        (PATCH + 'target = "a/${b}"\n' + BODY + WHEN, "fix[0].target", "${b} is not a parameter of the fix"),
        (PATCH + 'impact = "huge"\n' + BODY + WHEN, "fix[0].impact", "'huge' is not one of none, connectivity"),
        (PATCH + 'reversibility = "yes"\n' + BODY + WHEN, "fix[0].reversibility", "'yes' is not one of exact"),
        (PATCH + 'permissions = ["all"]\n' + BODY + WHEN, "fix[0].permissions[0]", "'all' must look like"),
        (PATCH + 'policies = ["/x/y"]\n' + BODY + WHEN, "fix[0].policies[0]", "the bare name of a policy"),
        (PATCH + "sources = [1]\n" + BODY + WHEN, "fix[0].sources[0]", "must be a string that is not empty"),
        (PATCH + 'sources = "x"\n' + BODY + WHEN, "fix[0].sources", "must be an array, got a string"),
        (PATCH + WHEN, "fix[0].body", "is missing: a fix of kind patch says what is written"),
        (PATCH + "[fix.body]\n" + WHEN, "fix[0].body", "is missing"),
        (PATCH + "body = 1\n" + WHEN, "fix[0].body", "expected a table"),
        (PATCH + "[fix.body]\na = [{ b = nan }]\n" + WHEN, "fix[0].body.a[0].b", "not finite"),
        (PATCH + "[fix.body]\na = [-inf]\n" + WHEN, "fix[0].body.a[0]", "not finite"),
        (PATCH + "[fix.body]\na = 2020-01-01\n" + WHEN, "fix[0].body.a", "a JSON value, got a date"),
        (PATCH + BODY, "fix[0].compliant_when", "is missing"),
        (TEMPLATE + BODY + GIVEN + WHEN, "fix[0].body", "a fix of kind template has none"),
        (HEAD + 'kind = "template"\n' + WHEN, "fix[0].template", "is missing: a fix of kind template deploys one"),
        (PATCH + 'template = "site.json"\n' + BODY + GIVEN + WHEN, "fix[0].template", "a fix of kind patch has none"),
        (PATCH + BODY + GIVEN + WHEN, "fix[0].template_parameters", "a fix of kind patch has none"),
        (WHOLE + "[[fix.not_applicable]]\nreason = 'r'\n", "fix[0].not_applicable[0].when", "is missing"),
        (WHOLE + NOT_APPLICABLE, "fix[0].not_applicable[0].reason", "is missing"),
        (
            HEAD + 'kind = "put"\nsend_whole = ["properties"]\n' + BODY + WHEN,
            "fix[0].send_whole",
            "is for a fix of kind patch; a fix of kind put sends everything",
        ),
        (
            PATCH + 'leave_out = [{ path = "properties.x" }]\n' + BODY + WHEN,
            "fix[0].leave_out",
            "is for a fix of kind put; a fix of kind patch sends what it names only",
        ),
        (
            PATCH + 'leave_out = [{ path = "a..b" }]\n' + BODY + WHEN,
            "fix[0].leave_out[0].path",
            "must look like a path",
        ),
        (TEMPLATE + WHEN, "fix[0].template_parameters.site", "is missing: the template needs it"),
        (TEMPLATE + GIVEN + "more = 1\n" + WHEN, "fix[0].template_parameters.more", "no such parameter"),
        (
            PATCH + 'lists = { x = "mix" }\n' + BODY + WHEN,
            "fix[0].lists.x",
            "'mix' is not one of union, replace, each, by:<member>",
        ),
        (
            WHOLE + '[fix.lists]\n"properties.safe" = "union"',
            "fix[0].lists.properties.safe",
            "names neither an array nor a string of the body",
        ),
        (
            WHOLE + '[fix.lists]\nproperties.safe = "union"',
            "fix[0].lists.properties",
            "put the whole path in quotes",
        ),
        (WHOLE.replace("[[fix]]", "[fix]"), "fix", "must be an array of tables, so write [[fix]]"),
        (
            WHOLE + '[fix.parameters]\nname = "a"',
            "fix[0].parameters",
            "must be an array of tables, so write [[fix.parameters]]",
        ),
    ],
)
def test_a_fix_of_another_form(tmp_path: Path, text: str, path: str, message: str) -> None:
    """The error names the file, the key path and what was expected there."""
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, text, site=ARM)
    assert caught.value.source == str(tmp_path / "my.toml")
    assert caught.value.path == path
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (LEVEL + "allow = []\n", "fix[0].parameters[0].allow", "unknown key"),
        (LEVEL.replace("level", "Level!"), "fix[0].parameters[0].name", "must look like workspace_id"),
        (LEVEL.replace('"string"', '"date"'), "fix[0].parameters[0].type", "'date' is not one of string, integer"),
        (LEVEL + "default = 1\n", "fix[0].parameters[0].default", "1 is not a valid string"),
        (LEVEL + 'default = " "\n', "fix[0].parameters[0].default", "is not a valid string"),
        (LEVEL + "allowed = 1\n", "fix[0].parameters[0].allowed", "must be an array"),
        (LEVEL + 'allowed = ["a", 1]\n', "fix[0].parameters[0].allowed[1]", "1 is not a valid string"),
        (LEVEL + 'allowed = ["a"]\ndefault = "b"\n', "fix[0].parameters[0].default", "'b' is not one of the allowed"),
        (LEVEL + 'resource_type = "A.B/c"\n', "fix[0].parameters[0].resource_type", "type resource_id only"),
        (LEVEL + "same_location = true\n", "fix[0].parameters[0].same_location", "type resource_id only"),
        (
            LEVEL.replace("string", "integer") + "default = true\n",
            "fix[0].parameters[0].default",
            "True is not a valid integer",
        ),
        (
            LEVEL.replace("string", "boolean") + "default = 1\n",
            "fix[0].parameters[0].default",
            "1 is not a valid boolean",
        ),
        (
            LEVEL.replace("string", "guid") + 'default = "x"\n',
            "fix[0].parameters[0].default",
            "'x' is not a valid guid",
        ),
        (
            LEVEL.replace("string", "resource_id") + 'default = "x"\n',
            "fix[0].parameters[0].default",
            "not a valid resource_id",
        ),
        (
            LEVEL.replace("string", "string_list") + "default = [1]\n",
            "fix[0].parameters[0].default",
            "not a valid string_list",
        ),
        (LEVEL + "[[fix.parameters]]\n" + LEVEL, "fix[0].parameters[1].name", "there is another parameter 'level'"),
        (
            LEVEL.replace("level", "depth"),
            "fix[0].body.properties.safe",
            "${level} is not a parameter of the fix; known",
        ),
        (
            LEVEL + "[[fix.parameters]]\n" + LEVEL.replace("level", "depth"),
            "fix[0].parameters[1].name",
            "nothing in the fix uses ${depth}",
        ),
    ],
)
def test_a_parameter_of_another_form(tmp_path: Path, text: str, path: str, message: str) -> None:
    """A parameter that could not be asked for, checked or used is refused."""
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, PATCH + parameter(text))
    assert caught.value.path == path
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("string", '"a"'),
        ("integer", "3"),
        ("boolean", "false"),
        ("string_list", '["a"]'),
        ("guid", '"00000000-0000-0000-0000-000000000000"'),
        (
            "resource_id",
            '"/subscriptions/00000000-0000-0000-0000-000000000000"\nresource_type = "Microsoft.Resources/subscriptions"',
        ),
    ],
)
def test_a_default_of_each_type(tmp_path: Path, kind: str, default: str) -> None:
    """A parameter with a default need not be given."""
    (fix,) = load(tmp_path, PATCH + parameter(LEVEL.replace("string", kind) + f"default = {default}\n"))
    assert not fix.parameters[0].is_required


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ('path = "a"', "", "exactly one operator, got none"),
        ('path = "a"\nequals = 1\nexists = true', "", "exactly one operator, got equals, exists"),
        ('path = "a"\nequal = 1', ".equal", "unknown key"),
        ("equals = 1", ".path", "is missing"),
        ('path = "a..b"\nequals = 1', ".path", "must look like a path"),
        ('path = "a"\nin = []', ".in", "must be an array that is not empty"),
        ('path = "a"\nnot_in = "x"', ".not_in", "must be an array that is not empty"),
        ('path = "a"\nexists = "yes"', ".exists", "must be true or false, got a string"),
        ('path = "a"\nat_least = true', ".at_least", "must be a number or a version"),
        ('path = "a"\nat_least = [1]', ".at_least", "must be a number or a version, got an array"),
        ('path = "a"\nmatches = "("', ".matches", "'(' is not a valid regular expression"),
        ('path = "a"\nmatches = "' + "(" * 5000 + '"', ".matches", "is not a valid regular expression"),
        ('path = "a"\nmatches = "a{99999999999999999999}"', ".matches", "is not a valid regular expression"),
        ('path = "a"\nequals = 07:32:00', ".equals", "a JSON value, got a time"),
        ('path = "a"\nin = [[nan]]', ".in[0][0]", "a JSON value"),
        ('path = "a"\nmatches = 1', ".matches", "must be a regular expression, got an integer"),
        ('path = "a"\nall = [{ path = "a", equals = 1 }]', ".path", "must be inside 'all', not next to it"),
        ("all = []", ".all", "must contain at least one condition"),
        ("any = [{ equals = 1 }]", ".any[0].path", "is missing"),
        ("not = 1", ".not", "expected a table"),
        ('not = { path = "a" }', ".not", "exactly one operator"),
        ('some = { path = "a" }', ".some.where", "is missing"),
        ('some = { where = { path = "a", equals = 1 } }', ".some.path", "is missing"),
        ('every = { path = "a", where = { path = "[", equals = 1 } }', ".every.where.path", "must look like a path"),
        ('some = { path = "a", equals = 1 }', ".some.equals", "unknown key; the valid keys are path, where"),
        ('path = "a"\nequals = "${x"', "", "${x} is not a parameter"),
        ('path = "a"\nmatches = "${resource.name}"', "", "takes no placeholder"),
        ('path = "a"\nin = ["x", "${resource.nam}"]', "", "${resource.nam} is not a parameter of the fix"),
    ],
)
def test_a_condition_of_another_form(tmp_path: Path, text: str, path: str, message: str) -> None:
    """A condition that could not be judged is refused where it stands."""
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, PATCH + BODY + "[fix.compliant_when]\n" + text)
    assert caught.value.path == "fix[0].compliant_when" + path
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('safe = "x ${nothing} y"', "fix[0].body.properties.safe"),
        ('safe = "${resource.tags}"', "fix[0].body.properties.safe"),
        ('safe = ["${nothing"]', "fix[0].body.properties.safe[0]"),
        ("'${resource.name}' = 1", "fix[0].body.properties['${resource.name}']"),
    ],
)
def test_a_placeholder_that_nothing_fills(tmp_path: Path, body: str, path: str) -> None:
    """A placeholder that is misspelt would reach Azure as text, so it is refused."""
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, PATCH + "[fix.body.properties]\n" + body + "\n" + WHEN)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("site.json", "[1]", "is not an ARM template: not a JSON object"),
        ("site.json", "{", "is not JSON"),
        ("site.json", "{}", "is not an ARM template: it has no $schema"),
        ("other.json", "{}", "'other.json' cannot be read: No such file"),
        ("../site.json", "{}", "'../site.json' is outside the folder of the catalog file"),
        ("/etc/hostname", "{}", "'/etc/hostname' is outside the folder of the catalog file"),
    ],
)
def test_a_template_that_cannot_be_used(tmp_path: Path, name: str, content: str, message: str) -> None:
    """A template has to be there, be one, and be within the folder of the catalog file."""
    text = TEMPLATE.replace("site.json", name) + GIVEN + WHEN
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, text, site=content)
    assert caught.value.path == "fix[0].template"
    assert message in str(caught.value)


def test_a_template_through_a_link(tmp_path: Path) -> None:
    """A link that leads out of the folder is no way around it."""
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(ARM))
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "site.json").symlink_to(outside)
    with pytest.raises(CatalogError, match="is outside the folder"):
        load(folder, TEMPLATE + GIVEN + WHEN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "is not UTF-8"),
        (b"[[fix]", "is not TOML"),
        (b"a = 1\na = 2", "is not TOML"),
        (b"a = " + b"[" * 50_000, "is not TOML.*nested"),
        (b"a = " + b"[" * 200 + b"]" * 200, "is not TOML.*nested"),
        (b"a = " + b"9" * 5000, "is not TOML"),
    ],
)
def test_a_file_that_is_no_catalog(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever the file holds, the error is a CatalogError that names it."""
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(CatalogError, match=message) as caught:
        read_fixes(str(file))
    assert caught.value.source == str(file)


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Some editors on Windows put one in front; it says nothing."""
    file = tmp_path / "my.toml"
    file.write_text(WHOLE, encoding="utf-8-sig")
    assert len(read_fixes(file)) == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, or a folder in its place, is told apart from a bad one."""
    with pytest.raises(CatalogError, match=r"none\.toml: cannot be read: No such file"):
        read_fixes(tmp_path / "none.toml")
    with pytest.raises(CatalogError, match="cannot be read"):
        read_fixes(tmp_path)
    with pytest.raises(CatalogError, match="cannot be read"):
        read_fixes("a path with a null\0.toml")


def test_a_removal_needs_no_body(tmp_path: Path) -> None:
    """A fix may do nothing but take out what must not be there."""
    text = PATCH + 'remove = ["properties.key"]\n' + WHEN.replace("equals = true", "exists = false")
    (fix,) = load(tmp_path, text)
    assert (fix.body, fix.remove) == (None, ("properties.key",))
    assert str(fix).endswith("PATCH Microsoft.Web/sites without properties.key")


def test_a_condition_may_name_what_it_compares_with(tmp_path: Path) -> None:
    """A parameter that only the condition uses is used."""
    when = '[fix.compliant_when]\nsome = { path = "a", where = { path = "id", equals = "${level}" } }\n'
    (fix,) = load(tmp_path, PATCH + BODY + "[[fix.parameters]]\n" + LEVEL + when)
    assert [part.value for part in fix.compliant_when.parts()] == [None, "${level}"]
    text = PATCH + BODY + WHEN + '[fix.applies_when]\npath = "name"\nequals = "${resource.name}"\n'
    with pytest.raises(CatalogError, match="takes no placeholder"):
        load(tmp_path, text)


def test_a_whole_id_and_variants(tmp_path: Path) -> None:
    """A fix that writes elsewhere says so, and variants come in their order."""
    target = "/subscriptions/${resource.subscription}/providers/A.B/locations/${resource.location}"
    linux = LINUX.replace("[fix.body", f'target = "{target}"\n[fix.body', 1)
    first, second = load(tmp_path, linux + LINUX.replace("linux", "windows"))
    assert (first.variant, second.variant) == ("linux", "windows")
    assert first.is_elsewhere
    assert not second.is_elsewhere
    assert str(first).startswith(f"Sites should be safe (linux): PATCH {target} ")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("", "has either metrics, or none with the reason"),
        ('metrics = ["Requests"]\nnone = "no metric"', "has either metrics, or none with the reason"),
        ('none = "no metric"\nproof = "Size"', "is for metrics, and there are none"),
        ('metrics = ["Requests"]\ndimension = "Kind"', "needs values or keeps"),
        ('metrics = ["Requests"]\nvalues = ["a"]', "needs values or keeps"),
        ('metrics = ["Requests"]\ndimension = "Kind"\nvalues = ["a"]\nkeeps = ["b"]', "says the same as values"),
        ('metrics = ["1x"]', "must look like the name of a metric"),
        ('metrics = ["Requests"]\naggregation = "sum"', "is not one of total, count, maximum, average"),
        ('metrics = ["Requests"]\nmetric = "x"', "unknown key"),
    ],
)
def test_a_metric_of_live_use_is_complete(tmp_path: Path, lines: str, problem: str) -> None:
    """A typing error must not become a fix that seems to have no users."""
    with pytest.raises(CatalogError, match=problem):
        load(tmp_path, PATCH + f"[fix.live_use]\n{lines}\n" + BODY + WHEN)


def test_a_metric_of_live_use_is_read(tmp_path: Path) -> None:
    """With its dimension, and the metric that proves that data arrives."""
    lines = 'metrics = ["Requests"]\ndimension = "Kind"\nkeeps = ["b"]\nbelow = "databases"\nproof = "Size"\nlogs = "L"'
    (fix,) = load(tmp_path, PATCH + f"[fix.live_use]\n{lines}\n" + BODY + WHEN)
    expected = LiveUse(metrics=("Requests",), dimension="Kind", keeps=("b",), below="databases", proof="Size", logs="L")
    assert fix.live_use == expected
