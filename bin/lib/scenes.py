"""Which pages bin/screenshots takes: a name, whose page it is, and its address. A page group adds its lines here.

In an address stand {c} (a connection in step), {setup} (one half way through its set-up), {paused}, {run}, {asks} and
{braked} (a connection with a run that the brake stopped), {shut} and {refusing} (one whom EngagementHQ lets in no more,
and its run), {mill} and {export} (one that is read by exports), {person}, {refused} (a person CM refuses), {delivery}
and {quarantined}. What does not exist is said and left out. `script` is run in the page before the picture: it may
press a button whose answer has no address of its own.
"""

from typing import NamedTuple


class Scene(NamedTuple):
    name: str
    role: str
    address: str
    script: str = ""


def press(selector: str) -> str:
    return f"document.querySelector({selector!r}).click();"


def fill(selector: str, text: str) -> str:
    return f"document.querySelectorAll({selector!r}).forEach(one => one.value = {text!r});"


def save(section: str) -> str:
    return press(f"form[action$='/{section}'] button")


UNCHECKED, SEND = "document.querySelector('main form').noValidate = true;", press("main form button")
WRONG_ALIAS = '{"overrides": {"attributes": {"subscribed": ["unconfirmed"]}}}'
EMPTY = (  # before anything is connected
    Scene("login", "", "/login"),
    Scene("connections-empty", "admin", "/"),
    Scene("audit-empty", "admin", "/audit"),
)
SCENES = (
    Scene("health", "viewer", "/c/{c}"),
    Scene("health-paused", "operator", "/c/{paused}"),
    Scene("health-braked", "operator", "/c/{asks}"),
    Scene("health-shut-out", "operator", "/c/{shut}"),
    Scene("connections", "admin", "/"),
    Scene("users", "admin", "/users"),
    Scene("user", "admin", "/users/1"),
    Scene("user-invite", "admin", "/users/invite"),
    Scene("account", "viewer", "/account"),
    Scene("audit", "admin", "/audit"),
    Scene("audit-nothing", "admin", "/audit?since=2031-01-01"),
    Scene("forbidden", "viewer", "/users"),
    Scene("not-found", "viewer", "/c/nobody"),
    # One connection
    Scene("connect", "admin", "/connect"),
    Scene("connect-wrong", "admin", "/connect", UNCHECKED + SEND),
    Scene("connect-overrides", "admin", "/connect", UNCHECKED + fill("#document", WRONG_ALIAS) + SEND),
    Scene("setup", "admin", "/c/{setup}/setup"),
    Scene("setup-viewer", "viewer", "/c/{setup}/setup"),
    Scene("setup-client", "operator", "/c/{half}/setup/client"),
    Scene("setup-list", "operator", "/c/{half}/setup/list"),
    Scene("setup-read", "operator", "/c/{half}/setup/read"),
    Scene("setup-answers", "operator", "/c/{half}/setup/answers"),
    Scene("setup-preview", "operator", "/c/{half}/setup/preview"),
    Scene("setup-webhook", "operator", "/c/{half}/setup/webhook"),
    Scene("runs", "viewer", "/c/{c}/runs"),
    Scene("run", "operator", "/c/{c}/runs/{run}"),
    Scene("run-people", "viewer", "/c/{c}/runs/{run}/people"),
    Scene("run-braked", "operator", "/c/{asks}/runs/{braked}"),
    Scene("run-shut-out", "operator", "/c/{shut}/runs/{refusing}"),
    Scene("run-dry", "operator", "/c/{c}/runs/{dry}"),
    Scene("run-undo", "operator", "/c/{c}/runs/{run}/undo"),
    Scene("reconnect", "operator", "/c/{c}/campaign-monitor"),
    Scene("people", "operator", "/c/{c}/people"),
    Scene("people-viewer", "viewer", "/c/{c}/people?which=off"),
    Scene("people-nothing", "operator", "/c/{c}/people?q=nobody"),
    Scene("person", "operator", "/c/{c}/people/{person}"),
    Scene("person-syncing", "operator", "/c/{c}/people/{syncing}"),
    Scene("person-synced", "operator", "/c/{c}/people/{synced}"),
    Scene("person-erased", "admin", "/c/{c}/people/{erased}"),
    Scene("person-off", "viewer", "/c/{c}/people/{off}"),
    Scene("person-refused", "operator", "/c/{c}/people/{refused}"),
    Scene("deliveries", "operator", "/c/{c}/deliveries"),
    Scene("deliveries-replay", "operator", "/c/{c}/deliveries/replay?type=participant.registered"),
    Scene("delivery", "operator", "/c/{c}/deliveries/{delivery}"),
    Scene("delivery-quarantined", "operator", "/c/{c}/deliveries/{quarantined}"),
    Scene("deliveries-nothing", "operator", "/c/{c}/deliveries?type=nothing"),
    Scene("deliveries-empty", "operator", "/c/{paused}/deliveries"),
    Scene("problems", "operator", "/c/{c}/problems"),
    Scene("problems-braked", "viewer", "/c/{asks}/problems"),
    Scene("problems-empty", "operator", "/c/{paused}/problems"),
    Scene("fields", "admin", "/c/{c}/fields"),
    Scene("fields-missing", "operator", "/c/{asks}/fields"),
    Scene("fields-effect", "operator", "/c/{c}/fields", press("#q1") + press("main form .btn-primary")),
    Scene("fields-empty", "operator", "/c/{paused}/fields"),
    Scene("import", "operator", "/c/{c}/import"),
    Scene("import-wrong", "operator", "/c/{c}/import", UNCHECKED + SEND),
    Scene("import-one", "operator", "/c/{mill}/import/{export}"),
    Scene("overrides", "operator", "/c/{c}/overrides"),
    Scene("overrides-wrong", "operator", "/c/{c}/overrides", fill("#document", "{") + SEND),
    Scene("overrides-effect", "operator", "/c/{c}/overrides", fill("#document", WRONG_ALIAS) + press("main .btn-lg")),
    Scene("settings", "admin", "/c/{c}/settings"),
    Scene("settings-roles", "admin", "/c/{mill}/settings"),
    Scene("settings-viewer", "viewer", "/c/{c}/settings"),
    Scene("settings-effect", "operator", "/c/{c}/settings", press("#audience-participants") + save("audience")),
    Scene(
        "settings-stale", "operator", "/c/{c}/settings", fill("#people", "9") + fill("[name=seen]", "") + save("brake")
    ),
    Scene("settings-secret", "operator", "/c/{paused}/settings", save("secret")),
    Scene("settings-saved", "operator", "/c/{c}/settings/audience?audience=everyone"),
    Scene("form-out-of-date", "operator", "/c/{c}/settings", fill("[name=csrf_token]", "") + save("brake")),
    Scene(
        "deliveries-replayed",
        "operator",
        "/c/{c}/deliveries/replay?type=participant.registered",
        press("main .btn-primary"),
    ),
)
AWAY = (Scene("database-away", "operator", "/c/{c}/settings"),)
"""When the database cannot be asked any more."""
DOCS = ("connections", "setup", "health", "run", "person", "problems")
"""Those that bin/screenshots --docs makes for README and the manuals, in docs/images."""
