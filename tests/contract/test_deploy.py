"""What is deployed agrees with schemas and with the code: settings, ports, names, secrets, who may speak to whom, what is installed."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from kubernetes_validate import validate

from services.cli.process_certificates import PROCESSES
from services.intake.server import CALLERS as INTAKE_CALLERS
from services.intake.settings import IntakeSettings
from services.media.server import CALLERS as MEDIA_CALLERS
from services.media.settings import MediaSettings
from services.notify.server import CALLERS as NOTIFY_CALLERS
from services.notify.settings import NotifySettings
from services.shared.rpc.process import SECRETS_DIR
from services.shared.rpc.serve import LIVE
from services.shared.rpc.tls import certificate_name
from services.shared.settings import ServiceSettings, check_internal_listener
from tools.scaled_envoy import HTTP_PORT, PUBLIC_PORT, TARGET, scaled_config

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "kubernetes/base"
KUBERNETES = "1.34"
SETTINGS: Mapping[str, type[ServiceSettings]] = {
    "intake": IntakeSettings,
    "media": MediaSettings,
    "notify": NotifySettings,
}
OF_THE_PROCESS = {SECRETS_DIR, "CALLDOCK_SOCKETS"}
COMPONENT = "app.kubernetes.io/component"


def documents(*places: Path) -> list[Any]:
    return [document for place in places for document in yaml.safe_load_all(place.read_text()) if document]


def manifests() -> list[Any]:
    names = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return documents(*(BASE / name for name in names))


def of_kind(kind: str) -> dict[str, Any]:
    return {each["metadata"]["name"]: each for each in manifests() if each["kind"] == kind}


def container(deployment: Any) -> Any:
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


def kubernetes_environment(service: str) -> dict[str, str]:
    lines = (BASE / "settings.env").read_text().splitlines()
    common = dict(line.split("=", 1) for line in lines)
    own = {each["name"]: each["value"] for each in container(of_kind("Deployment")[service])["env"]}
    return {**common, **own}


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


ENVIRONMENTS = [
    pytest.param(service, environment, secrets, id=f"{where} {service}")
    for service in SETTINGS
    for where, environment, secrets in (
        (
            "kubernetes",
            kubernetes_environment(service),
            [
                item["path"]
                for volume in of_kind("Deployment")[service]["spec"]["template"]["spec"]["volumes"]
                if volume["name"] == "secrets"
                for item in volume["secret"]["items"]
            ],
        ),
        ("compose", compose()["services"][service]["environment"], compose()["services"][service]["secrets"]),
    )
]


@pytest.mark.parametrize(("service", "environment", "secrets"), ENVIRONMENTS)
def test_every_name_is_a_setting_and_a_service_has_what_it_needs(
    service: str, environment: dict[str, str], secrets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = {f"CALLDOCK_{name.upper()}" for kind in SETTINGS.values() for name in kind.model_fields}
    own = {f"calldock_{name}" for name in SETTINGS[service].model_fields}
    assert set(environment) - OF_THE_PROCESS <= everywhere
    assert set(secrets) <= own
    values = {
        "calldock_secret_key": base64.b64encode(bytes(32)).decode(),
        "calldock_edge_key": base64.b64encode(bytes(32)).decode(),
        "calldock_session_key": base64.b64encode(bytes(32)).decode(),
        "calldock_database_url": "postgresql://c@h/c",
    }
    for name in secrets:
        (tmp_path / name).write_text(values.get(name, "x"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    kind: Any = SETTINGS[service]
    settings: ServiceSettings = kind(_secrets_dir=str(tmp_path))
    check_internal_listener(settings)

    assert settings.peer_tls is not None
    assert settings.public_addresses == (f"0.0.0.0:{PUBLIC_PORT}",)
    assert "0.0.0.0:9091" in settings.internal_addresses
    assert settings.session_key is not None
    if isinstance(settings, MediaSettings):
        assert settings.http_listen == f"0.0.0.0:{HTTP_PORT}"
        assert settings.edge_key is not None


# The schema of cert-manager.io is not to be had here; what is said in its words is checked below.
KNOWN = [each for each in manifests() if not each["apiVersion"].startswith("cert-manager.io/")]


@pytest.mark.parametrize("manifest", KNOWN, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_manifests_are_what_kubernetes_takes(manifest: Any) -> None:
    validate(manifest, KUBERNETES, strict=True)


def test_the_overlay_is_what_kubernetes_takes() -> None:
    overlay = DEPLOY / "kubernetes/overlays/example"
    validate(*documents(overlay / "namespace.yaml"), KUBERNETES, strict=True)
    (patch,) = documents(overlay / "database.yaml")
    assert patch["metadata"]["name"] in of_kind("NetworkPolicy")
    for folder in (BASE, overlay):
        said = yaml.safe_load((folder / "kustomization.yaml").read_text())
        files = [*said["resources"], *(each["path"] for each in said.get("patches", []))]
        files += [
            name for each in said["configMapGenerator"] for name in (*each.get("files", []), *each.get("envs", []))
        ]
        assert all((folder / name).exists() for name in files)


def test_the_compose_file_is_what_compose_takes() -> None:
    found = PyCompose.from_json(json.dumps(compose()).replace("${CALLDOCK_IMAGE:-calldock}", "calldock"))

    assert set(SETTINGS) | {"envoy", "postgres", "s3", "bucket", "certificates"} == set(found.service_names())
    said = compose()
    for name, service in said["services"].items():
        assert set(service.get("secrets", [])) <= set(said["secrets"]), name
        assert set(service.get("networks", [])) <= set(said["networks"]), name
        assert set(service.get("depends_on", {})) <= set(said["services"]), name


def test_in_compose_only_media_and_notify_have_a_way_out_and_ours_are_confined() -> None:
    said = compose()

    assert said["networks"]["inside"]["internal"] is True
    assert {name for name, each in said["services"].items() if "outside" in each.get("networks", [])} == {
        "media",
        "notify",
    }
    for name in (*SETTINGS, "envoy", "certificates"):
        service = said["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["user"] == "10001:10001"
    assert [name for name, each in said["services"].items() if "ports" in each] == ["envoy"]
    assert said["services"]["envoy"]["ports"] == ["127.0.0.1:8080:8080"]


@pytest.mark.parametrize("deployment", of_kind("Deployment").values(), ids=of_kind("Deployment"))
def test_pods_are_confined_and_bounded(deployment: Any) -> None:
    pod, inside = deployment["spec"]["template"]["spec"], container(deployment)

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert inside["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(inside["resources"]["requests"])
    assert "memory" in inside["resources"]["limits"]
    stop_s = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert stop_s > inside["lifecycle"]["preStop"]["sleep"]["seconds"] + 10


def test_ports_probes_selectors_and_budgets_mean_something_that_is_there() -> None:
    deployments = of_kind("Deployment")
    for name, deployment in deployments.items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert labels == deployment["spec"]["selector"]["matchLabels"] == {COMPONENT: name}
        ports = {each["name"]: each["containerPort"] for each in container(deployment)["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            said = container(deployment)[probe]
            (port,) = [said[kind]["port"] for kind in ("grpc", "httpGet", "tcpSocket") if kind in said]
            assert port in {*ports, *ports.values()}
            if name in SETTINGS:
                assert kubernetes_environment(name)["CALLDOCK_HEALTH_LISTEN"] == f"0.0.0.0:{port}"
                # The overall health of a Listener is its readiness; being alive has a name of its own.
                assert said["grpc"].get("service", "") == (LIVE if probe == "livenessProbe" else "")
        budget = of_kind("PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"] == labels
    for name, service in of_kind("Service").items():
        (selected,) = service["spec"]["selector"].values()
        targets = {each["name"] for each in container(deployments[selected])["ports"]}
        assert {each["targetPort"] for each in service["spec"]["ports"]} <= targets
        if name in SETTINGS:
            assert service["spec"]["clusterIP"] == "None"
            address = kubernetes_environment("intake")[f"CALLDOCK_{name.upper()}_ADDRESS"]
            assert (
                address
                == f"dns:///{name}:{next(p['port'] for p in service['spec']['ports'] if p['name'] == 'internal')}"
            )
    (scaler,) = of_kind("HorizontalPodAutoscaler").values()
    assert scaler["spec"]["scaleTargetRef"]["name"] == "media"
    assert "replicas" not in deployments["media"]["spec"]


def test_every_process_mounts_a_certificate_that_names_it_alone() -> None:
    issued = of_kind("Certificate")
    for name, deployment in of_kind("Deployment").items():
        volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
        assert volumes["peer"]["secret"]["secretName"] == issued[name]["spec"]["secretName"]
        assert issued[name]["spec"]["dnsNames"] == [certificate_name(name)]
        assert compose()["services"][name]["volumes"][0 if name != "envoy" else 1]["volume"] == {"subpath": name}
        assert name in PROCESSES


def selects(selector: Any, component: str) -> bool:
    labels = selector.get("matchLabels", {})
    said = [each for each in selector.get("matchExpressions", []) if each["key"] == COMPONENT]
    return labels.get(COMPONENT, component) == component and all(component in each["values"] for each in said)


def ways(direction: str, component: str) -> Iterator[tuple[Any, list[Any]]]:
    """Whom a component may hear or reach, with the ports, over all policies that select it."""
    for policy in of_kind("NetworkPolicy").values():
        if selects(policy["spec"]["podSelector"], component):
            for rule in policy["spec"].get(direction, []):
                ports = [each["port"] for each in rule.get("ports", [])]
                for peer in rule.get("to" if direction == "egress" else "from", [{}]):
                    yield peer, ports


def test_only_media_and_notify_reach_out_and_everybody_else_is_told_no() -> None:
    components = (*SETTINGS, "envoy")
    reach_out = {each for each in components if any("ipBlock" in peer or not peer for peer, _ in ways("egress", each))}
    nothing = of_kind("NetworkPolicy")["nothing"]["spec"]

    assert reach_out == {"media", "notify"}
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for component in ("media", "notify"):
        for peer, _ in ways("egress", component):
            block = peer.get("ipBlock", {})
            if block.get("cidr") == "0.0.0.0/0":
                assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(block["except"])


def test_policies_let_through_whom_the_internal_listeners_are_for_and_envoy_to_the_public_ones() -> None:
    expected = {
        "intake": {*INTAKE_CALLERS.values()},
        "media": {*MEDIA_CALLERS.values()},
        "notify": {*NOTIFY_CALLERS.values()},
    }
    for service, callers in expected.items():
        # The operator comes through the socket.
        wanted = frozenset[str]().union(*callers) - {"operator"}
        http = {"envoy"} if service == "media" else set[str]()
        for port, those in (("internal", wanted), ("public", {"envoy"}), ("http", http)):
            let_in = {
                each
                for each in (*SETTINGS, "envoy")
                for peer, ports in ways("ingress", service)
                if port in ports and selects(peer["podSelector"], each)
            }
            assert let_in == those
            for caller in those:
                assert any(
                    port in ports and "podSelector" in peer and selects(peer["podSelector"], service)
                    for peer, ports in ways("egress", caller)
                )


METRICS = {"prometheus.io/scrape": "true", "prometheus.io/port": "9100", "prometheus.io/path": "/metrics"}


@pytest.mark.parametrize("service", SETTINGS)
def test_metrics_are_where_annotations_say_and_open_to_prometheus_alone(service: str) -> None:
    deployment = of_kind("Deployment")[service]
    listen = kubernetes_environment(service)[f"CALLDOCK_{service.upper()}_METRICS_LISTEN"]
    (port,) = [each["containerPort"] for each in container(deployment)["ports"] if each["name"] == "metrics"]

    assert listen == f"0.0.0.0:{port}"
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {**METRICS, "prometheus.io/port": str(port)}
    assert [peer for peer, ports in ways("ingress", service) if "metrics" in ports or not ports] == [
        {
            "namespaceSelector": {"matchLabels": {"calldock-metrics": "reads"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        }
    ]


def test_prometheus_in_a_cluster_finds_a_pod_once_and_names_its_job_as_rules_and_panels_do() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus/kubernetes.yml").read_text())["scrape_configs"]
    steps = {each["source_labels"][0].removeprefix("__meta_kubernetes_pod_"): each for each in job["relabel_configs"]}

    assert steps["annotation_prometheus_io_scrape"]["regex"] == METRICS["prometheus.io/scrape"]
    assert steps["container_port_name"] == {**steps["container_port_name"], "regex": "metrics", "action": "keep"}
    assert steps["label_app_kubernetes_io_component"]["replacement"] == "calldock-$1"
    assert 'job=~"calldock-.*"' in (DEPLOY / "prometheus/calldock.rules.yml").read_text()


def test_the_front_door_for_replicas_is_what_the_template_gives() -> None:
    assert TARGET.read_text() == scaled_config()


def envoy_config() -> Any:
    return yaml.safe_load(TARGET.read_text())["static_resources"]


def test_envoy_speaks_to_ports_that_are_there_and_believes_the_service_that_stands_behind_each() -> None:
    for cluster in envoy_config()["clusters"]:
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        address = endpoint["endpoint"]["address"]["socket_address"]
        ports = {each["port"] for each in of_kind("Service")[address["address"]]["spec"]["ports"]}
        tls = cluster["transport_socket"]["typed_config"]

        assert address["port_value"] in ports
        assert tls["sni"] == certificate_name(address["address"])
        assert certificate_name(address["address"]) in json.dumps(
            tls["common_tls_context"]["combined_validation_context"]
        )


def test_envoy_lets_as_many_listen_as_media_does_and_waits_as_long_for_who_takes_nothing() -> None:
    bounds = MediaSettings(public_listen="unix:/x", internal_listen="unix:/y", intake_address="unix:/z").listening
    for name in ("media", "media_http"):
        (cluster,) = [each for each in envoy_config()["clusters"] if each["name"] == name]
        (room,) = cluster["circuit_breakers"]["thresholds"]
        assert room["max_requests"] > bounds.most
        # Over HTTP/2 one connection is enough for many.
        assert name == "media" or room["max_connections"] > bounds.most
    (chain,) = envoy_config()["listeners"][0]["filter_chains"]
    (host,) = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
    idle = {each["match"].get("prefix"): each.get("route", {}).get("idle_timeout") for each in host["routes"]}
    for path in ("/v1/playback/", "/calldock.media.v1.RecordingService/"):
        assert idle[path] == f"{bounds.idle_s:.0f}s"


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd is not here")
    unit = (DEPLOY / "systemd/calldock.service").read_text()
    assert "ExecStart=/opt/calldock/bin/calldock up " in unit
    # The program is not installed here.
    (tmp_path / "calldock.service").write_text(unit.replace("/opt/calldock/bin/calldock", "/bin/true"))

    answer = subprocess.run(
        [verify, "verify", str(tmp_path / "calldock.service")], capture_output=True, text=True, check=False
    )

    assert (answer.returncode, answer.stderr) == (0, "")


def pins(lock: Path) -> dict[str, set[str]]:
    """Each name and version of a lock with its hashes."""
    found: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?=\S)", lock.read_text()):
        name = re.match(r"[a-z0-9._-]+(?:\[\w+\])?==[^\s;]+", entry)
        if name:
            found[re.sub(r"\[\w+\]", "", name[0])] = set(re.findall(r"--hash=(\S+)", entry))
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_the_image_installs_what_is_tested_by_hash_and_no_tools_of_developers(name: str) -> None:
    tested, installed = pins(DEPLOY.parent / "requirements.lock"), pins(DEPLOY / "image" / name)

    assert installed
    assert all(hashes and tested.get(pin) == hashes for pin, hashes in installed.items())
    assert not {"pytest", "moto", "mypy", "schemathesis"} & {pin.partition("==")[0] for pin in installed}


def test_the_image_copies_what_its_steps_need() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE))
    kept = {
        line.removeprefix("!") for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }

    assert {name for names in copied for name in names.split()} == kept
    assert "USER 10001:10001" in dockerfile
    assert "RUN deploy/image/install.sh /opt/calldock" in dockerfile
