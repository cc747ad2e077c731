"""Which questions look as if their answers need more care than others: by words in the question, in plain view.

The list errs towards marking: a mark costs a glance. It follows the sensitive information of Australia's Privacy Act
1988 (section 6) and the special categories of the GDPR (article 9), and adds what harms when it leaks.
"""

import re

SUBJECTS: dict[str, tuple[str, ...]] = {
    "health": ("health", "medical", "medication", "illness", "diagnos", "allerg", "dietary", "pregnan", "vaccin"),
    "disability": ("disab", "impairment", "accessib", "access needs", "carer", "wheelchair", "ndis", "neurodiver"),
    "ethnicity or origin": (
        "ethnic", "race", "racial", "ancestry", "cultural", "culture", "country of birth", "born", "nationality",
        "language", "refugee", "migrant", "visa", "citizen",
    ),
    "Indigenous status": ("indigenous", "aboriginal", "torres strait", "first nations", "maori", "māori", "mob", "iwi"),
    "religion": ("religio", "faith", "worship", "belief"),
    "sexuality": ("sexual", "orientation", "lgbt", "queer"),
    "gender": ("gender", "pronoun", "intersex", "transgender", "what is your sex", "your sex"),
    "politics or unions": ("politic", "voting", "vote for", "union member", "trade union"),
    "income": ("income", "salary", "earn", "financial", "concession", "pension", "benefit", "mortgage"),
    "date of birth": ("date of birth", "birthday", "birth date", "birthdate", "year of birth", "dob"),
    "criminal record": ("criminal", "conviction", "police check"),
    "identity documents": ("passport", "driver licence", "drivers licence", "driver's licence", "medicare", "tax file"),
    "family": ("marital", "relationship status", "domestic", "violence"),
}  # fmt: skip
"""subject → beginnings of words, or phrases."""

_PATTERNS = {
    subject: re.compile(r"\b(" + "|".join(map(re.escape, words)) + ")", re.IGNORECASE)
    for subject, words in SUBJECTS.items()
}


def sensitive(question: str) -> str | None:
    """The subject that makes a question's answers look sensitive, or None."""
    return next((subject for subject, pattern in _PATTERNS.items() if pattern.search(question)), None)
