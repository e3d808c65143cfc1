"""Evaluates the expressions of ARM templates, such as ``[concat(parameters('name'), '-x')]``.

Knows the functions that depend on nothing but their arguments and the place of the deployment. ``reference`` and the ``list``
functions read resources, so the caller of ``evaluate`` has to answer them. Without an answer an expression with one of them
raises ``TemplateError``, like one with a function that is not known: a value that only Azure can know is never guessed.
"""

from defender_remediate.arm_template.expressions import (
    DeferredParameter,
    TemplateScope,
    copied,
    evaluate,
    is_expression,
    iterations,
)
from defender_remediate.arm_template.functions import (
    ParameterNotFoundError,
    TemplateError,
    UnresolvedError,
    join_resource_id,
)

__all__ = [
    "DeferredParameter",
    "ParameterNotFoundError",
    "TemplateError",
    "TemplateScope",
    "UnresolvedError",
    "copied",
    "evaluate",
    "is_expression",
    "iterations",
    "join_resource_id",
]
