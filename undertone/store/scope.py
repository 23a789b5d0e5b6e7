"""Scope: database rows visible to a caller, and the owner of rows it adds.

A caller may see and change the rows in its scope only. Every result and every job has an owner: the
id of the API key used to create it. This rule is applied here and nowhere else. `History` and
`Jobs` add the conditions of their scope to each query, and the views get both with the scope of the
current request.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table

NO_OWNER = ""  # rows made without a key, and all rows from before owners existed


@dataclass(frozen=True)
class Scope:
    """A part of the database.

    Attributes
    ----------
    owner : str
        Id of an API key; stored with each added row.
    is_all : bool
        True if rows of all owners are visible, not only those of `owner`.

    Raises
    ------
    ValueError
        The scope has no owner and `is_all` is False. Rows without an owner are visible only
        together with all others.
    """

    owner: str
    is_all: bool = False

    def __post_init__(self) -> None:
        if self.owner == NO_OWNER and not self.is_all:
            raise ValueError("a scope needs an owner unless it is everything")

    @classmethod
    def of_owner(cls, owner: str) -> "Scope":
        """Return the scope of a worker adding rows on behalf of an owner."""
        return cls(owner) if owner != NO_OWNER else EVERYTHING

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """Return the conditions for visible rows of a table with a column ``owner``."""
        return [] if self.is_all else [table.c.owner == self.owner]


EVERYTHING = Scope(NO_OWNER, is_all=True)
NOTHING = Scope("nobody")  # key ids are hexadecimal, so no row has this owner
