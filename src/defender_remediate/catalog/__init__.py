"""Every fix this library knows: TOML files that a security engineer reads, and the class that finds a fix in them."""

from defender_remediate.catalog.catalog import Catalog
from defender_remediate.catalog.lint.problem import CatalogProblem, Law, ProblemSeverity

__all__ = ["Catalog", "CatalogProblem", "Law", "ProblemSeverity"]
