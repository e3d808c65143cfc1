"""The catalog: every fix that this library knows, in TOML files, and the class that finds a fix in them.

- ``catalog``, ``search``, ``titles``: finds fixes.
- ``loader``, ``toml``, ``table``, ``schema``, ``conditions``, ``validity``, ``bundle``, ``editor_schema``: reads fixes, and says how a file is written.
- ``guidance``, ``freshness``: what to do where there is no fix, and what Azure has retired.
- ``read_only``, ``type_facts``: what each resource type lets a caller write.
- ``roles``: least-privilege roles.

``lint`` proves fixes, and ``data`` has them.
"""

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
