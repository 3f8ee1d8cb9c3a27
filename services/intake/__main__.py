"""`python -m services.intake`: runs intake with settings from the environment."""

from services.intake.server import serve
from services.intake.settings import IntakeSettings
from services.shared.rpc.process import run_service

if __name__ == "__main__":
    run_service("intake", IntakeSettings, serve)
