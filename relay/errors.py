"""Failures sorted by who must act: us again later, a person, or nobody for this one subscriber.

RelayError
├── RetryLater    a remote or the network fails for now; the same call may succeed later
├── Refused       this one person or thing will not be taken as it is; repeating is no use
├── NeedsPerson   a credential, a permission or a setting; someone has to act before it can go on
├── Incomplete    a source could not be read to its end; nothing may be concluded from absence
└── Invalid       what someone typed or configured is not right
"""


class RelayError(Exception):
    """A failure with a message for people. `remedy` says what to do; neither names an address or an answer."""

    def __init__(self, message: str, *, remedy: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class RetryLater(RelayError):
    """Repeat unchanged after `retry_after` seconds (None: as the caller's back-off says)."""

    def __init__(self, message: str, *, remedy: str = "", code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.retry_after = retry_after


class Refused(RelayError):
    """The remote will not take this as it is. `code` is the remote's own code, as text."""


class NeedsPerson(RelayError):
    """Everything on this connection waits until someone does what `remedy` says."""


class Incomplete(RelayError):
    """A complete read was not possible, so absence means nothing."""


class Invalid(RelayError):
    """Input or configuration that cannot be used; exit code 2 on the command line."""
