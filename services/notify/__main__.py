"""`python -m services.notify`: runs notify with settings from the environment."""

from services.notify.server import serve
from services.notify.settings import NotifySettings
from services.shared.rpc.process import run_service

if __name__ == "__main__":
    run_service("notify", NotifySettings, serve)
