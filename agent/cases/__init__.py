"""A case is a run that ended, as a file that any machine can run again: what was asked, answered, decided and said."""

from agent.cases.case import FORMAT, Account, Asked, Attempt, Case, Cost, Happened, Ran, Refused, Written
from agent.cases.files import NotACase, TooLarge, dumped, loads, read, written
from agent.cases.making import Unexportable, made

__all__ = [
    "FORMAT",
    "Account",
    "Asked",
    "Attempt",
    "Case",
    "Cost",
    "Happened",
    "NotACase",
    "Ran",
    "Refused",
    "TooLarge",
    "Unexportable",
    "Written",
    "dumped",
    "loads",
    "made",
    "read",
    "written",
]
