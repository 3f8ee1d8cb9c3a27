"""Every metric that the dashboard and the alerts name is one that a service serves, and every alert has its paragraph in docs/observe.md."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.intake.metrics import ACCOUNTS_NAMED, OTHERS, IntakeMetrics
from services.media.metrics import MediaMetrics
from services.notify.metrics import NotifyMetrics

ROOT = Path(__file__).parents[2]
REGISTRIES = {
    "intake": IntakeMetrics().registry,
    "media": MediaMetrics().registry,
    "notify": NotifyMetrics().registry,
}
OF_PROMETHEUS = {"up"}
_SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


def series_of(registry: CollectorRegistry) -> set[str]:
    """The names under which a registry's metrics are asked for."""
    return {metric.name + suffix for metric in registry.collect() for suffix in _SUFFIXES[metric.type]}


SERVED = set().union(*map(series_of, REGISTRIES.values()))


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy/grafana/calldock.json").read_text())
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/calldock.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def named_in(expression: str) -> set[str]:
    """The metrics that an expression of PromQL names."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    return set(re.findall(r"\b(?:calldock|process)_\w+|\bup\b", bare))


EXPRESSIONS = [
    *(
        pytest.param(target["expr"], id=panel["title"])
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    ),
    *(pytest.param(rule["expr"], id=rule["alert"]) for rule in rules()),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_served(expression: str) -> None:
    named = named_in(expression)

    assert named
    assert named - SERVED - OF_PROMETHEUS == set()


def test_every_metric_of_ours_is_on_the_dashboard_and_explained() -> None:
    shown = set().union(*(named_in(target["expr"]) for panel in dashboard()["panels"] for target in panel["targets"]))
    page = (ROOT / "docs/observe.md").read_text()

    for registry in REGISTRIES.values():
        for metric in registry.collect():
            if metric.name.startswith("calldock_"):
                names = {metric.name + suffix for suffix in _SUFFIXES[metric.type]}
                assert names & shown, metric.name
                assert metric.name + _SUFFIXES[metric.type][0].replace("_bucket", "") in page, metric.name


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")

    assert anchor == rule["alert"].lower()
    assert f"### {rule['alert']}\n" in (ROOT / page).read_text()


def test_however_many_accounts_store_something_few_have_a_series() -> None:
    metrics = IntakeMetrics()

    metrics.stores({account: account for account in range(1, 1001)})
    metrics.stores({account: account for account in range(1, 101)})

    (stored,) = [each for each in metrics.registry.collect() if each.name == "calldock_intake_stored_bytes"]
    found = {sample.labels["account"]: sample.value for sample in stored.samples}
    assert len(found) == ACCOUNTS_NAMED + 1
    assert found["100"] == 100
    assert found[OTHERS] == sum(range(1, 81))
