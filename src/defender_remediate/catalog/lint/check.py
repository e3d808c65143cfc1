"""All proofs, over any fixes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from defender_remediate.catalog.lint import form, permissions, strictness, templates, writing
from defender_remediate.catalog.lint.bodies import Subject, Trial, subject
from defender_remediate.catalog.lint.problem import CatalogProblem, Law, Objection
from defender_remediate.catalog.loader import read_fixes
from defender_remediate.errors import CatalogError
from defender_remediate.models.fix import FixAction, FixKind

Proof = Callable[[Subject], Iterator[Objection]]
TrialProof = Callable[[Subject, Trial], Iterator[Objection]]

ON_THE_FIX: Mapping[Law, tuple[Proof, ...]] = {
    Law.CLOSES: (templates.closes,),
    Law.WAY_BACK: (writing.says_how_good_its_way_back_is,),
    Law.SCHEMA: (form.fits_the_schema, templates.fits_its_schemas),
    Law.STRICTER: (
        strictness.asks_for_a_minimum,
        strictness.leaves_stricter_alone,
        strictness.replaces_no_array_unasked,
    ),
    Law.KIND: (form.is_written_the_right_way,),
    Law.PERMISSIONS: (permissions.names_its_permissions,),
    Law.PARAMETERS: (form.explains_its_parameters,),
    Law.SECRETS: (form.holds_no_secret,),
    Law.TEMPLATE: (templates.is_sound, templates.is_given_what_it_takes),
    Law.AIM: (form.aims_at_its_condition,),
}
"""What is asked of a fix as a whole."""

ON_EACH_BODY: Mapping[Law, TrialProof] = {
    Law.CLOSES: writing.closes,
    Law.LEAST_CHANGE: writing.changes_nothing_else,
    Law.IDEMPOTENT: writing.is_empty_the_second_time,
    Law.WAY_BACK: writing.has_a_way_back,
}
"""What is asked of a fix on every target that it is tried on."""


def check(given: Iterable[FixAction | str | os.PathLike[str]]) -> tuple[CatalogProblem, ...]:
    """Every problem of these fixes and catalog files, fix by fix; a file that cannot be read is one of them.

    Of each law that is asked on bodies, the first body that shows a problem is named.
    """
    return tuple(problem for each in given for problem in _problems_of_one(each))


def _problems_of_one(given: FixAction | str | os.PathLike[str]) -> Iterator[CatalogProblem]:
    if isinstance(given, FixAction):
        yield from problems_of(subject(given))
        return
    source = os.fspath(given)
    try:
        fixes = read_fixes(given)
    except CatalogError as error:
        where = "".join(f"{part}: " for part in (error.source, error.path) if part)
        yield CatalogProblem(key=error.path, law=Law.FORM, message=str(error).removeprefix(where), source=source)
        return
    for fix in fixes:
        yield from problems_of(subject(fix), source=source)


def problems_of(about: Subject, *, source: str = "") -> Iterator[CatalogProblem]:
    """Every problem of one fix, law by law."""
    fix = about.fix
    for law in Law:
        for found in dict.fromkeys(objections_of(about, law)):
            yield CatalogProblem(
                key=fix.key,
                resource_type=fix.resource_type,
                variant=fix.variant or "",
                law=law,
                message=found.message,
                severity=found.severity,
                source=source,
            )


def objections_of(about: Subject, law: Law) -> Iterator[Objection]:
    """What one law finds in one fix."""
    for proof in ON_THE_FIX.get(law, ()):
        yield from proof(about)
    on_body = ON_EACH_BODY.get(law)
    if on_body is not None and about.fix.kind is not FixKind.TEMPLATE:
        for trial in about.trials:
            found = tuple(on_body(about, trial))
            yield from found
            if found:
                return
