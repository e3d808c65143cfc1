"""The catalog: every fix that this library knows, in TOML files, and the class that finds a fix in them."""

from defender_remediate.catalog.catalog import Catalog
from defender_remediate.catalog.lint.problem import CatalogProblem, ProblemSeverity, Rule
from defender_remediate.public_path import show_public_path

__all__ = [
    "Catalog",
    "CatalogProblem",
    "ProblemSeverity",
    "Rule",
]

show_public_path(__name__, __all__)
