"""Every fix this library knows: TOML files that a security engineer reads, and the class that finds a fix in them."""

from defender_remediate.catalog.catalog import Catalog
from defender_remediate.catalog.lint.problem import CatalogProblem, Law, ProblemSeverity
from defender_remediate.public_path import show_public_path

__all__ = ["Catalog", "CatalogProblem", "Law", "ProblemSeverity"]

show_public_path(__name__, __all__)
