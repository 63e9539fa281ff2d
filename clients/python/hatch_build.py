"""The build's own step: makes the messages from the contract, and puts the contract into source distributions."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from generate import PROTO, contract, generate  # noqa: E402


class Wire(BuildHookInterface):
    """Runs before a wheel or a source distribution is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Makes what the target needs."""
        if self.target_name == "sdist":
            build_data["force_include"][str(contract() / PROTO)] = f"proto/{PROTO}"
        else:
            generate()
