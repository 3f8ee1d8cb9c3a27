"""What protoc knows of the public protos: descriptors, comments, and the options that Google's and buf's annotations put on them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    OneofDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

OWN_PACKAGE = "calldock."
_INTERNAL = re.compile(r"\.internal\.")

Described: TypeAlias = (
    Descriptor | EnumDescriptor | FieldDescriptor | MethodDescriptor | OneofDescriptor | ServiceDescriptor
)
Options: TypeAlias = dict[str, Any]
"""Annotations as JSON, with the protos' names. Numbers of 64 bits are strings there."""


class Image:
    """A FileDescriptorSet with source info, in a pool of its own: what is generated does not depend on what is installed."""

    def __init__(self, data: bytes) -> None:
        self._files = FileDescriptorSet.FromString(data)
        self._pool = DescriptorPool()
        self._comments: dict[str, str] = {}
        for file in self._files.file:
            self._pool.Add(file)
            self._comments.update(_comments(file))

    def services(self) -> Iterator[ServiceDescriptor]:
        """Our public services, in the order of the files."""
        for file in self._files.file:
            if file.package.startswith(OWN_PACKAGE) and not _INTERNAL.search(f"{file.package}."):
                for service in file.service:
                    yield self._pool.FindServiceByName(f"{file.package}.{service.name}")

    def messages(self, file_name: str) -> Iterator[Descriptor]:
        """The messages of one file, in its order. Raises KeyError."""
        yield from self._pool.FindFileByName(file_name).message_types_by_name.values()

    def message(self, full_name: str) -> Descriptor:
        """The message of this name. Raises KeyError."""
        return self._pool.FindMessageTypeByName(full_name)

    def comment(self, of: Described) -> str:
        """The comment above a declaration, a paragraph a line; empty when there is none."""
        return self.comment_at(of.full_name)

    def comment_at(self, full_name: str) -> str:
        """The comment above what has this name; a value of an enum is named below its enum."""
        return self._comments.get(full_name, "")

    def annotation(self, of: Described, name: str) -> Options:
        """What an extension such as `google.api.http` says of a declaration; empty when it says nothing."""
        found: Options = self._options(of).get(f"[{name}]", {})
        return found

    def behaviors(self, field: FieldDescriptor) -> frozenset[str]:
        """The `google.api.field_behavior` of a field, such as `OUTPUT_ONLY`."""
        return frozenset(self._options(field).get("[google.api.field_behavior]", ()))

    def _options(self, of: Described) -> Options:
        """All options as JSON. They are read anew in this pool, for only here their extensions are known."""
        given = of.GetOptions()
        kind = GetMessageClass(self._pool.FindMessageTypeByName(given.DESCRIPTOR.full_name))
        return MessageToDict(kind.FromString(given.SerializeToString()), preserving_proto_field_name=True)


def _comments(file: FileDescriptorProto) -> dict[str, str]:
    """Full name to comment, of everything in one file."""
    by_path = {
        tuple(location.path): "\n".join(line.strip() for line in location.leading_comments.strip().splitlines())
        for location in file.source_code_info.location
        if location.leading_comments
    }
    return {name: by_path[path] for name, path in _places(file) if path in by_path}


def _places(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each declaration's full name and its path in the file, made of the field numbers of descriptor.proto."""
    for index, message in enumerate(file.message_type):
        yield from _in_message(message, f"{file.package}.{message.name}", (4, index))
    yield from _in_enums(file.enum_type, file.package, (5,))
    for index, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield name, (6, index)
        for place, method in enumerate(service.method):
            yield f"{name}.{method.name}", (6, index, 2, place)


def _in_message(message: DescriptorProto, name: str, path: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield name, path
    for index, field in enumerate(message.field):
        yield f"{name}.{field.name}", (*path, 2, index)
    for index, nested in enumerate(message.nested_type):
        yield from _in_message(nested, f"{name}.{nested.name}", (*path, 3, index))
    yield from _in_enums(message.enum_type, name, (*path, 4))


def _in_enums(
    enums: Sequence[EnumDescriptorProto], parent: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for index, enum in enumerate(enums):
        yield f"{parent}.{enum.name}", (*path, index)
        for place, value in enumerate(enum.value):
            yield f"{parent}.{enum.name}.{value.name}", (*path, index, 2, place)
