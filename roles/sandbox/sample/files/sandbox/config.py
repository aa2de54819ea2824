"""The configuration that refarch writes, one JSON file per program."""

import json
import os


def load():
    """The content of the file named by SANDBOX_CONFIG."""
    with open(os.environ["SANDBOX_CONFIG"], encoding="utf-8") as file:
        return json.load(file)
