"""deploy/kubernetes as kubectl builds it: true to the schemas of Kubernetes, and to the service that it runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cds_service import __version__
from cds_service.cli import gunicorn_conf
from cds_service.config import Settings, load_settings, load_site
from cds_service.hooks.trust import mode_of
from cds_service.knowledge import model
from cds_service.rules_in_force import in_force

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
EXAMPLE = FOLDER / "overlays" / "example"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
#: The oldest that has all that is used (the preStop action `sleep`), and the newest that the schemas know.
VERSIONS = ("1.30", "1.37")


def built(folder: Path) -> list[dict[str, Any]]:
    """What ``kubectl kustomize`` makes of a folder; no cluster is asked."""
    command = [str(Path(sys.executable).with_name("kubectl")), "kustomize", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own files
    assert made.returncode == 0, made.stderr
    assert made.stderr == "", "warnings too"
    return [document for document in yaml.safe_load_all(made.stdout) if document]


BUILT = {folder.name: built(folder) for folder in (FOLDER / "base", EXAMPLE)}
EVERY = [
    (document, f"{name}-{document['kind']}-{document['metadata']['name']}")
    for name, all_ in BUILT.items()
    for document in all_
]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in BUILT["example"] if document["kind"] == kind]


def pods() -> dict[str, dict[str, Any]]:
    """The pod specification of everything that runs one."""
    (deployment,), (job,), (cron,) = of_kind("Deployment"), of_kind("Job"), of_kind("CronJob")
    return {
        "server": deployment["spec"]["template"],
        "migrate": job["spec"]["template"],
        "purge": cron["spec"]["jobTemplate"]["spec"]["template"],
    }


PODS = pods()
CONTAINERS = [container for pod in PODS.values() for container in pod["spec"]["containers"]]
(SERVER,) = PODS["server"]["spec"]["containers"]


def config_map(prefix: str) -> dict[str, str]:
    (found,) = [m for m in of_kind("ConfigMap") if m["metadata"]["name"].startswith(prefix)]
    return dict(found["data"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", [d for d, _ in EVERY], ids=[name for _, name in EVERY])
def test_every_document_is_what_kubernetes_expects(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_a_misspelt_field_would_be_seen() -> None:
    (deployment,) = of_kind("Deployment")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(
            deployment | {"spec": deployment["spec"] | {"replica": 2}}, VERSIONS[-1], strict=True
        )


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container["name"])
def test_containers_may_do_nothing_but_run(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory", "ephemeral-storage"}
    assert "memory" in container["resources"]["limits"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108 - in the container
    assert [mount for mount in container["volumeMounts"] if "subPath" in mount] == []


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_pods_run_as_the_user_of_the_image_without_a_token(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    assert re.search(rf"^USER {spec['securityContext']['runAsUser']}$", DOCKERFILE, re.MULTILINE)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == of_kind("ServiceAccount")[0]["metadata"]["name"]
    declared = {volume["name"] for volume in spec["volumes"]}
    assert {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]} == declared


def test_images_are_those_of_this_version() -> None:
    for path in (FOLDER / "base").glob("*.yaml"):
        for image in re.findall(r"image: (.*)", path.read_text("utf-8")):
            assert image == f"b2m-cds-service:{__version__}"
    assert {container["image"].rsplit(":", 1)[1] for container in CONTAINERS} == {__version__}


def names_of_environment() -> Iterator[str]:
    yield from config_map("cds-service-settings")
    for container in CONTAINERS:
        yield from (entry["name"] for entry in container.get("env", []))


def test_the_environment_is_of_settings_that_exist() -> None:
    assert set(names_of_environment()) <= {name.upper() for name in Settings.model_fields}


def test_secrets_come_by_reference_alone() -> None:
    secret = {"DATABASE_URL", "OPERATOR_TOKEN"}
    for container in CONTAINERS:
        for entry in container.get("env", []):
            assert "value" not in entry
            assert ("secretKeyRef" in entry["valueFrom"]) == (entry["name"] in secret)
    assert not secret & config_map("cds-service-settings").keys()
    assert of_kind("Secret") == []


def test_the_settings_and_the_profile_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the pod has them, with the image's own below and secrets made up."""
    image = dict(re.findall(r"^ +([A-Z_]+)=(\S+?)(?: \\)?$", DOCKERFILE, re.MULTILINE))
    assert image["BIND_HOST"] == "0.0.0.0"  # noqa: S104 - in the container
    made_up = {"DATABASE_URL": "postgresql+psycopg://cds@db/cds", "OPERATOR_TOKEN": "0123456789abcdef"}
    for name, value in (image | config_map("cds-service-settings") | made_up).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    site = load_site(EXAMPLE / "site.toml")
    assert mode_of(settings, site) == "registered clients"
    assert settings.behind_proxy
    assert settings.bind_port == SERVER["ports"][0]["containerPort"]
    mounts = {mount["name"]: mount["mountPath"] for mount in SERVER["volumeMounts"]}
    assert str(settings.site_profile) == f"{mounts['site']}/site.toml"
    assert str(settings.pseudonym_keys) == f"{mounts['keys']}/pseudonym-keys"
    assert config_map("cds-service-site")["site.toml"] == (EXAMPLE / "site.toml").read_text("utf-8")
    for client in site.client:
        assert client.jwks_file
        assert client.jwks_file.name in config_map("cds-service-site")
        assert str(client.jwks_file.parent) == mounts["site"]
    assert in_force(model.load(), site).silent


def test_the_profile_keeps_its_name_and_the_environment_does_not() -> None:
    """So that rules change in running pods, and settings, which are read at the start only, bring new ones."""
    names = {m["metadata"]["name"] for m in of_kind("ConfigMap")}
    volumes = {v["configMap"]["name"] for v in PODS["server"]["spec"]["volumes"] if "configMap" in v}
    assert volumes == {"cds-service-site"}
    assert volumes < names
    (settings,) = names - volumes
    assert re.fullmatch(r"cds-service-settings-[a-z0-9]{10}", settings)
    assert SERVER["envFrom"] == [{"configMapRef": {"name": settings}}]


def test_ports_agree() -> None:
    (exposed,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    (port,) = SERVER["ports"]
    assert port == {"name": "http", "containerPort": int(exposed)}
    (service,) = of_kind("Service")
    assert [entry["targetPort"] for entry in service["spec"]["ports"]] == ["http"]
    probes = [SERVER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
    assert probes == [{"path": path, "port": "http"} for path in ("/livez", "/livez", "/readyz")]


def test_it_has_the_time_to_end_well() -> None:
    grace = PODS["server"]["spec"]["terminationGracePeriodSeconds"]
    before = SERVER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert grace >= before + gunicorn_conf.graceful_timeout + 5


def test_every_selector_finds_its_pods() -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in PODS.items()}

    def found(selector: dict[str, str]) -> list[str]:
        return [name for name, of_pod in labels.items() if selector.items() <= of_pod.items()]

    (deployment,), (service,), (budget,) = of_kind("Deployment"), of_kind("Service"), of_kind("PodDisruptionBudget")
    spread = [c["labelSelector"] for c in PODS["server"]["spec"]["topologySpreadConstraints"]]
    for selector in (deployment["spec"]["selector"], budget["spec"]["selector"], *spread):
        assert found(selector["matchLabels"]) == ["server"]
    assert found(service["spec"]["selector"]) == ["server"]
    policies = {p["metadata"]["name"]: found(p["spec"]["podSelector"]["matchLabels"]) for p in of_kind("NetworkPolicy")}
    assert policies == {"cds-service": ["server"], "cds-service-store": ["migrate", "purge"]}


def test_jobs_are_called_by_nobody_and_call_the_database_alone() -> None:
    (policy,) = [p["spec"] for p in of_kind("NetworkPolicy") if p["metadata"]["name"] == "cds-service-store"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 5432}


def test_the_autoscaler_and_the_deployment_do_not_both_decide() -> None:
    (deployment,), (scaler,) = of_kind("Deployment"), of_kind("HorizontalPodAutoscaler")
    assert "replicas" not in deployment["spec"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["spec"]["minReplicas"] >= 2


def test_its_commands_exist() -> None:
    said = [[*container["args"], "--help"] for container in CONTAINERS]
    assert said == [["serve", "--help"], ["store", "migrate", "--help"], ["store", "purge", "--help"]]
    for arguments in said:
        command = [sys.executable, "-m", "cds_service", *arguments]
        assert subprocess.run(command, capture_output=True, timeout=60, env=os.environ).returncode == 0  # noqa: S603
