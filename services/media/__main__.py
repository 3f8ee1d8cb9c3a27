"""`python -m services.media`: runs media with settings from the environment."""

import sys

from services.media.server import serve
from services.media.settings import MediaSettings
from services.shared.rpc.process import run_service

if __name__ == "__main__":
    sys.exit(run_service("media", MediaSettings, serve))
