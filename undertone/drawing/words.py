"""The language of pictures, reports and what is told of a voice: English, unless another is given.

The rule: whoever draws is handed `Words`, and knows neither where they come from nor who asks.
"""

from datetime import date, datetime
from typing import Any

from undertone.emotions import EMOTIONS


class Words:
    """English; another language overrides what it has otherwise.

    Attributes
    ----------
    language : str
        Its code.
    """

    language = "en"

    def translate(self, text: str, **values: Any) -> str:
        """A text of the sources in this language, with ``%(name)s`` filled in where there are any.

        ``make messages`` finds texts by this name, and by ``_``.
        """
        return text % values if values else text

    def number(self, value: float, digits: int = 0, signed: bool = False) -> str:
        """A number with so many digits after the point."""
        return sign(value, signed) + f"{abs(value):,.{digits}f}"

    def moment(self, moment: datetime, short: bool = False) -> str:
        """A date with its time."""
        return f"{moment.day} {moment:{'%b' if short else '%B'} %Y, %H:%M}"

    def day(self, moment: date) -> str:
        """A day without the year."""
        return f"{moment.day} {moment:%b}"

    def emotion(self, name: str) -> str:
        """An emotion as it is shown; a name that is not known stays as it is."""
        return self.translate(EMOTIONS[name].title) if name in EMOTIONS else name

    def test(self, title: str) -> str:
        """A test of a model, such as "cremad-si, 6 emotions", as ``model.json`` has it."""
        protocol, _comma, emotions = title.partition(", ")
        n = emotions.removesuffix(" emotions")
        if not n.isdecimal():
            return title
        return self.translate("%(test)s, %(n)s emotions", test=protocol, n=n)


ENGLISH = Words()


def sign(value: float, signed: bool) -> str:
    """What stands before a number; with `signed` also where it is positive."""
    return "−" if value < 0 else "+" if signed else ""
