"""`python -m services.media`: runs media with settings from the environment."""

if __name__ == "__main__":
    # Inside, because worker processes import this module too, and need none of it.
    from services.media.server import serve
    from services.media.settings import MediaSettings
    from services.shared.rpc.process import run_service

    run_service("media", MediaSettings, serve)
