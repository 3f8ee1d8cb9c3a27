"""`python -m services.intake`: runs intake with settings from the environment."""

import uvloop

from services.intake.server import serve
from services.intake.settings import IntakeSettings
from services.shared.rpc.process import run_service

if __name__ == "__main__":
    # An eighth less CPU for a small upload than asyncio's own loop (benchmarks/results.md).
    run_service("intake", IntakeSettings, serve, uvloop.new_event_loop)
