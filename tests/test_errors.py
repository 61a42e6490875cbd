from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest

from dub_middleware import errors
from dub_middleware.errors import DubError

EXAMPLES: list[DubError] = [
    errors.ConfigError("path", "path='x' is not allowed."),
    errors.MissingDependencyError("Flask", "flask"),
    errors.EventError("amount", 49.5, "must be an integer"),
    errors.OutboxError("The outbox is busy."),
    errors.DeliveryError("dub", "rejected", "0123", "404 not_found"),
    errors.APIError(404, "Not found.", code="not_found", doc_url="https://dub.co/docs"),
    errors.TransportError("No answer.", sent=True),
    errors.SignatureError("wrong"),
    errors.PayloadError("no JSON"),
    errors.SlowQueryError(10),
    errors.ConflictError("key", "launch"),
    errors.AttributionError("no_click_id", click_id="x"),
    errors.LinkError("bad_request", "Invalid URL."),
    errors.FQLError("unexpected token", position=3),
    errors.MappingError("is wrong", path="/a", errors=("one", "two")),
]


def leaves(kind: type[DubError] = DubError) -> Iterator[type[DubError]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        if each.__module__ == errors.__name__:
            yield from leaves(each)


def test_every_kind_has_an_example() -> None:
    assert set(leaves()) <= {type(error) for error in EXAMPLES}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_passes_from_one_process_to_another(error: DubError) -> None:
    """Celery and process pools pickle what a job raises."""
    for passed in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(passed) is type(error)
        assert (str(passed), vars(passed)) == (str(error), vars(error))
