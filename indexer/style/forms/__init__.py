"""The normal form of each language: how its names are bound, which shapes are one, how it is printed.

Whoever wants a text in its normal form asks `indexer.style.normalise`.
"""

from indexer.style.forms import c, go, java, javascript, python
from indexer.style.forms.form import Form

LANGUAGES: dict[str, Form] = {
    "python": python.FORM,
    "javascript": javascript.FORM,
    "typescript": javascript.FORM,
    "java": java.FORM,
    "go": go.FORM,
    "c": c.C,
    "c++": c.CPP,
}
