"""Imported by the process that others are forked from (`tests/forks.py`), and by nothing else: loads the libraries
and compiles the prompts.

The modules of the command line are dropped again: a command imports its own, under its own environment.
"""

from __future__ import annotations

import sys
from importlib import import_module

from agent.prompting import PromptBook
from cli.main import COMMANDS

for _module in sorted({module for module, _ in COMMANDS.values()}):
    import_module(f"cli.{_module}")
for _name in [name for name in sys.modules if name.split(".")[0] == "cli"]:
    del sys.modules[_name]

PromptBook.here()
