"""Whether anyone still uses what a step closes: use blocks it, none is evidence, and missing data is neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.errors import DefenderRemediateError, ForbiddenError, NotFoundError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.live_use import Aggregation, LiveUse
from defender_remediate.preflight import CheckReader, Subject, run_checks
from defender_remediate.preflight.live_use import LiveUseCheck

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
KEYS = LiveUse(
    metrics=("Transactions",), dimension="Authentication", values=("AccountKey", "SAS"), proof="UsedCapacity"
)
REQUESTS = LiveUse(metrics=("Requests",), note="the metrics have no source address")
TLS = LiveUse(
    metrics=("connection_successful",), dimension="SslProtocol", keeps=("1.2",), below="databases", proof="storage"
)
PASSED, BLOCKED, UNCHECKED = CheckStatus.PASSED, CheckStatus.BLOCKED, CheckStatus.UNCHECKED
Answers = Mapping[tuple[str, str], Any]
Judge = Callable[..., tuple[CheckResult, ...]]


def days(figure: float | None, count: int = 31, *, skip: Sequence[int] = ()) -> dict[int, float | None]:
    """The same figure for the last days; the key is how many days ago."""
    return {ago: figure for ago in range(count) if ago not in skip}


def series(figures: Mapping[int, Any], aggregation: str, **about: str) -> dict[str, Any]:
    return {
        "metadatavalues": [{"name": {"value": name.lower()}, "value": value} for name, value in about.items()],
        "data": [
            {"timeStamp": f"{(NOW - timedelta(days=ago)).date()}T00:00:00Z", **({} if f is None else {aggregation: f})}
            for ago, f in sorted(figures.items(), reverse=True)
        ],
    }


def metric(name: str, *found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": {"value": name}, "timeseries": list(found), "errorCode": "Success", **more}


class FakeMonitor:
    """Answers for a resource and the names of the metrics that are asked for; a missing answer is an empty metric."""

    def __init__(self, answers: Answers, children: Sequence[str] = ()) -> None:
        self.answers = answers
        self.children = children
        self.requests: list[str] = []
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.endpoint = self.credential = SimpleNamespace()

    def get(self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None) -> Any:
        assert params is not None
        assert params["timespan"] == "2026-10-24T00:00:00Z/2026-11-23T12:00:00Z"
        self.requests.append(path)
        names = params["metricnames"]
        resource = path.removesuffix("/providers/Microsoft.Insights/metrics").rpartition("/")[2]
        found = self.answers.get((resource, names), {"value": [metric(name) for name in names.split(",")]})
        if isinstance(found, DefenderRemediateError):
            raise found
        return SimpleNamespace(body=found)

    def list(self, path: str, *, api_versions: Sequence[str], params: Any = None) -> Iterator[Any]:
        yield from ({"id": f"{path}/{name}", "name": name} for name in self.children)

    def post_query(self, path: str, *, api_version: str, body: Any) -> Any:
        raise AssertionError(path)


@pytest.fixture
def judge(make_subject: Callable[..., Subject]) -> Judge:
    """What the check finds for one account."""

    def run(
        use: LiveUse, answers: Answers, *, children: Sequence[str] = (), body: Any = None, resource: str = ACCOUNT
    ) -> tuple[CheckResult, ...]:
        subject = make_subject(resource=body or {}, resource_id=resource, target_id=resource)
        subject = attrs.evolve(subject, live_uses=(use,))
        reader = CheckReader(FakeMonitor(answers, children), workers=1)
        checked = run_checks([subject], checks=[LiveUseCheck()], reader=reader, waivers={})
        return (*checked.steps, *checked.skipped)[0].check_results

    return run


def transactions(*found: dict[str, Any]) -> dict[str, Any]:
    return {"value": [metric("Transactions", *found)]}


CAPACITY = {"value": [metric("UsedCapacity", series(days(1024.0), "average"))]}
PROVEN = {("shopdata", "UsedCapacity"): CAPACITY}


def test_use_blocks_with_its_figures(judge: Judge) -> None:
    """The sum, the value of the dimension and the last day; values that go on working do not count."""
    answers = transactions(
        series({3: 7.0, 9: 5.0, 1: 0.0}, "total", Authentication="AccountKey"),
        series({2: 900.0}, "total", Authentication="OAuth"),
    )
    (found,) = judge(attrs.evolve(KEYS, note="an upper bound"), {("shopdata", "Transactions"): answers})
    assert (found.status, found.message) == (BLOCKED, "what the change closes was used in the last 30 days")
    assert found.evidence == (
        "12 in the last 30 days, last on 2026-11-20: Transactions with Authentication AccountKey",
        "an upper bound",
    )
    assert 'waive={"live_use": "reason"}' in (found.advice or "")


def test_no_series_is_no_use_only_when_metrics_arrive(judge: Judge) -> None:
    """A storage account emits nothing without traffic, so that another metric has to prove that data arrives."""
    (found,) = judge(KEYS, PROVEN)
    assert (found.status, found.message) == (
        PASSED,
        "no use of what the change closes was recorded in the last 30 days",
    )
    assert found.evidence == ("0 since 2026-10-24: Transactions with Authentication AccountKey, SAS",)
    (found,) = judge(KEYS, {})
    assert found.status is UNCHECKED
    assert "no data on 29 of the days" in found.evidence[0]


@pytest.mark.parametrize(
    ("proof", "status"),
    [
        (days(1.0, skip=[0, 1]), PASSED),
        (days(1.0, skip=[9]), UNCHECKED),
        (days(1.0, count=20), UNCHECKED),
        ({**days(1.0), 12: None}, UNCHECKED),
        (days(None), UNCHECKED),
        ({}, UNCHECKED),
    ],
)
def test_every_day_has_to_have_data(judge: Judge, proof: dict[int, Any], status: CheckStatus) -> None:
    """A point without a number is no data. The two newest days may be missing: capacity arrives a day late."""
    answers = {("shopdata", "UsedCapacity"): {"value": [metric("UsedCapacity", series(proof, "average"))]}}
    assert [found.status for found in judge(KEYS, answers)] == [status]


def test_other_traffic_proves_the_days_on_which_it_came(judge: Judge) -> None:
    """What clients did with Microsoft Entra ID shows that the metric arrives."""
    answers = {("shopdata", "Transactions"): transactions(series(days(5.0), "total", Authentication="OAuth"))}
    assert [found.status for found in judge(KEYS, answers)] == [PASSED]


@pytest.mark.parametrize(
    "body",
    [{"properties": {"creationTime": "2026-11-18T08:00:00Z"}}, {"systemData": {"createdAt": "2026-11-18T08:00:00Z"}}],
)
def test_a_young_resource_needs_data_for_its_own_days(judge: Judge, body: Any) -> None:
    """It has none from before it was created, and is still proven; one of today has no data that proves anything."""
    assert [one.status for one in judge(REQUESTS, _requests(days(0.0, count=5)), body=body)] == [PASSED]
    assert [one.status for one in judge(REQUESTS, _requests(days(0.0, count=3)), body=body)] == [UNCHECKED]
    today = {"properties": {"creationTime": "2026-11-23T08:00:00Z"}}
    assert [one.status for one in judge(REQUESTS, _requests({}), body=today)] == [UNCHECKED]


def _requests(figures: Mapping[int, Any]) -> Answers:
    return {("shopdata", "Requests"): {"value": [metric("Requests", series(figures, "total"))]}}


def test_a_metric_without_dimension_says_what_it_cannot_tell(judge: Judge) -> None:
    """Use of the resource blocks as well, worded so that no one takes it for use of what is closed."""
    (found,) = judge(REQUESTS, _requests({**days(0.0), 4: 2500.0}))
    assert found.status is BLOCKED
    assert found.message == (
        "the resource was used in the last 30 days; the metric does not tell whether the change would cut that use off"
    )
    assert found.evidence == (
        "2,500 in the last 30 days, last on 2026-11-19: Requests",
        "the metrics have no source address",
    )
    (found,) = judge(REQUESTS, _requests(days(0.0)))
    assert (found.status, found.message) == (PASSED, "no use of the resource was recorded in the last 30 days")


@pytest.mark.parametrize(
    "answer",
    [
        ForbiddenError("no", status=403, code="AuthorizationFailed"),
        NotFoundError("no", status=404, code="InvalidResourceType"),
        NotFoundError("no", status=404, code="NotFound"),
        {},
        {"value": "many"},
        {"value": []},
        {"value": [metric("Requests", errorCode="InternalServerError")]},
        {"value": [metric("Requests", timeseries={"data": []})]},
        {"value": [metric("Requests", timeseries=None)]},
        {"value": [metric("Requests", {"data": None})]},
        {"value": [metric("Requests", {"data": [{"timeStamp": "someday", "total": 1}, {"timeStamp": "2026-11-20T00:00:00Z", "total": True}]})]},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not_checked(judge: Judge, answer: Any) -> None:
    """No right, no such API in this cloud, or an answer without figures: never a pass, and it can be waived."""
    (found,) = judge(REQUESTS, {("shopdata", "Requests"): answer})
    assert found.status is UNCHECKED
    assert 'waive={"live_use": "reason"}' in (found.advice or "")


def test_ten_series_or_more_may_not_be_all(judge: Judge) -> None:
    """Azure leaves out what exceeds the limit and does not say so; use that it shows counts nevertheless."""
    many = [series(days(0.0), "total", Authentication=f"kind{number}") for number in range(1000)]
    assert [one.status for one in judge(KEYS, {("shopdata", "Transactions"): transactions(*many), **PROVEN})] == [
        UNCHECKED
    ]
    used = series({5: 1.0}, "total", Authentication="sas")
    assert [one.status for one in judge(KEYS, {("shopdata", "Transactions"): transactions(*many[1:], used)})] == [
        BLOCKED
    ]


def connections(**by_protocol: float) -> dict[str, Any]:
    found = [series({2: figure}, "total", SslProtocol=name) for name, figure in by_protocol.items()]
    return {"value": [metric("connection_successful", *found)]}


STORED = {"value": [metric("storage", series(days(1.0), "average"))]}


def test_each_database_of_a_server_is_read(judge: Judge) -> None:
    """Unknown versions count as old ones; a database without data could be the one in use."""
    answers = {
        ("one", "storage"): STORED,
        ("two", "storage"): STORED,
        ("one", "connection_successful"): connections(**{"1.2": 9.0}),
    }
    databases = ("master", "one", "two")
    assert [one.status for one in judge(TLS, answers, children=databases)] == [PASSED]
    (found,) = judge(
        TLS, {**answers, ("two", "connection_successful"): connections(**{"1.0": 3.0, "?": 1.0})}, children=databases
    )
    assert (found.status, len(found.evidence)) == (BLOCKED, 2)
    master = {**answers, ("master", "connection_successful"): connections(**{"1.1": 2.0})}
    assert [one.status for one in judge(TLS, master, children=databases)] == [BLOCKED]
    refused = {**answers, ("master", "connection_successful"): ForbiddenError("no", status=403)}
    assert [one.status for one in judge(TLS, refused, children=databases)] == [PASSED]
    del answers["two", "storage"]
    assert [one.status for one in judge(TLS, answers, children=databases)] == [UNCHECKED]
    assert [one.status for one in judge(TLS, answers, children=("master",))] == [UNCHECKED]
    failing = {
        ("one", "connection_successful"): connections(**{"1.0": 3.0}),
        ("two", "connection_successful"): ForbiddenError("no", status=403),
    }
    assert [one.status for one in judge(TLS, failing, children=databases)] == [BLOCKED], "use is use"


def test_points_of_less_than_a_day_are_put_together(judge: Judge) -> None:
    """Azure may answer with a finer interval than it was asked for: sums add up, and of gauges the highest counts."""
    points = [{"timeStamp": f"2026-11-20T{hour:02}:00:00Z", "total": 1, "maximum": hour} for hour in range(24)]
    answer = {"value": [metric("Requests", {"data": points})]}
    (found,) = judge(REQUESTS, {("shopdata", "Requests"): answer})
    assert found.evidence[0].startswith("24 in the last")
    gauge = attrs.evolve(REQUESTS, aggregation=Aggregation.MAXIMUM)
    (found,) = judge(gauge, {("shopdata", "Requests"): answer})
    assert found.evidence[0].startswith("up to 23 in the last")


def test_many_lines_are_cut_short(judge: Judge) -> None:
    """A resource with many users has six lines of them."""
    found = [series({2: 1.0}, "total", SslProtocol=f"old{number}") for number in range(9)]
    use = attrs.evolve(TLS, below=None, proof=None)
    (result,) = judge(
        use, {("shopdata", "connection_successful"): {"value": [metric("connection_successful", *found)]}}
    )
    assert len(result.evidence) == 7
    assert result.evidence[-1] == "and 3 more"


def test_a_fix_without_a_metric_reads_nothing(judge: Judge) -> None:
    """The catalog says why, and which logs would tell."""
    assert judge(LiveUse(none="no dimension names the protocol"), {}) == ()


class Counted(dict[str, Any]):
    """A body that notes when its series are read."""

    def __init__(self, body: Mapping[str, Any], noted: list[str]) -> None:
        super().__init__(body)
        self.noted = noted

    def get(self, name: str, default: Any = None) -> Any:
        self.noted.append(name)
        return super().get(name, default)


class Region(FakeMonitor):
    """Answers about a whole region, too."""

    def __init__(self, answers: Answers, region: Any) -> None:
        super().__init__(answers)
        self.region = region
        self.taken_apart: list[str] = []

    def get(self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None) -> Any:
        if "/resourceGroups/" in path:
            return super().get(path, api_versions=api_versions, params=params)
        assert params is not None
        assert (params["region"], params["metricnamespace"]) == ("westeurope", "microsoft.storage/storageaccounts")
        self.requests.append(path)
        found = self.region.get(params["metricnames"])
        if found is None:
            raise ForbiddenError("no", status=403, code="AuthorizationFailed")
        return SimpleNamespace(body=Counted(found, self.taken_apart))


@pytest.mark.parametrize("may_read_region", [True, False])
def test_the_resources_of_a_region_are_read_together(
    make_subject: Callable[..., Subject], may_read_region: bool
) -> None:
    """What the answer shows to be in use needs no other request. What it leaves out proves nothing, so it is read alone."""
    names = [f"account{number}" for number in range(6)]
    ids = {name: f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}" for name in names}
    used = [
        series({2: 4.0}, "total", **{"microsoft.resourceid": ids[name].upper(), "authentication": "SAS"})
        for name in names[:4]
    ]
    region = {
        "Transactions": transactions(*used),
        "UsedCapacity": {"value": [metric("UsedCapacity", series(days(1.0), "average", **{"microsoft.resourceid": ids["account4"]}))]},
    }  # fmt: skip
    answers = {
        (name, "Transactions"): transactions(series({2: 4.0}, "total", Authentication="SAS")) for name in names[:4]
    }
    answers |= {(name, "UsedCapacity"): CAPACITY for name in names[4:]}
    monitor = Region(answers, region if may_read_region else {})
    subjects = [
        attrs.evolve(
            make_subject(resource={"location": "West Europe"}, id=name, resource_id=ids[name], target_id=ids[name]),
            live_uses=(KEYS,),
        )
        for name in names
    ]
    checked = run_checks(subjects, checks=[LiveUseCheck()], reader=CheckReader(monitor, workers=2), waivers={})
    assert [skip.resource_id for skip in checked.skipped] == [ids[name] for name in names[:4]]
    assert [step.id for step in checked.steps] == names[4:]
    assert len(monitor.requests) == (5 if may_read_region else 10)
    # An answer shows thousands of resources: it is taken apart once, and not for each of them.
    assert monitor.taken_apart == (["value", "value"] if may_read_region else [])


def test_use_blocks_none_is_evidence_and_missing_data_is_neither_for_every_fix(judge: Judge) -> None:
    """Over all fixes of the catalog that have a metric: at least 25."""
    wrong = []
    fixes = [fix for fix in Catalog.bundled() if fix.live_use is not None and fix.live_use.metrics]
    assert len(fixes) >= 25
    for fix in fixes:
        use = fix.live_use
        assert use is not None
        names, aggregation = ",".join(use.metrics), use.aggregation.value
        place = f"{GROUP}/providers/{fix.resource_type.replace('slots', 'x/slots') if fix.resource_type.endswith('/slots') else fix.resource_type}/shopdata"
        about = {use.dimension: use.values[0] if use.values else "old"} if use.dimension else {}
        kept = {use.dimension: use.keeps[0] if use.keeps else "OAuth"} if use.dimension else {}
        idle = {"value": [metric(name, series(days(0.0), aggregation, **kept)) for name in use.metrics]}
        busy = {
            "value": [
                *(metric(name) for name in use.metrics[:-1]),
                metric(use.metrics[-1], series({7: 3.0}, aggregation, **about)),
            ]
        }
        told = {
            status: judge(use, {("shopdata", names): answer}, children=["shopdata"], resource=place)[0].status
            for status, answer in (
                (BLOCKED, busy),
                (PASSED, idle),
                (UNCHECKED, {"value": [metric(name) for name in use.metrics]}),
            )
        }
        if any(status is not expected for expected, status in told.items()):
            wrong.append((fix.title, told))
    assert not wrong
