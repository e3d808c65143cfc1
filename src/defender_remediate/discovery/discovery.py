"""Everything that is read from Defender for Cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from copy import copy
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeVar

import attrs

from defender_remediate import wire
from defender_remediate.arm.providers import Providers
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.catalog.titles import title_key
from defender_remediate.discovery import metadata
from defender_remediate.discovery.arguments import (
    CategoryChoice,
    checked_categories,
    checked_choice,
    checked_cves,
    checked_text,
    checked_word,
)
from defender_remediate.discovery.governance import with_governance
from defender_remediate.discovery.metadata import ASSESSMENTS
from defender_remediate.discovery.parameter_choices import choices, wanted_type
from defender_remediate.discovery.posture import read_posture, without_attack_paths
from defender_remediate.discovery.ranking import Tally, group_of, rank
from defender_remediate.discovery.recommendations import (
    AssessmentCounts,
    count,
    names_by_key,
    recommendations,
    with_metadata,
)
from defender_remediate.discovery.scopes import Scopes
from defender_remediate.discovery.score_watch import ScoreWatch
from defender_remediate.discovery.scoring import by_potential, merge_controls, official, overall, with_keys
from defender_remediate.discovery.sources import SCORES, GraphSource, Interleave, RestSource, Source
from defender_remediate.discovery.wanted import Wanted
from defender_remediate.display import quoted
from defender_remediate.errors import (
    InvalidInputError,
    MalformedResponseError,
    NotFoundError,
    RequestError,
    UnknownRecommendationError,
)
from defender_remediate.models.attack_path import AttackPath
from defender_remediate.models.control import ControlDefinition, SecureScore, SecurityControl
from defender_remediate.models.cve import Cve, CveAssessment, join_cves
from defender_remediate.models.fix import FixParameter
from defender_remediate.models.ids import Scope, is_guid
from defender_remediate.models.individual import RecommendationCategory
from defender_remediate.models.named import Choice, ResourceChoice, key_named, named, resource_named
from defender_remediate.models.posture import PostureWarning, SubscriptionPosture
from defender_remediate.models.recommendation import (
    Assessment,
    AssessmentStatus,
    Recommendation,
    RecommendationMetadata,
    Severity,
)
from defender_remediate.threads import in_parallel
from defender_remediate.validation import did_you_mean

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog

_POSTURE_WORKERS = 8
_T = TypeVar("_T")


class _Silence:
    """The subscriptions of which a listing has shown nothing yet."""

    def __init__(self) -> None:
        self._scopes: tuple[Scope, ...] = ()

    def expect(self, subscriptions: Iterable[str]) -> None:
        """Note the subscriptions of which something is expected."""
        self._scopes = tuple(map(Scope.parse, subscriptions))

    def hear(self, resource_id: str) -> None:
        """Note that something of a subscription was shown."""
        if self._scopes:
            self._scopes = tuple(scope for scope in self._scopes if not scope.contains(resource_id))

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The ids of those that are left."""
        return tuple(scope.subscription_id or "" for scope in self._scopes)


class Discovery:
    """Reads assessments, recommendations, controls and scores of some scopes. Safe to share between threads.

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
        self._warn = warn
        self._graph = GraphSource(session, self._scopes)
        self._source: Source = self._graph if source == "graph" else RestSource(session, self._scopes, interleave)

    def telling(self, warn: Callable[[PostureWarning], None] | None) -> Discovery:
        """The same, with something else to do when nothing is found; None for no warning."""
        found = copy(self)
        found._warn = warn  # noqa: SLF001 - it is one of its own kind
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

    def list_assessments(
        self,
        key: Choice | None = None,
        *,
        status: str | None = None,
        category: CategoryChoice = None,
    ) -> Iterator[Assessment]:
        """The assessments in scope, one for each recommendation and resource.

        Args:
            key: What names one recommendation, or a control for all of its recommendations; all when left out. Of an individual recommendation all assessments with its title,
                because their keys are generated.
            status: ``Healthy``, ``Unhealthy`` or ``NotApplicable``; all when left out. Exempt resources are
                NotApplicable, with a cause.
            category: One category or several; all when left out.

        Raises:
            UnknownRecommendationError, InvalidInputError: Before any request, for a string that names no recommendation, a
                status that is not known, or a category that is not a string.
            UnknownRecommendationError: While the listing is read: neither Azure nor the catalog has the key.
            InvalidScopeError: While the listing is read: the resource group of a scope does not exist.
            NotAvailableError: While the listing is read: no category is known over REST.

        Permissions: ``Microsoft.Security/assessments/read``; for a category over REST those of ``list_metadata``.
        """
        wanted = Wanted(
            status=checked_word(AssessmentStatus, status, "status"), categories=checked_categories(category)
        )
        is_all = not wanted.categories and wanted.status in (None, AssessmentStatus.UNHEALTHY)
        if key is None:
            silent = _Silence() if wanted == Wanted() else None
            return self._warned(self._assessments(wanted, silent), silent, is_all=is_all)
        if isinstance(key, (Recommendation, Assessment)) and key.is_individual and key.category and key.display_name:
            wanted = attrs.evolve(wanted, title=key.display_name, categories=wanted.categories or (key.category,))
            return self._warned(self._assessments(wanted), is_all=is_all)
        keys = tuple(one.key for one in named(key, self._catalog.titles))
        about = keys[0] if len(keys) == 1 else None
        return self._warned(self._of_recommendations(keys, wanted), is_all=is_all, about=about)

    def with_governance(self, assessments: Iterable[Assessment]) -> Iterator[Assessment]:
        """The assessments with their owner and due date. Makes one listing for each subscription and recommendation.

        Raises:
            RequestError: They cannot be read, or this cloud does not have the API.

        Permissions: ``Microsoft.Security/assessments/governanceAssignments/read``.
        """
        return with_governance(self._session, assessments)

    def get_assessment(self, resource_id: str, key: str) -> Assessment:
        """One recommendation on one resource, as Defender sees it now. Always read over REST: Resource Graph lags.

        Raises:
            UnknownRecommendationError: The key is not a GUID.
            NotFoundError: Defender has not assessed this resource, or the caller may not see it.
            MalformedResponseError: The answer is about something else.

        Permissions: ``Microsoft.Security/assessments/read``. Makes one request.
        """
        path = (
            f"{resource_id.strip('/')}/providers/Microsoft.Security/assessments/{key_named(key, self._catalog.titles)}"
        )
        response = self._session.get(path, api_versions=ASSESSMENTS)
        found = Assessment.from_rest(wire.mapping(response.body))
        if fold(found.id) != fold(f"/{path}"):
            raise MalformedResponseError(f"GET {response.url}: the response is about {found.id}")
        return found

    def list_attack_paths(self, resource: ResourceChoice | None = None) -> Iterator[AttackPath]:
        """The attack paths in scope, from Resource Graph; Azure has no other API for them.

        Without the plan Defender CSPM Azure looks for none, so that none listed does not mean that there is none.

        Args:
            resource: Only those that pass through this resource.

        Raises:
            InvalidResourceIdError: The resource is not a resource id; before any request.

        Permissions: ``Microsoft.Security/*/read``. Makes one query per 1000 attack paths.
        """
        wanted = None if resource is None else resource_named(resource).text
        found = self._graph.attack_paths()
        return self._attack_paths(found if wanted is None else (path for path in found if path.passes_through(wanted)))

    def _attack_paths(self, found: Iterable[AttackPath]) -> Iterator[AttackPath]:
        is_empty = True
        for path in found:
            is_empty = False
            yield path
        if is_empty and self._warn is not None:
            postures = tuple(map(without_attack_paths, self.list_postures()))
            blind = tuple(one for one in postures if one.reasons and not one.defender_cspm)
            if blind:
                self._warn(PostureWarning(blind))

    def list_cves(self, ids: Iterable[str] | None = None) -> Iterator[Cve]:
        """What Azure says about CVEs, from Resource Graph. Rejected ones are left out.

        Args:
            ids: Only these, such as ``CVE-2026-0001``; all when left out.

        Raises:
            InvalidInputError: An id is not one of a CVE; before any request.
            InvalidScopeError: The scope is not a management group; before any request.

        Permissions: Security Reader at the management group. Makes one query per 1000 CVEs, or per 100 ids.
        """
        wanted = checked_cves(ids)
        return (cve for cve in self._graph.cves(wanted) if not cve.is_rejected)

    def list_cve_assessments(
        self,
        *,
        status: str | None = AssessmentStatus.UNHEALTHY,
        category: CategoryChoice = RecommendationCategory.SOFTWARE_UPDATE,
    ) -> Iterator[CveAssessment]:
        """Each CVE of each assessment, with its details as far as Azure gives them at this scope.

        No row is lost for want of details: ``cve`` is None then, always where the scope is not a management group. The
        details are held in memory, about 1 KiB each, and the assessments are not.

        Args:
            status: As for ``list_assessments``.
            category: As for ``list_assessments``.

        Raises:
            InvalidInputError: As for ``list_assessments``.

        Permissions: those of ``list_assessments``, and of ``list_cves`` at a management group.
        """
        assessments = self.list_assessments(status=status, category=category)
        return self._joined(assessments)

    def _joined(self, assessments: Iterator[Assessment]) -> Iterator[CveAssessment]:
        details: dict[str, Cve] = {}
        if self._scopes.only_management_groups():
            for cve in self.list_cves():
                known = details.setdefault(fold(cve.id), cve)
                if known.score is None:
                    details[fold(cve.id)] = cve
        yield from join_cves(assessments, details)

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
        place = None if location is None else checked_text(location, "location")
        return choices(self._session, self._providers, self.subscriptions(), wanted, location=place)

    def list_metadata(self) -> Iterator[RecommendationMetadata]:
        """What Azure says about every assessment type, the custom ones of the subscriptions too, each once.

        Permissions: ``Microsoft.Security/assessmentMetadata/read``. Makes one listing per subscription.
        """
        yield from metadata.list_metadata(self._session, self.subscriptions())

    def get_metadata(self, key: Choice) -> RecommendationMetadata:
        """What Azure says about one assessment type.

        Raises:
            UnknownRecommendationError: Azure has no such key, or it is not a GUID.
        """
        wanted = self._published(key_named(key, self._catalog.titles))
        found = metadata.get_metadata(self._session, self.subscriptions(), wanted)
        if found is None:
            raise UnknownRecommendationError(
                f"Azure has no recommendation with the key {wanted}", hint="list_recommendations() shows those in scope"
            )
        return found

    def key_by_title(self, titles: Iterable[str]) -> str:
        """The key of a recommendation whose key Azure does not publish: its tenants know it by one of its display names.

        Raises:
            UnknownRecommendationError: Azure has no recommendation with one of these display names.
        """
        wanted = {title_key(title): title for title in titles}
        for about in self.list_metadata():
            if title_key(about.display_name or "") in wanted:
                return about.key
        raise UnknownRecommendationError(
            f"Azure has no recommendation named {' or '.join(map(quoted, wanted.values()))}",
            hint="list_recommendations() shows those in scope",
        )

    def list_controls(self) -> Iterator[SecurityControl]:
        """The security controls, highest potential increase first.

        They are counted over whole subscriptions, also when the scope is a resource group. Controls of the same name in
        several subscriptions come as one: resources are summed, the maximum is the highest, and the current score is
        what it makes of the summed resources.

        Permissions: ``Microsoft.Security/secureScoreControls/read``. Makes one listing per subscription.
        """
        listed = tuple(self._source.controls())
        yield from by_potential(self._merged(listed))
        self._warn_of(self._without(subscription for subscription, _ in listed) if listed else None)

    def list_secure_scores(self) -> Iterator[tuple[str, SecureScore]]:
        """Each subscription's id with its secure score, as Azure gives it; a subscription may have several.

        Permissions: ``Microsoft.Security/secureScores/read``. Makes one listing per subscription.
        """
        return self._source.scores()

    def get_secure_score(self) -> SecureScore:
        """The secure score: Azure's own for one subscription.

        For several, points are summed and the percentage is the average weighted with Azure's own weights, so it is not
        ``current / max``. Where Azure has none yet it is 0 of 0 points.

        Permissions: ``Microsoft.Security/secureScores/read``. Makes one listing per subscription.
        """
        listed = tuple(self.list_secure_scores())
        shown = [subscription for subscription, score in listed if score.max]
        self._warn_of(self._without(shown) if shown else None)
        return overall(official(listed))

    def read_score_watch(self) -> ScoreWatch:
        """The controls and scores of every subscription, to watch the assessments of a plan with.

        Permissions: those of ``list_controls`` and ``list_secure_scores``. Makes one listing of each per subscription.
        """
        found = tuple(self._source.controls())
        scores = official(self.list_secure_scores())
        merged = self._with_keys(merge_controls(control for _, control in found).values())
        return ScoreWatch(controls=found, tally=Tally(merged), scores=scores)

    def list_previews(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of these keys, folded, that are previews and do not count for the score.

        Permissions: ``Microsoft.Security/assessmentMetadata/read``. Makes one listing per subscription.
        """
        about = metadata.metadata_of(self._session, self.subscriptions(), keys)
        return frozenset(key for key, found in about.items() if found.preview)

    def list_recommendations(
        self,
        *,
        status: str | None = AssessmentStatus.UNHEALTHY,
        severity: str | None = None,
        control: str | None = None,
        fixable: bool | None = None,
        category: CategoryChoice = None,
    ) -> Iterator[Recommendation]:
        """The recommendations in scope, the most worthwhile first; each says why it stands where it does.

        Ranking needs all of them, so all assessments are read before the first one is given; what is kept of them are
        counts. An individual recommendation comes once for all assessments of one category and title.

        Args:
            status: Only those that some resource has this status on; None for all that were assessed.
            severity: ``Critical``, ``High``, ``Medium`` or ``Low``.
            control: The display name of a security control, or its GUID.
            fixable: Whether the catalog has a fix; both when left out.
            category: One category or several; all when left out. Only these are read, so the points do not take other
                recommendations on the same resources into account.

        Raises:
            InvalidInputError: A status or severity that is not known, or an argument of another type, before any
                request; a control that no subscription in scope has, while the listing is read.
            NotAvailableError: While the listing is read: no category is known over REST.

        Permissions: those of ``list_assessments``, ``list_metadata`` and ``list_controls``.
        """
        wanted = checked_word(AssessmentStatus, status, "status")
        rated = checked_word(Severity, severity, "severity")
        named = None if control is None else checked_text(control, "control")
        fixed = checked_choice(fixable, "fixable")
        chosen = Wanted(status=wanted, categories=checked_categories(category))
        silent = None if chosen.categories else _Silence()
        listed = self._listed(chosen, severity=rated, control=named, fixable=fixed, silent=silent)
        is_all = rated is None and named is None and fixed is None and not chosen.categories
        return self._warned(listed, silent, is_all=is_all)

    def get_recommendation(self, key: Choice) -> Recommendation:
        """One recommendation, with the same counts and priority as in the listing; it may have no unhealthy resource.

        Raises:
            UnknownRecommendationError: Azure has no such key, or it is not a GUID.

        Permissions: those of ``list_recommendations``, and as many requests: its place depends on the others.
        """
        wanted = fold(self._published(key_named(key, self._catalog.titles)))
        groups = {group_of(key) if isinstance(key, (Recommendation, Assessment)) else wanted}
        ranked = self._ranked(self._noting(wanted, groups), self._controls())
        for found, _ in ranked:
            if group_of(found) in groups or fold(found.key) == wanted:
                return found
        about = self.get_metadata(wanted)
        for found, _ in ranked:
            # Another of its generated keys stands for it.
            if about.category is not None and group_of(found) == group_of(about):
                return found
        counts = AssessmentCounts(about.key, metadata=about, category=about.category)
        counts.controls = names_by_key(self._controls()).get(wanted, counts.controls)
        return rank(recommendations((counts,), self._catalog), Tally(()))[0]

    def _noting(self, key: str, groups: set[str]) -> Iterator[Assessment]:
        """All assessments; the group of those with a folded key is added to the groups."""
        for assessment in self._assessments(Wanted()):
            if fold(assessment.key) == key:
                groups.add(group_of(assessment))
            yield assessment

    def list_postures(
        self, subscriptions: Iterable[str] | None = None, *, about: str | None = None
    ) -> Iterator[SubscriptionPosture]:
        """Whether Defender evaluates each subscription. What cannot be read is a reason in it, not an error.

        Args:
            subscriptions: Only these; None for all that the scopes touch.
            about: The key of a recommendation: only its assessments count as off by policy or without a plan.

        Permissions: ``Microsoft.Security/*/read``, ``Microsoft.Resources/subscriptions/read``, ``.../providers/read`` and
        ``Microsoft.Authorization/policyAssignments/read``. Reads every assessment of the subscriptions.
        """
        wanted = self.subscriptions() if subscriptions is None else tuple(subscriptions)

        def read(subscription: str) -> SubscriptionPosture:
            return read_posture(self._session, self._providers, subscription, about=about)

        yield from in_parallel(read, wanted, workers=_POSTURE_WORKERS)

    def _warned(
        self, items: Iterable[_T], silent: _Silence | None = None, *, is_all: bool = False, about: str | None = None
    ) -> Iterator[_T]:
        """The items; then a PostureWarning if nothing was found somewhere because Defender does not evaluate it.

        Args:
            items: What was found.
            silent: The subscriptions without any assessment, once the items were read; None when only what was asked for
                was read, so that they are not known.
            is_all: Whether what is off by policy would be among the items, if it was evaluated.
            about: The key that the items are about; None for all.
        """
        is_empty = True
        for item in items:
            is_empty = False
            yield item
        if is_empty:
            self._warn_of(None, is_all=is_all, about=about)
        elif silent is not None:
            self._warn_of(silent.subscriptions)

    def _warn_of(self, subscriptions: Iterable[str] | None, *, is_all: bool = False, about: str | None = None) -> None:
        if self._warn is None:
            return
        postures = self.list_postures(subscriptions, about=about)
        found = tuple(one for one in postures if one.is_blind or (is_all and not one.is_evaluated))
        if found:
            self._warn(PostureWarning(found))

    def _without(self, shown: Iterable[str]) -> tuple[str, ...]:
        """The subscriptions of which a listing has shown nothing."""
        if self._warn is not None:
            known = {fold(subscription) for subscription in shown}
            # A caller who may list at a management group may not be allowed to see what is in it.
            with suppress(RequestError):
                return tuple(one for one in self.subscriptions() if fold(one) not in known)
        return ()

    def _of_recommendations(self, keys: tuple[str, ...], wanted: Wanted) -> Iterator[Assessment]:
        keys = tuple(map(self._published, keys))
        folded = frozenset(map(fold, keys))
        is_empty = True
        for found in self._assessments(attrs.evolve(wanted, key=keys[0] if len(keys) == 1 else None)):
            if fold(found.key) in folded:
                is_empty = False
                yield found
        # A misspelt key would read as "all is well".
        if is_empty and len(keys) == 1 and not self._knows(keys[0]):
            self.get_metadata(keys[0])

    def _published(self, key: str) -> str:
        """The key in Azure of a recommendation that the catalog names by a word of its own."""
        if is_guid(key):
            return key
        return self.key_by_title(title for known, title in self._catalog.titles() if fold(known) == fold(key))

    def _knows(self, key: str) -> bool:
        return key in self._catalog or self._catalog.get_guidance(key) is not None

    def _assessments(self, wanted: Wanted, silent: _Silence | None = None) -> Iterator[Assessment]:
        empty = self._scopes.unconfirmed_groups()
        if silent is not None and self._warn is not None:
            # A caller who may list at a management group may not be allowed to see what is in it.
            with suppress(RequestError):
                silent.expect(self.subscriptions())
        for found in self._source.assessments(wanted):
            if empty:
                empty = frozenset(scope for scope in empty if not scope.contains(found.resource_id))
            if silent is not None:
                silent.hear(found.id)
            yield found
        self._scopes.check_exist(empty)

    def _listed(
        self,
        wanted: Wanted,
        *,
        severity: Severity | None,
        control: str | None,
        fixable: bool | None,
        silent: _Silence | None,
    ) -> Iterator[Recommendation]:
        controls = self._controls()
        name = None if control is None else _display_name(controls, control)
        # The counts of all statuses are shown, also where only one of them is wanted.
        assessments = self._assessments(attrs.evolve(wanted, status=None), silent)
        for found, counts in self._ranked(assessments, controls):
            if (
                counts.has(wanted.status)
                and (severity is None or found.severity == severity)
                and (name is None or name in found.controls)
                and (fixable is None or found.is_fixable is fixable)
            ):
                yield found

    def _ranked(
        self, assessments: Iterable[Assessment], controls: tuple[SecurityControl, ...]
    ) -> list[tuple[Recommendation, AssessmentCounts]]:
        tally = Tally(controls)
        counted = count(assessments, tally, names_by_key(controls))
        without = [counts.key for counts in counted.values() if counts.metadata is None]
        about = metadata.metadata_of(self._session, self.subscriptions(), without)
        counted = with_metadata(counted.values(), about, tally)
        ranked = rank(recommendations(counted.values(), self._catalog), tally)
        return [(found, counted[group_of(found)]) for found in ranked]

    def _controls(self) -> tuple[SecurityControl, ...]:
        return self._merged(self._source.controls())

    def _merged(self, listed: Iterable[tuple[str, SecurityControl]]) -> tuple[SecurityControl, ...]:
        return self._with_keys(merge_controls(control for _, control in listed).values())

    def _with_keys(self, given: Iterable[SecurityControl]) -> tuple[SecurityControl, ...]:
        controls = tuple(given)
        if all(control.recommendation_keys for control in controls):
            return controls
        keys = self._defined_keys()
        return tuple(with_keys(control, keys) for control in controls)

    def _defined_keys(self) -> dict[str, tuple[str, ...]]:
        # Custom controls differ between subscriptions, so each is asked.
        found: dict[str, tuple[str, ...]] = {}
        for subscription in self.subscriptions():
            for definition in self._definitions(subscription):
                found.setdefault(fold(definition.name), definition.recommendation_keys)
        return found

    def _definitions(self, subscription: str) -> Iterator[ControlDefinition]:
        path = f"subscriptions/{subscription}/providers/Microsoft.Security/secureScoreControlDefinitions"
        try:
            yield from map(ControlDefinition.from_rest, self._session.list(path, api_version=SCORES))
        except NotFoundError:
            # A cloud without this listing still has controls; they only name no recommendations.
            return


def _display_name(controls: tuple[SecurityControl, ...], wanted: str) -> str:
    folded = fold(wanted)
    for control in controls:
        if folded in (fold(control.display_name), fold(control.name)):
            return control.display_name
    known = sorted(control.display_name for control in controls)
    raise InvalidInputError(
        f"no subscription in scope has a control {quoted(wanted)}", hint=did_you_mean(wanted, known)
    )
