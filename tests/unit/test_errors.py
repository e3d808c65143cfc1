from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest
from azure.core import exceptions

from defender_remediate import errors
from defender_remediate.errors import (
    CatalogError,
    DefenderRemediateError,
    GuardError,
    MissingExtraError,
    RequestError,
    ThrottledError,
)

CLASSES = {
    name: member
    for name, member in vars(errors).items()
    if inspect.isclass(member) and issubclass(member, DefenderRemediateError)
}


def test_all_names_every_error_in_order():
    """``__all__`` is every error class, sorted."""
    assert sorted(CLASSES) == errors.__all__


def test_the_tree_in_the_docstring_is_the_tree_of_classes():
    """What the module's docstring draws is what ``except`` sees."""
    drawn: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r" {4}((?:│   |    |├── |└── )*)([A-Z]\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            drawn[match[2]] = above[depth - 1] if depth else None
    assert {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items() if drawn[name]} == {
        name: parent for name, parent in drawn.items() if parent
    }


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_every_error_survives_pickle_and_copy(cls):
    """Errors cross process borders with all they carry."""
    error = cls("it broke", hint="fix it")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is cls
        assert twin.args == error.args
        assert vars(twin) == vars(error)
        assert str(twin) == str(error) == "it broke (fix it)"


def test_a_hint_is_left_out_when_there_is_none():
    """An error without a hint prints its message alone."""
    assert str(DefenderRemediateError("it broke")) == "it broke"


def test_wrong_input_is_also_a_value_error():
    """Callers that know nothing of this library catch ValueError."""
    with pytest.raises(ValueError, match="not an id"):
        raise errors.InvalidResourceIdError("not an id")


def test_a_catalog_error_names_file_and_key_path():
    """The place comes first in the text and stays readable apart from it."""
    error = CatalogError("unknown member", source="my.toml", path="fix[3].titel", hint="title?")
    assert str(error) == "my.toml: fix[3].titel: unknown member (title?)"
    assert (error.source, error.path) == ("my.toml", "fix[3].titel")
    assert str(CatalogError("not TOML", source="my.toml")) == "my.toml: not TOML"
    assert str(CatalogError("not TOML")) == "not TOML"


def test_a_guard_error_names_its_guard():
    """A caller can tell which guard stopped the plan."""
    assert GuardError("too many", guard="max_changes").guard == "max_changes"


def test_a_request_error_keeps_what_a_support_case_needs():
    """Status, code, request and Azure's own ids stay on the error, also through pickle."""
    error = ThrottledError(
        "slow down",
        status=429,
        code="TooManyRequests",
        method="PATCH",
        url="https://management.azure.com/x",
        request_id="abc",
        retry_after=7.0,
        details=("RateLimiting: slow down",),
    )
    twin = pickle.loads(pickle.dumps(error))
    assert isinstance(twin, RequestError)
    assert (twin.status, twin.code, twin.retry_after, twin.details) == (
        429,
        "TooManyRequests",
        7.0,
        ("RateLimiting: slow down",),
    )
    assert (twin.method, twin.url, twin.request_id) == ("PATCH", "https://management.azure.com/x", "abc")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (errors.RequestError, exceptions.HttpResponseError),
        (errors.ScopeLockedError, exceptions.HttpResponseError),
        (errors.NotFoundError, exceptions.ResourceNotFoundError),
        (errors.PreconditionFailedError, exceptions.ResourceModifiedError),
        (errors.UnauthorizedError, exceptions.ClientAuthenticationError),
        (errors.CredentialError, exceptions.ClientAuthenticationError),
        (errors.ConnectionFailedError, exceptions.ServiceRequestError),
        (errors.ConnectionCutError, exceptions.ServiceResponseError),
        (errors.MalformedResponseError, exceptions.DecodeError),
        (errors.OperationTimeoutError, exceptions.AzureError),
        (errors.CallTimeoutError, exceptions.AzureError),
    ],
)
def test_what_comes_from_azure_is_an_error_of_azure_core(ours: Any, theirs: type[Exception]) -> None:
    """A program's ``except HttpResponseError`` works; an invalid argument is not one of them."""
    with pytest.raises(theirs):
        raise ours("it broke", hint="wait")
    assert str(ours("it broke", hint="wait")) == "it broke (wait)"
    assert not issubclass(errors.InvalidInputError, exceptions.AzureError)


def test_a_request_error_can_be_read_as_azure_core_s() -> None:
    """Status, code and message where azure-core has them; no response, which would hold the token."""
    error = errors.BusyError("PATCH /x answered 409", status=409, code="Conflict")
    assert (error.status_code, error.response, error.reason) == (409, None, None)
    assert error.error is not None
    assert (error.error.code, error.error.message) == ("Conflict", "PATCH /x answered 409")
    plain = errors.RequestError("odd")
    assert (plain.status_code, plain.error) == (None, None)


def test_an_error_does_not_keep_what_was_being_handled() -> None:
    """azure-core would write its text into ``exc_msg``, with every secret in it."""
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        error = errors.ServiceError("down")
    assert "hunter2" not in repr(vars(error))


def test_a_missing_extra_is_an_import_error_that_names_the_extra() -> None:
    """An `except ImportError` around an optional feature catches it, and its text says what to install."""
    error = pickle.loads(pickle.dumps(MissingExtraError("the https server needs uvicorn", extra="simulator")))
    assert isinstance(error, ImportError)
    assert error.extra == "simulator"
    assert str(error) == ("the https server needs uvicorn (run: python -m pip install 'defender-remediate[simulator]')")
