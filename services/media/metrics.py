"""media's metrics, by Prometheus's conventions."""

from prometheus_client import CollectorRegistry, Counter, ProcessCollector

OK = "ok"


class MediaMetrics:
    """Counts downloads and judgements as they end."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._downloads = Counter(
            "calldock_media_downloads",
            "Downloads of calls' recordings: ok, or the contract's error code",
            ["outcome"],
            registry=self.registry,
        )
        self._bytes = Counter(
            "calldock_media_downloaded_bytes", "Bytes of the downloads that were ok", registry=self.registry
        )
        self._audio_s = Counter(
            "calldock_media_judged_audio_seconds", "Length of the recordings that were judged", registry=self.registry
        )
        self._cpu_s = Counter(
            "calldock_media_judging_cpu_seconds",
            "CPU time that workers took for them, MP3s included",
            registry=self.registry,
        )

    def downloaded(self, error_code: str | None, size_bytes: int) -> None:
        """A download ended."""
        self._downloads.labels(error_code or OK).inc()
        self._bytes.inc(size_bytes)

    def judged(self, audio_s: float, cpu_s: float) -> None:
        """A worker came to a verdict."""
        self._audio_s.inc(audio_s)
        self._cpu_s.inc(cpu_s)
