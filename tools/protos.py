"""The whole proto toolchain: stubs, descriptor sets, the OpenAPI document, the schemas of events and lint, from installed packages only.

`python tools/protos.py generate [--out gen]` writes the stubs, `public.binpb`, `openapi.json` and `events/`; `python tools/protos.py lint` runs buf over
the sources.
Nothing is fetched: Google's protos lie in googleapis-common-protos, protovalidate carries the descriptor of its own.
"""

import argparse
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from protovalidate import ViolationPb

from tools.openapi.document import document
from tools.openapi.events import EVENTS, event_schemas
from tools.openapi.image import Image

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
SERVICE_CONFIG = "calldock/service_config.json"
VALIDATE = "buf/validate/validate.proto"
ERROR_DETAILS = ("google/rpc/status.proto", "google/rpc/error_details.proto")
"""In the public set because Envoy can turn error details into JSON only when it knows their messages."""

PUBLIC_SERVICES = (
    "calldock/intake/v1/account_service.proto",
    "calldock/intake/v1/call_service.proto",
    "calldock/intake/v1/directory_service.proto",
    "calldock/intake/v1/json_door_service.proto",
    "calldock/media/v1/recording_service.proto",
    "calldock/notify/v1/notification_service.proto",
    "calldock/notify/v1/webhook_service.proto",
)
"""What the front door knows. Everything else is internal and must not show in its descriptor set."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    generate_parser = commands.add_parser(
        "generate", help="write stubs, descriptor sets, the OpenAPI document and the schemas of events"
    )
    generate_parser.add_argument("--out", type=Path, default=ROOT / "gen")
    commands.add_parser("lint", help="run buf lint over the protos")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        protoc = Protoc(Path(scratch))
        if arguments.command == "generate":
            generate(protoc, arguments.out)
            describe(protoc, Path(scratch), arguments.out)
        else:
            sys.exit(lint(protoc, Path(scratch)))


class Protoc:
    """protoc with the include paths of this project."""

    def __init__(self, scratch: Path) -> None:
        self._validate_set = scratch / "validate.binpb"
        self._validate_set.write_bytes(validate_descriptor_set())

    def run(self, *arguments: str) -> None:
        """Runs protoc. Raises CalledProcessError when it refuses a file; its words are on stderr."""
        packages = site.getsitepackages()[0]
        scripts = sysconfig.get_path("scripts")
        command = [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{PROTOS}",
            f"-I{packages}",
            f"-I{packages}/grpc_tools/_proto",
            f"--descriptor_set_in={self._validate_set}",
            f"--plugin=protoc-gen-mypy={scripts}/protoc-gen-mypy",
            f"--plugin=protoc-gen-mypy_grpc={scripts}/protoc-gen-mypy_grpc",
            *arguments,
        ]
        subprocess.run(command, check=True)


def validate_descriptor_set() -> bytes:
    """The descriptor of buf/validate/validate.proto, and of what it imports, as a FileDescriptorSet."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(ViolationPb.desc().file.proto.to_binary())
    return files.SerializeToString()


def sources() -> list[str]:
    """Our own proto files, as paths below protos/."""
    return sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))


def generate(protoc: Protoc, out: Path) -> None:
    """Writes stubs for every proto, `calldock/public.binpb` and the clients' service config below `out`, which is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    protoc.run(
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet:{out}",
        *sources(),
    )
    protoc.run(f"--python_out={out}", f"--mypy_out=quiet:{out}", VALIDATE)
    # A service-less file still gets an empty gRPC stub, which nobody would import.
    for stub in [*out.rglob("*_pb2_grpc.py"), *out.rglob("*_pb2_grpc.pyi")]:
        if "service" not in stub.name:
            stub.unlink()
    protoc.run(
        "--include_imports",
        f"--descriptor_set_out={out / 'calldock' / 'public.binpb'}",
        *PUBLIC_SERVICES,
        *ERROR_DETAILS,
    )
    shutil.copyfile(PROTOS / SERVICE_CONFIG, out / SERVICE_CONFIG)


def describe(protoc: Protoc, scratch: Path, out: Path) -> None:
    """Writes `calldock/openapi.json` and `calldock/events/` below `out`, from the public protos with their comments."""
    image = scratch / "described.binpb"
    protoc.run(
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={image}",
        *PUBLIC_SERVICES,
        EVENTS,
        *ERROR_DETAILS,
    )
    text = document(image.read_bytes(), (ROOT / "docs" / "contract.md").read_text())
    (out / "calldock" / "openapi.json").write_text(text)
    folder = out / "calldock" / "events"
    folder.mkdir()
    for status, schema in event_schemas(Image(image.read_bytes())):
        (folder / f"{status}.schema.json").write_text(schema)


def lint(protoc: Protoc, scratch: Path) -> int:
    """Runs buf lint over the image that protoc makes; answers buf's exit code. The schema registry is not needed."""
    image = scratch / "image.binpb"
    protoc.run("--include_imports", "--include_source_info", f"--descriptor_set_out={image}", *sources())
    buf = Path(sysconfig.get_path("scripts")) / "buf"
    return subprocess.run(
        [buf, "lint", image, "--config", ROOT / "buf.yaml", "--path", "calldock"], check=False
    ).returncode


if __name__ == "__main__":
    main()
