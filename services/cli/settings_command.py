"""`calldock settings`: all settings, for people and machines."""

import json
import os
from dataclasses import asdict

from services.cli.options import Json


def show_settings(json_output: Json = False) -> None:
    """Shows every setting: its name, who reads it, its default, what it means. Of those that are set it says so, and not to what."""
    # Loaded here: other commands should not wait for what only this one needs.
    from services.cli.known_settings import known_settings

    settings = known_settings()
    if json_output:
        told = [{"name": name, **asdict(known), "is_set": name in os.environ} for name, known in settings.items()]
        print(json.dumps({"settings": told}, ensure_ascii=False, indent=2))
        return
    for name, known in settings.items():
        is_set = " [set]" if name in os.environ else ""
        print(f"{name}{is_set}  ({', '.join(known.readers) or 'calldock'}; default: {known.default or 'none'})")
        print(f"    {known.meaning}")
