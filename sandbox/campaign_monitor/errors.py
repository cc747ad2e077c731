"""Campaign Monitor's error codes (contract §1.4, §3, §7.3)."""

from __future__ import annotations

from typing import Any

MESSAGES = {
    1: "Invalid Email Address",
    5: "Invalid Date",
    60: "You do not have the required permission to perform this action",
    100: "Invalid API Key",
    101: "Invalid ListID",
    102: "Invalid ClientID",
    120: "Invalid OAuth Token",
    121: "Expired OAuth Token",
    122: "Revoked OAuth Token",
    176: "Email address not in suppression list",
    201: "Subscriber already exists",
    203: "Subscriber Not In List",
    204: "Subscriber In Suppression List",
    205: "Subscriber Is Deleted",
    206: "Subscriber Is Unsubscribed",
    207: "Subscriber Is Bounced",
    208: "Subscriber Is Unconfirmed",
    209: "Maximum of 1000 subscribers allowed in a batch",
    210: "Subscriber Import had some failures",
    211: "Invalid New Email Address",
    212: "No subscribers in batch",
    214: "ConsentToTrack is required",
    215: "ConsentToTrack is invalid",
    220: "Invalid Mobile Number",
    221: "Invalid Email Address and Mobile Number",
    250: "Duplicate List Title",
    251: "List Title Empty",
    252: "List is attached to a draft campaign",
    253: "Invalid Custom Field Key",
    254: "Invalid Field Name",
    255: "Field Name already exists",
    256: "Options not allowed for this field type",
    257: "At least one option is required for this field type",
    258: "Maximum number of custom fields reached",  # the limit is real, its code is ours
    259: "Invalid Data Type",
    261: "Invalid Unsubscribe Setting",
    271: "Invalid SegmentID",
    272: "Segment is used by a draft campaign",
    273: "Segment Title Empty",
    275: "Duplicate Segment Title",
    277: "Invalid Segment Rules",
    278: "Segment calculation is in progress",
    283: "Segment Limits Reached",
    284: "System segments cannot be changed",
    287: "Segment temporarily unavailable",
    404: "Not Found",
    429: "Subscriber was added too many times too quickly, try again later.",
    500: "Sorry, we've run into a problem",
    601: "Invalid Webhook Url",
    602: "Invalid Webhook Format",
    603: "Invalid Webhook Events",
    604: "Invalid WebhookID",
    610: "Webhook Test Failed",
    800: "Invalid Page Number",
    801: "Invalid Page Size",
    802: "Invalid Order Field",
    803: "Invalid Order Direction",
    2703: "Invalid Segment Clauses",
    2704: "RuleType cannot be empty",
    2705: "Invalid RuleType",
    2706: "Clauses cannot be empty",
    2710: "Clause cannot be empty",
    2715: "Invalid Clause for Text Field",
    2716: "Invalid Clause for Number Field",
    2717: "Invalid Clause for Multi Option Field",
    2718: "Invalid Clause for Date Field",
    2719: "Clause Operand Missing",
    2720: "Date must be yyyy-mm-dd",
    2721: "Invalid Number",
    2722: "Option Doesnt Exist For Field",
    2754: "Clause could not be parsed",
}
NOT_ADDED = {"Deleted": 205, "Unsubscribed": 206, "Bounced": 207, "Unconfirmed": 208}


class CMError(Exception):
    """`{"Code", "Message", "ResultData"?}`; 400 unless the contract says otherwise."""

    def __init__(self, code: int, status: int = 400, message: str | None = None, result: Any = None) -> None:
        super().__init__(code)
        self.code, self.result = code, result
        self.status = {404: 404, 429: 429, 500: 500}.get(code, status)
        self.message = message or MESSAGES.get(code, "Error")

    def document(self) -> dict[str, Any]:
        plain = {"Code": self.code, "Message": self.message}
        return plain if self.result is None else {**plain, "ResultData": self.result}


def unreadable(field: str) -> CMError:
    """What a body of the wrong shape, or with values no string may hold, is answered."""
    return CMError(
        400,
        message="Failed to deserialize your request. Please check the documentation and try again. "
        f"Fields in error: {field}",
    )
