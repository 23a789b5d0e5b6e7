"""Language of charts, reports and voice descriptions; English by default.

Rule: drawing code is passed a `Words` object. It knows neither its origin nor the request.
"""

from datetime import date, datetime
from typing import Any

from undertone.emotions import EMOTIONS


class Words:
    """English texts, numbers and dates; a subclass overrides them for another language.

    Attributes
    ----------
    language : str
        Language code.
    """

    language = "en"

    def translate(self, text: str, **values: Any) -> str:
        """Translate a text of the sources and fill in its ``%(name)s`` fields, if any.

        ``make messages`` finds texts by the name of this method, and by ``_``.
        """
        return text % values if values else text

    def number(self, value: float, digits: int = 0, signed: bool = False) -> str:
        """Format a number.

        Parameters
        ----------
        value : float
        digits : int
            Digits after the decimal point.
        signed : bool
            Put a plus sign before a positive number.
        """
        return sign(value, signed) + f"{abs(value):,.{digits}f}"

    def moment(self, moment: datetime, short: bool = False) -> str:
        """Format a date with its time; `short` abbreviates the month."""
        return f"{moment.day} {moment:{'%b' if short else '%B'} %Y, %H:%M}"

    def day(self, moment: date) -> str:
        """Format a day without the year."""
        return f"{moment.day} {moment:%b}"

    def emotion(self, name: str) -> str:
        """Return an emotion's displayed name; an unknown name is returned unchanged."""
        return self.translate(EMOTIONS[name].title) if name in EMOTIONS else name

    def test(self, title: str) -> str:
        """Translate the title of a model's test in ``model.json``: "cremad-si, 6 emotions"."""
        protocol, _comma, emotions = title.partition(", ")
        n = emotions.removesuffix(" emotions")
        if not n.isdecimal():
            return title
        return self.translate("%(test)s, %(n)s emotions", test=protocol, n=n)


ENGLISH = Words()


def sign(value: float, signed: bool) -> str:
    """Return a number's sign; a plus sign only if `signed`."""
    return "−" if value < 0 else "+" if signed else ""
