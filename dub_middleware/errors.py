"""Every exception of the package, in one tree.

::

    DubError
    ├── ConfigError(ValueError)            a wrong option, told at start-up
    ├── MissingDependencyError(ImportError) an extra that is not installed
    ├── EventError(ValueError)             a lead or sale that breaks a rule of Dub's API
    ├── OutboxError                        the durable queue cannot take or give events
    ├── DeliveryError                      an accepted event that will not arrive by itself
    ├── APIError                           Dub or Segment answered with an error
    ├── TransportError                     no complete answer came in time
    ├── WebhookError                       a webhook request that must not be trusted
    │   ├── SignatureError
    │   └── PayloadError(ValueError)
    ├── StoreError                         the server's database cannot be opened, read or written
    │   ├── ConflictError                  a value that must be unique is taken
    │   ├── SlowQueryError                 a question that would take too long was given up
    │   └── AttributionError               a lead or sale that belongs to no click, link or customer
    ├── LinkError(ValueError)              a short link that breaks a rule of Dub's API
    ├── FQLError(ValueError)               a subscription that Segment's parser rejects
    └── MappingError(ValueError)           a mapping that Segment's mapping-kit rejects

``except DubError`` catches whatever this package raises on purpose.
Inside a visitor's request nothing of it is raised: see `dub_middleware.wsgi`.
"""

from __future__ import annotations

from dub_middleware.personal import masked, shown


class DubError(Exception):
    """The root of the tree; never raised itself."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are unpickled by calling the class with the message alone; ours want more than that, and
        # would take down the pool of processes that passes them on.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[DubError], args: tuple[object, ...], attributes: dict[str, object]) -> DubError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class ConfigError(DubError, ValueError):
    """Raised at construction when an option has a wrong name, type or value.

    The message names the option, the value seen and what is allowed.
    """

    def __init__(self, option: str, message: str) -> None:
        self.option = option
        super().__init__(message)

    def under(self, name: str) -> ConfigError:
        """Return the error of an option that was given by another name, such as that of a variable."""
        return ConfigError(name, name + str(self).removeprefix(self.option))


class MissingDependencyError(DubError, ImportError):
    """Raised on import or construction when an optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"{package} is not installed. Install it with: pip install 'dub-middleware[{extra}]'"
        )


class EventError(DubError, ValueError):
    """Raised when a lead or sale breaks a rule of Dub's API; nothing has been stored or sent.

    ``value`` is the whole value. The message, which may end up in a log, shows of personal fields only what
    is needed to find the mistake: see `dub_middleware.personal.shown`.
    """

    def __init__(self, field: str, value: object, rule: str) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        super().__init__(f"{masked(field)}: {rule} (got {shown(field, value)})")


class OutboxError(DubError):
    """Raised by outbox commands when the store cannot be opened, read or written."""


class DeliveryError(DubError):
    """Told to ``on_error`` when an accepted event ends without arriving, or a destination refuses our key.

    ``state`` is where it ended (``"rejected"``, ``"expired"``, …), or ``"paused"`` for the whole queue;
    ``event_id`` is the id of its receipt, None when it is about all of them.
    """

    def __init__(self, destination: str, state: str, event_id: str | None, message: str) -> None:
        self.destination = destination
        self.state = state
        self.event_id = event_id
        what = (
            f"event {event_id} {state} by {destination}" if event_id else f"delivery to {destination} {state}"
        )
        super().__init__(f"{what}: {message or 'no reason given'}")


class APIError(DubError):
    """Raised when Dub or Segment answers a direct call with an error.

    ``status`` is the HTTP status; ``code``, ``message`` and ``doc_url`` come from Dub's error envelope.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, doc_url: str | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.doc_url = doc_url
        super().__init__(f"{status} {code}: {message}" if code else f"{status}: {message}")


class TransportError(DubError):
    """Raised when no complete answer came; ``sent`` says whether the request may have been acted on."""

    def __init__(self, message: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(message)


class WebhookError(DubError):
    """The request is not a webhook to act on; subclasses say why."""


class SignatureError(WebhookError):
    """Raised when the ``Dub-Signature`` of a webhook is missing, malformed or wrong. Answer 401."""


class PayloadError(WebhookError, ValueError):
    """Raised when a webhook's body is not an event as Dub sends it. Answer 400."""


class StoreError(DubError):
    """Raised when the server's database cannot be opened, read or written."""


class ConflictError(StoreError):
    """Raised when a value that must be unique is taken; ``field`` names it, as ``key`` or ``external_id``."""

    def __init__(self, field: str, value: str) -> None:
        self.field = field
        self.value = value
        super().__init__(f"{field} {value!r} is taken")


class SlowQueryError(StoreError):
    """Raised when reading takes longer than ``seconds``; the database has stopped looking."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        told = "ask for a shorter period or with fewer filters"
        super().__init__(f"The answer would take longer than {seconds} seconds: {told}.")


class AttributionError(StoreError):
    """Raised when a lead or sale cannot be attributed; nothing has been stored.

    ``reason`` is ``no_click_id``, ``click_not_found``, ``link_not_found``, ``link_disabled`` or
    ``lead_not_found``; ``click_id``, ``link_id`` and ``customer_id`` say what was looked at.
    """

    def __init__(
        self,
        reason: str,
        *,
        click_id: str | None = None,
        link_id: str | None = None,
        customer_id: str | None = None,
    ) -> None:
        self.reason = reason
        self.click_id = click_id
        self.link_id = link_id
        self.customer_id = customer_id
        super().__init__(f"{reason}: click {click_id!r}, link {link_id!r}, customer {customer_id!r}")


class LinkError(DubError, ValueError):
    """Raised when a short link cannot be as it was asked for; ``code`` is Dub's word for what is wrong.

    The message is meant for whoever asked. Nothing has been stored.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class FQLError(DubError, ValueError):
    """Raised when a subscription is not valid FQL; ``position`` is the offset of the first error."""

    def __init__(self, message: str, *, position: int | None = None) -> None:
        self.position = position
        super().__init__(message if position is None else f"{message} (at position {position})")


class MappingError(DubError, ValueError):
    """Raised when a mapping is invalid or uses what is not supported, or cannot make sense of an event.

    ``path`` says where in the mapping; ``errors`` holds every message when there are several.
    """

    def __init__(self, message: str, *, path: str | None = None, errors: tuple[str, ...] = ()) -> None:
        self.path = path
        self.errors = errors or (message,)
        super().__init__(f"{path}: {message}" if path else message)
