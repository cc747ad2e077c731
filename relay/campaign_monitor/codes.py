"""What Campaign Monitor's codes mean and what a communications officer can do, as data.

Source: the error tables of the v3.3 reference, one per subject, https://www.campaignmonitor.com/api/v3-3/subscribers/
(…/lists/, …/segments/, …/getting-started/); 101 and 400 are seen only in issues (createsend-ruby#44, #24).
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["later", "refused", "person", "expected", "bug"]


@dataclass(frozen=True, slots=True)
class Code:
    """`kind`: later (transient), person (someone must act before anything goes on), refused (not this one, as it is),
    expected (an ordinary branch for the caller), bug (we should not have asked like that)."""

    kind: Kind
    meaning: str
    remedy: str = ""


WAIT = "Nothing to do: the relay tries again by itself."
RECONNECT = "Connect Campaign Monitor again, with a log-in that may manage lists."
PICK = "Is the list still there, and does this log-in see it? Then resume the connection."
REPORT = "This is a fault of the relay: report it to whoever looks after the relay, with the code."
OPTED_OUT = "Nothing to do: their choice in Campaign Monitor stands. Only they can sign up again."
OTHER_NAME = "Give it another name."
OTHER_ADDRESS = "Ask the person to correct their e-mail address in EngagementHQ."
OTHER_NUMBER = "Ask the person to correct their mobile number, with country code."
EDIT_SEGMENT = "Leave this segment as it is, or remove it in Campaign Monitor and let the relay make it again."
HOOK = "Check that the relay's own address can be reached from the internet."

CODES: dict[int, Code] = {
    1: Code("refused", "Campaign Monitor does not accept this e-mail address.", OTHER_ADDRESS),
    5: Code("bug", "A date is not valid.", REPORT),
    60: Code("person", "The log-in used has no permission for this.", RECONNECT),
    100: Code("person", "The API key is not valid.", "Connect Campaign Monitor again, with a new one."),
    101: Code("person", "The list does not exist, or the log-in used cannot see it.", PICK),
    102: Code("person", "The client does not exist, or the log-in used cannot see it.", PICK),
    110: Code("bug", "This call is no longer offered.", REPORT),
    120: Code("person", "Campaign Monitor does not know the access it was given.", RECONNECT),
    121: Code("later", "The access to Campaign Monitor has run out and is renewed.", WAIT),
    122: Code("person", "The access to Campaign Monitor was taken back.", RECONNECT),
    172: Code("bug", "Too many clients were made in half an hour.", REPORT),
    176: Code("expected", "The address is not on the suppression list."),
    201: Code("expected", "The new address is on the list already.", WAIT),
    203: Code("expected", "The address is not on the list.", WAIT),
    204: Code("refused", "The address is on Campaign Monitor's suppression list.", OPTED_OUT),
    205: Code("refused", "The person was deleted from the list.", "If they wish it, add them by hand."),
    206: Code("refused", "The person unsubscribed.", OPTED_OUT),
    207: Code("refused", "Mail to this address bounced.", OTHER_ADDRESS),
    208: Code("refused", "The person has not confirmed yet.", "Nothing to do: they were sent a mail to confirm."),
    209: Code("bug", "More than 1,000 people in one call.", REPORT),
    210: Code("expected", "Some people of an import were not taken; the others were."),
    211: Code("refused", "Campaign Monitor does not accept the new e-mail address.", OTHER_ADDRESS),
    212: Code("bug", "An import without people.", REPORT),
    214: Code("bug", "Consent to track is missing.", REPORT),
    215: Code("bug", "Consent to track is not valid.", REPORT),
    220: Code("refused", "The mobile number is not valid.", OTHER_NUMBER),
    221: Code("refused", "Neither the e-mail address nor the mobile number is valid.", OTHER_ADDRESS),
    250: Code("refused", "A list of this name exists already.", "Choose another name, or the existing list."),
    251: Code("refused", "A list needs a name.", OTHER_NAME),
    252: Code("refused", "A draft campaign uses this list.", "Remove it from the draft in Campaign Monitor."),
    253: Code("refused", "A field the relay fills is gone.", "Nothing to do: the relay reads the fields again."),
    254: Code("refused", "Campaign Monitor does not accept this name for a field.", "Leave this question out."),
    255: Code("expected", "A field of this name exists already.", WAIT),
    256: Code("bug", "This kind of field takes no options.", REPORT),
    257: Code("bug", "This kind of field needs an option.", REPORT),
    259: Code("bug", "This kind of field does not exist.", REPORT),
    261: Code("bug", "The unsubscribe setting is not valid.", REPORT),
    271: Code("expected", "The segment is gone.", "Nothing to do: the relay makes it again."),
    272: Code("refused", "A draft campaign uses this segment.", "Remove it from the draft in Campaign Monitor."),
    273: Code("refused", "A segment needs a name.", "Give the group a name in EngagementHQ."),
    275: Code("expected", "A segment of this name exists already.", WAIT),
    277: Code("refused", "Campaign Monitor does not accept the segment's rules.", REPORT),
    278: Code("later", "Campaign Monitor is still counting the segment.", WAIT),
    283: Code("refused", "The client has as many segments as Campaign Monitor allows.",
              "Remove segments nobody uses, or ask Campaign Monitor's support to raise the limit."),
    284: Code("refused", "This segment is Campaign Monitor's own.", EDIT_SEGMENT),
    285: Code("refused", "This segment cannot be changed from outside.", EDIT_SEGMENT),
    286: Code("refused", "This segment cannot be changed from outside.", EDIT_SEGMENT),
    287: Code("later", "Campaign Monitor is busy with this segment.", WAIT),
    400: Code("refused", "Campaign Monitor could not read something that was sent.",
              "Look for unusual characters in the person's name and answers in EngagementHQ."),
    403: Code("person", "This kind of Campaign Monitor account may not do this.", "Ask Campaign Monitor's support."),
    404: Code("refused", "Campaign Monitor does not have this, or no longer.", PICK),
    429: Code("later", "Campaign Monitor asks for a slower pace.", WAIT),
    500: Code("later", "Campaign Monitor has a problem.", WAIT),
    601: Code("refused", "Campaign Monitor does not accept the address to notify.", HOOK),
    602: Code("bug", "The format of notifications is not valid.", REPORT),
    603: Code("bug", "An event to notify is not valid.", REPORT),
    610: Code("refused", "Campaign Monitor could not reach the relay.", HOOK),
    800: Code("bug", "The page asked for does not exist.", REPORT),
    801: Code("bug", "The size of page asked for is not allowed.", REPORT),
    802: Code("bug", "The order asked for does not exist.", REPORT),
    803: Code("bug", "The direction asked for does not exist.", REPORT),
    2705: Code("refused", "The segment's rule names a field that does not exist.", WAIT),
    2717: Code("bug", "The segment's rule does not suit a field with options.", REPORT),
    2722: Code("refused", "The segment's rule names an option that does not exist.", WAIT),
}  # fmt: skip

WORDS: dict[str, Code] = {
    "network": Code("later", "Campaign Monitor could not be reached.", WAIT),
    "timeout": Code("later", "Campaign Monitor did not answer in time.", WAIT),
    "unreadable": Code("later", "Campaign Monitor answered something that could not be read.", WAIT),
    "renewing": Code("later", "The access to Campaign Monitor is being renewed.", WAIT),
    "server_error": Code("later", "Campaign Monitor's log-in service has a problem.", WAIT),
    "temporarily_unavailable": Code("later", "Campaign Monitor's log-in service is away for a moment.", WAIT),
    "invalid_grant": Code("person", "Campaign Monitor no longer accepts the access it gave.", RECONNECT),
    "oauth": Code("person", "Campaign Monitor does not accept the relay as an application.",
                  "Connect it by an API key, or ask whoever looks after the relay to check CAMPAIGN_MONITOR_CLIENT_ID, "
                  "CAMPAIGN_MONITOR_CLIENT_SECRET and the redirect URL registered."),
    "access_denied": Code("person", "Access was not granted in Campaign Monitor.", RECONNECT),
}  # fmt: skip
"""Failures that carry no code of Campaign Monitor's: the network's, ours, and OAuth's (RFC 6749 §4.1.2.1, §5.2)."""


def passes(status: int) -> bool:
    """Whether an HTTP `status` says by itself that the same call may succeed later."""
    return status >= 500 or status in (408, 425, 429)


def by_status(status: int) -> Code:
    """The meaning of an HTTP `status` alone, for an answer without a readable body: a proxy's page, or nothing."""
    if passes(status):
        return Code("later", f"Campaign Monitor, or something on the way to it, answered HTTP {status}.", WAIT)
    if status in (401, 407):
        return Code("person", f"The access was not accepted (HTTP {status}).", RECONNECT)
    if status == 403:
        return Code("person", "Something on the way to Campaign Monitor forbids this (HTTP 403).",
                    "Ask whoever looks after the network, or Campaign Monitor's support.")  # fmt: skip
    if status == 404 or 300 <= status < 400:
        return Code("person", f"Campaign Monitor is not at the address set for it (HTTP {status}).",
                    "Ask whoever looks after the relay to check CAMPAIGN_MONITOR_API_URL and "
                    "CAMPAIGN_MONITOR_OAUTH_URL.")  # fmt: skip
    if status == 413:
        return Code("refused", "Something on the way to Campaign Monitor lets nothing so large pass (HTTP 413).",
                    "Ask whoever looks after the network.")  # fmt: skip
    # Campaign Monitor says why it refuses: this was another, whose word is for good about nobody.
    return Code("later", f"Something on the way to Campaign Monitor refused the call (HTTP {status}).",
                "The relay tries again by itself. If this goes on, ask whoever looks after the network.")  # fmt: skip
