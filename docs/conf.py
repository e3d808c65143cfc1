"""How the documentation is built: ``nox -s docs``. Every warning is an error and every reference must resolve."""

from __future__ import annotations

import sys
from pathlib import Path

from defender_remediate import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "defender-remediate"
author = "The defender-remediate authors"
copyright = f"2026, {author}"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "catalog_pages", "docstrings"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = f"defender-remediate {version}"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# The "Attributes:" of a class are its fields; as descriptions of their own they would be listed twice.
napoleon_use_ivar = True
napoleon_numpy_docstring = False

# What is described elsewhere: other libraries, and names that stand for shapes and not for classes.
nitpick_ignore_regex = [
    (r"py:.*", r"(azure|collections|contextlib|datetime|enum|http|logging|os|pathlib|re|requests|types|typing)\..*"),
    (
        r"py:.*",
        r"(AccessToken|ItemPaged|AccessTokenInfo|AzureClouds|AzureNamedKeyCredential|AzureSasCredential|HttpTransport|TokenCredential|TextIO|Any|Literal|Path)",
    ),
    (
        r"py:class",
        r"Executor|AnyId|Counts|Endpoint|PipelineOptions|Choice|PlanChoice|ResourceChoice|RunChoice|StepChoice|RoleSubject|defender_remediate\..*\.(ArmSession|Bench|ChainedLog|Connection|Deadline|Service|Tenant|_FileSink|_MemorySink|_SqliteSink|BlobSink|ChangedMember|AsyncSimulatorTransport|AsyncSimulatedCredential|_Attached|RequiredPermission|ReadSession|Value|Workflow|ExemptionReader|OperationPace|_T)",
    ),
    (r"py:exc", r"Service(Request|Response)Error"),
    (
        r"py:.*",
        r"(optional|_T|HTTPStatus|Enum|time|date|datetime|timedelta|tzinfo|Mapping|Sequence|Iterable|Iterator|Callable)",
    ),
]
