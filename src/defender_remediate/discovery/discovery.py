"""Everything that is read from Defender for Cloud, composed of one part for each thing that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Literal

from defender_remediate.arm.providers import Providers
from defender_remediate.arm.session import ArmSession
from defender_remediate.discovery.assessments import Assessments
from defender_remediate.discovery.attack_paths import list_attack_paths
from defender_remediate.discovery.empty_listings import EmptyListings
from defender_remediate.discovery.metadata import Metadata
from defender_remediate.discovery.parameter_choices import choices, wanted_type
from defender_remediate.discovery.recommendations import Recommendations
from defender_remediate.discovery.scopes import Scopes
from defender_remediate.discovery.scores import Scores
from defender_remediate.discovery.sources import GraphSource, Interleave, RestSource, Source
from defender_remediate.discovery.vulnerabilities import Vulnerabilities
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.fix import FixParameter
from defender_remediate.models.ids import Scope
from defender_remediate.models.posture import PostureWarning
from defender_remediate.validation import filled_string

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog


class Discovery:
    """Reads assessments, recommendations, controls and scores of some scopes. Safe to share between threads.

    What is read, and how, is told in the module of each function: ``assessments``, ``recommendations``, ``scores``, ...

    Every listing checks its arguments when it is called and makes its requests while it is read; it never holds all
    pages. A subscription without Microsoft.Security raises ProviderNotRegisteredError: nothing is known about it, which
    is not the same as nothing found.

    Args:
        session: What to read with.
        scopes: What is read; a scope inside another one is read once.
        catalog: Where the fixes of recommendations are looked up.
        providers: Where the api-versions of resource types are looked up.
        source: ``rest`` reads every assessment and is up to date; ``graph`` lets Resource Graph filter, which is less to
            read and follows changes with a delay. Both give equal objects. Metadata comes from REST either way.
        interleave: How the listings of several subscriptions are read; one after the other by default.
        warn: What to do when nothing is found where Defender does not evaluate; None to not look why nothing is found.
    """

    def __init__(
        self,
        session: ArmSession,
        scopes: tuple[Scope, ...],
        catalog: Catalog,
        providers: Providers,
        source: Literal["rest", "graph"] = "rest",
        interleave: Interleave = chain.from_iterable,
        warn: Callable[[PostureWarning], None] | None = None,
    ) -> None:
        if source not in ("rest", "graph"):
            raise InvalidInputError(f"source={quoted(source)} is not known", hint="use 'rest' or 'graph'")
        self.filters_in_azure = source == "graph"
        self._session = session
        self._scopes = Scopes(session, scopes)
        self._catalog = catalog
        self._providers = providers
        self._graph = GraphSource(session, self._scopes)
        self._source: Source = self._graph if source == "graph" else RestSource(session, self._scopes, interleave)
        self._compose(warn)

    def _compose(self, warn: Callable[[PostureWarning], None] | None) -> None:
        """Connect the parts, and offer their functions as its own."""
        session, scopes, catalog = self._session, self._scopes, self._catalog
        empty = EmptyListings(session, self._providers, scopes, warn)
        metadata = Metadata(session, scopes, catalog)
        assessments = Assessments(session, scopes, catalog, self._source, metadata, empty)
        scores = Scores(session, scopes, self._source, empty)
        recommendations = Recommendations(catalog, assessments, metadata, scores, empty)
        vulnerabilities = Vulnerabilities(self._graph, scopes, assessments)

        self.list_assessments = assessments.list_assessments
        self.get_assessment = assessments.get_assessment
        self.with_governance = assessments.with_governance
        self.list_recommendations = recommendations.list_recommendations
        self.get_recommendation = recommendations.get_recommendation
        self.list_metadata = metadata.list_metadata
        self.get_metadata = metadata.get_metadata
        self.key_by_title = metadata.key_by_title
        self.list_previews = metadata.list_previews
        self.list_controls = scores.list_controls
        self.list_secure_scores = scores.list_secure_scores
        self.get_secure_score = scores.get_secure_score
        self.read_score_watch = scores.read_score_watch
        self.list_cves = vulnerabilities.list_cves
        self.list_cve_assessments = vulnerabilities.list_cve_assessments
        self.list_attack_paths = partial(list_attack_paths, self._graph, empty)
        self.list_postures = empty.list_postures

    def telling(self, warn: Callable[[PostureWarning], None] | None) -> Discovery:
        """The same, with something else to do when nothing is found; None for no warning."""
        found = copy(self)
        found._compose(warn)  # noqa: SLF001 - it is one of its own kind
        return found

    def subscriptions(self) -> tuple[str, ...]:
        """The ids of all subscriptions that the scopes touch, each once.

        Makes requests for management groups only, and only the first time.

        Permissions: ``Microsoft.Management/managementGroups/descendants/read`` for a management group.
        """
        return self._scopes.subscriptions()

    def covers(self, resource_id: str) -> bool:
        """Whether a resource is in the scopes.

        Makes requests for management groups only, and only the first time.
        """
        return self._scopes.cover(resource_id)

    def list_parameter_choices(self, parameter: FixParameter, *, location: str | None = None) -> Iterator[str]:
        """The ids of the resources that a parameter could be given, in the whole subscriptions that the scopes touch.

        Args:
            parameter: One of ``fix.parameters`` that takes the id of a resource of one type, such as a workspace.
            location: Only those in this location, written ``westeurope`` or ``West Europe``; a child is where its
                parent is.

        Raises:
            ParameterError: The parameter takes something else; before any request.

        Permissions: read on the resources; of others Azure does not tell. Makes one listing per subscription, for a type
        such as ``virtualNetworks/subnets`` one more for each parent.
        """
        wanted = wanted_type(parameter)
        place = None if location is None else filled_string("location", location)
        return choices(self._session, self._providers, self.subscriptions(), wanted, location=place)
