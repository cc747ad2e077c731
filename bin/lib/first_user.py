"""The demonstration's administrator, made as a person would make one: by the set-up link and its form."""

import re
import secrets

import requests

ADDRESS = "demo@example.org"


def make(setup_link: str) -> str:
    """The password of `ADDRESS`, another one each time. :raise RuntimeError:"""
    password = secrets.token_hex(8)
    browser = requests.Session()
    page = browser.get(setup_link, timeout=30)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    form = {"email": ADDRESS, "name": "Demo Administrator", "password": password}
    done = browser.post(setup_link, data={**form, "csrf_token": token[1] if token else ""}, timeout=30)
    if not done.ok:
        raise RuntimeError(f"The set-up page answered {done.status_code}.")
    return password
