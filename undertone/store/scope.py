"""Scope: which rows of the database a caller may see and change, and who owns the rows it adds.

Every result and every job has an owner, the id of the API key that made it. The rule is applied
here and nowhere else: `History` and `Jobs` add the conditions of their scope to each query, and
the views get both with the scope of the current request.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table

NO_OWNER = ""  # of rows made without a key, and of all rows from before there were owners


@dataclass(frozen=True)
class Scope:
    """A part of the database.

    Attributes
    ----------
    owner : str
        Id of a key; stored with each row that is added.
    is_all : bool
        Whether rows of all owners are visible, not only those of `owner`.

    Raises
    ------
    ValueError
        The scope is that of rows without an owner alone. They are visible with all others only.
    """

    owner: str
    is_all: bool = False

    def __post_init__(self) -> None:
        if self.owner == NO_OWNER and not self.is_all:
            raise ValueError("a scope needs an owner unless it is everything")

    @classmethod
    def of_owner(cls, owner: str) -> "Scope":
        """Return the scope of a worker that adds rows on behalf of an owner."""
        return cls(owner) if owner != NO_OWNER else EVERYTHING

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """Return what must hold for a visible row of a table with a column ``owner``."""
        return [] if self.is_all else [table.c.owner == self.owner]


EVERYTHING = Scope(NO_OWNER, is_all=True)
NOTHING = Scope("nobody")  # ids of keys are hexadecimal, so no row has this owner
