"""Clients, lists, custom fields and the webhooks of a list."""

from collections.abc import Iterable, Sequence

from relay.campaign_monitor.http import Caller, nothing, text
from relay.campaign_monitor.shapes import Client, Field, ListDetails, ListName, Webhook
from relay.campaign_monitor.wire import clean, custom_field


class Accounts(Caller):
    def systemdate(self) -> str:
        """Campaign Monitor's clock, "YYYY-MM-DD HH:MM:SS"; proves that the credential works."""
        return self.call("systemdate", "GET", ("systemdate",), lambda body: text(body["SystemDate"]))

    def clients(self) -> list[Client]:
        return self.call("clients", "GET", ("clients",), lambda rows: [Client(r["ClientID"], r["Name"]) for r in rows])

    def primary_contact(self) -> str:
        """The e-mail address of whoever the account belongs to (CM contract §9)."""
        return self.call("primary_contact", "GET", ("primarycontact",), lambda body: text(body["EmailAddress"]))

    def client_time_zone(self, client_id: str) -> str:
        """Such as "(GMT+10:00) Canberra, Melbourne, Sydney". The answer also holds a live API key: nothing else of it
        is kept."""
        return self.call("client", "GET", ("clients", client_id), lambda body: text(body["BasicDetails"]["TimeZone"]))


class Lists(Caller):
    def lists(self, client_id: str) -> list[ListName]:
        path = ("clients", client_id, "lists")
        return self.call("lists", "GET", path, lambda rows: [ListName(r["ListID"], r["Name"]) for r in rows])

    def create_list(self, client_id: str, title: str) -> str:
        """The id. Without confirmed opt-in, which would mail everyone; AllClientLists, for with OnlyThisList the list
        would ignore the suppression list. After a timeout look in `lists`: it may exist."""
        body = {"Title": clean(title), "UnsubscribeSetting": "AllClientLists", "ConfirmedOptIn": False}
        return self.call("create_list", "POST", ("lists", client_id), text, body=body)

    def delete_list(self, list_id: str) -> None:
        """For good, with everybody on it. Refused "252": a draft campaign uses it."""
        self.call("delete_list", "DELETE", ("lists", list_id), nothing)

    def list_details(self, list_id: str) -> ListDetails:
        return self.call(
            "list_details",
            "GET",
            ("lists", list_id),
            lambda b: ListDetails(b["ListID"], b["Title"], b["UnsubscribeSetting"], bool(b["ConfirmedOptIn"])),
        )

    def stats(self, list_id: str) -> dict[str, int]:
        """People by counter: TotalActiveSubscribers, TotalUnsubscribes, TotalDeleted, TotalBounces and 20 more."""
        return self.call(
            "stats", "GET", ("lists", list_id, "stats"), lambda body: {name: int(n) for name, n in body.items()}
        )


class Fields(Caller):
    def fields(self, list_id: str) -> list[Field]:
        return self.call(
            "fields", "GET", ("lists", list_id, "customfields"), lambda rows: [custom_field(row) for row in rows]
        )

    def create_field(self, list_id: str, name: str, type: str, options: Iterable[str] = ()) -> str:
        """The key Campaign Monitor makes of the name. Refused "255": a field of that name exists."""
        body = {
            "FieldName": clean(name),
            "DataType": type,
            "Options": [clean(option) for option in options],
            "VisibleInPreferenceCenter": False,
        }
        return self.call("create_field", "POST", ("lists", list_id, "customfields"), text, body=body)

    def add_options(self, list_id: str, key: str, options: Iterable[str]) -> None:
        """Add to the options there are. It may cost every segment its rules on this field (reference of 2018):
        look at the segments afterwards."""
        body = {"KeepExistingOptions": True, "Options": [clean(option) for option in options]}
        self.call("add_options", "PUT", ("lists", list_id, "customfields", key, "options"), nothing, body=body)


class Webhooks(Caller):
    def webhooks(self, list_id: str) -> list[Webhook]:
        return self.call(
            "webhooks",
            "GET",
            ("lists", list_id, "webhooks"),
            lambda rows: [
                Webhook(r["WebhookID"], r["Url"], tuple(r["Events"]), r["Status"].lower() == "active") for r in rows
            ],
        )

    def create_webhook(self, list_id: str, url: str, events: Sequence[str]) -> str:
        """The id. `events` of Subscribe, Deactivate, Update. One URL can be registered twice: look in `webhooks`."""
        body = {"Events": list(events), "Url": url, "PayloadFormat": "json"}
        return self.call("create_webhook", "POST", ("lists", list_id, "webhooks"), text, body=body)

    def activate_webhook(self, list_id: str, webhook_id: str) -> None:
        """Campaign Monitor switches a webhook off after a week of errors."""
        self.call("activate_webhook", "PUT", ("lists", list_id, "webhooks", webhook_id, "activate"), nothing)

    def delete_webhook(self, list_id: str, webhook_id: str) -> None:
        self.call("delete_webhook", "DELETE", ("lists", list_id, "webhooks", webhook_id), nothing)

    def test_webhook(self, list_id: str, webhook_id: str) -> None:
        """Have a sample sent. Refused "610": it did not arrive."""
        self.call("test_webhook", "GET", ("lists", list_id, "webhooks", webhook_id, "test"), nothing)
