from __future__ import annotations

import pytest

from relay.domain.sensitive import sensitive


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("Do you identify as Aboriginal or Torres Strait Islander?", "Indigenous status"),
        ("What is your date of birth?", "date of birth"),
        ("Do you live with a disability?", "disability"),
        ("Household INCOME before tax", "income"),
        ("What language do you speak at home?", "ethnicity or origin"),
        ("What is your gender?", "gender"),
        ("How is your mental health?", "health"),
    ],
)
def test_questions_that_look_sensitive_are_marked_with_the_subject(question: str, subject: str) -> None:
    assert sensitive(question) == subject


@pytest.mark.parametrize(
    "question",
    ["Which suburb do you live in?", "What is your connection to Bayside?", "First name", "Topics"],
)
def test_other_questions_are_not(question: str) -> None:
    assert sensitive(question) is None
