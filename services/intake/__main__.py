"""`python -m services.intake`: runs intake with settings from the environment."""

import sys

from services.intake.server import serve
from services.intake.settings import IntakeSettings
from services.shared.rpc.process import run_service

if __name__ == "__main__":
    sys.exit(run_service("intake", IntakeSettings, serve))
