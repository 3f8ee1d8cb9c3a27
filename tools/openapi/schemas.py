"""Messages as JSON Schema, in the four ways in which fields are spelled."""

from collections.abc import Collection, Mapping
from enum import Enum, auto

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tools.openapi import rules as limits
from tools.openapi.image import Image
from tools.openapi.rules import Rules, Schema

_WHOLE = {FieldDescriptor.CPPTYPE_INT32: "int32", FieldDescriptor.CPPTYPE_UINT32: "uint32"}
_LONG = {FieldDescriptor.CPPTYPE_INT64: "int64", FieldDescriptor.CPPTYPE_UINT64: "uint64"}
_REAL = {FieldDescriptor.CPPTYPE_FLOAT: "float", FieldDescriptor.CPPTYPE_DOUBLE: "double"}

_WALL_OR_MOMENT = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    "( [0-9]{2}:[0-9]{2}:[0-9]{2}|[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.0{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))$"
)
WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.BytesValue": {"type": "string", "contentEncoding": "base64"},
    "google.protobuf.DoubleValue": {"type": "number", "format": "double"},
    "google.protobuf.FloatValue": {"type": "number", "format": "float"},
    "google.protobuf.Int32Value": {"type": "integer", "format": "int32"},
    "google.protobuf.Int64Value": {"type": "string", "format": "int64"},
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.UInt32Value": {"type": "integer", "format": "uint32"},
    "google.protobuf.UInt64Value": {"type": "string", "format": "uint64"},
    "google.api.HttpBody": {"type": "string", "format": "binary"},
}
DURATION = "google.protobuf.Duration"


class Spelling(Enum):
    """How the value of a field is written."""

    BODY = auto()
    """As Envoy's transcoder prints and reads it."""
    PARAMETER = auto()
    """In a path or a query, where a number is a number."""
    STRICT = auto()
    """As the strict reader of uploads takes it (`services/intake/json_drafts.py`): words of enums, numbers for ids and durations, null for absent."""
    EVENT = auto()
    """As receivers get it: a number is a number, and nothing else is there."""


class Schemas:
    """The components of one document. A message that is asked for is described once, with all that it holds."""

    def __init__(self, image: Image) -> None:
        self.components: dict[str, Schema] = {}
        self._image = image
        self._names: dict[str, str] = {}

    def message(self, message: Descriptor, spelling: Spelling = Spelling.BODY) -> Schema:
        """A reference to a message's component."""
        known = WELL_KNOWN.get(message.full_name)
        if known is not None:
            return dict(known)
        name = self._name(message, spelling)
        if name not in self.components:
            self.components[name] = {}  # it may hold itself
            self.components[name] |= self.object(message, spelling)
        return {"$ref": f"#/components/schemas/{name}"}

    def object(self, message: Descriptor, spelling: Spelling = Spelling.BODY, without: Collection[str] = ()) -> Schema:
        """A message in place, without some of its fields."""
        rules = self._image.annotation(message, "buf.validate.message")
        fields = [field for field in message.fields if field.name not in without]
        told = [self._image.comment(message), *(f"Rule: {words}." for words in limits.words_of(rules))]
        found: Schema = {"type": "object", "description": "\n".join(filter(None, told))}
        found["properties"] = {field.name: self.field(field, spelling) for field in fields}
        if required := [field.name for field in fields if self._is_required(field, spelling)]:
            found["required"] = required
        choices = [
            {"oneOf": [_has(field.name, spelling) for field in choice.fields]}
            for choice in message.oneofs
            if self._image.annotation(choice, "buf.validate.oneof").get("required")
        ]
        if choices:
            found["allOf"] = choices
        if spelling in (Spelling.STRICT, Spelling.EVENT):
            found["additionalProperties"] = False
        return found

    def field(self, field: FieldDescriptor, spelling: Spelling) -> Schema:
        """One field: its type, its limits, its words."""
        rules = self._image.annotation(field, "buf.validate.field")
        behaviors = self._image.behaviors(field)
        told = [self._image.comment(field), *(f"Rule: {words}." for words in limits.words_of(rules))]
        words: Schema = {"description": text} if (text := "\n".join(filter(None, told))) else {}
        if spelling is Spelling.STRICT and "OUTPUT_ONLY" in behaviors:
            return words
        if field.GetOptions().deprecated:
            words["deprecated"] = True
        if "OUTPUT_ONLY" in behaviors and spelling is Spelling.BODY:
            words["readOnly"] = True
        shape = self._shape(field, rules, spelling)
        if spelling is Spelling.STRICT and "REQUIRED" not in behaviors:
            shape = _nullable(shape)
        return shape | words

    def enum(self, enum: EnumDescriptor) -> Schema:
        """A reference to an enum's component."""
        name = self._name(enum)
        told = [self._image.comment(enum)]
        for value in enum.values:
            comment = self._image.comment_at(f"{enum.full_name}.{value.name}")
            told.append(f"- `{value.name}`: {comment}" if comment else f"- `{value.name}`")
        names = [value.name for value in enum.values]
        self.components[name] = {"type": "string", "enum": names, "description": "\n".join(filter(None, told))}
        return {"$ref": f"#/components/schemas/{name}"}

    def _is_required(self, field: FieldDescriptor, spelling: Spelling) -> bool:
        """Clients must send it, or answers always hold it: the transcoder prints every field that tracks no presence."""
        behaviors = self._image.behaviors(field)
        is_printed = not field.has_presence and spelling is Spelling.BODY
        return "REQUIRED" in behaviors or ("OUTPUT_ONLY" in behaviors and is_printed)

    def _shape(self, field: FieldDescriptor, rules: Rules, spelling: Spelling) -> Schema:
        is_required = bool(rules.get("required")) and not field.has_presence
        if not field.is_repeated:
            return self._value(field, rules, spelling, is_required=is_required)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            return {"type": "object", "additionalProperties": self._value(value, {}, spelling, is_required=False)}
        item = self._value(field, limits.item_rules(rules), spelling, is_required=False)
        return {"type": "array", "items": item, **limits.list_limits(rules, is_required=is_required)}

    def _value(self, field: FieldDescriptor, rules: Rules, spelling: Spelling, *, is_required: bool) -> Schema:
        kind = field.cpp_type
        if field.message_type is not None:
            return self._message_value(field.message_type, rules, spelling)
        if field.enum_type is not None:
            return self._enum_value(field.enum_type, rules, spelling, is_required=is_required)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return {"type": "boolean"}
        if kind in _WHOLE:
            return {"type": "integer", "format": _WHOLE[kind], **limits.number_limits(rules)}
        if kind in _REAL:
            return {"type": "number", "format": _REAL[kind], **limits.number_limits(rules)}
        if kind in _LONG:
            number = {"format": _LONG[kind], **limits.number_limits(rules)}
            if spelling in (Spelling.PARAMETER, Spelling.EVENT):
                return {"type": "integer", **number}
            if spelling is Spelling.STRICT:
                return {"type": ["integer", "string"], **number, **limits.digits(rules)}
            return {"type": "string", "format": _LONG[kind], **limits.digits(rules)}
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        return {"type": "string", **limits.text_limits(rules, is_required=is_required)}

    def _message_value(self, message: Descriptor, rules: Rules, spelling: Spelling) -> Schema:
        if message.full_name == DURATION:
            least, most = limits.span_limits(rules)
            sign = "-?" if least is None or least < 0 else ""
            text: Schema = {"type": "string", "pattern": f"^{sign}[0-9]{{1,12}}(\\.[0-9]{{1,9}})?s$"}
            if spelling is not Spelling.STRICT:
                return text
            bounds = {"minimum": least, "maximum": most}
            return text | {"type": ["number", "string"]} | {name: at for name, at in bounds.items() if at is not None}
        if spelling is Spelling.STRICT and message.full_name == "google.protobuf.Timestamp":
            return {"type": "string", "pattern": _WALL_OR_MOMENT}
        return self.message(message, Spelling.BODY if spelling is Spelling.PARAMETER else spelling)

    def _enum_value(self, enum: EnumDescriptor, rules: Rules, spelling: Spelling, *, is_required: bool) -> Schema:
        numbers = [value.number for value in enum.values]
        taken = limits.enum_numbers(rules, numbers, is_required=is_required)
        names = [enum.values_by_number[number].name for number in taken]
        if spelling is Spelling.STRICT:
            prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
            names = [name for name in names if not name.endswith("_UNSPECIFIED")]
            return {"type": "string", "enum": [*(name.removeprefix(prefix).lower() for name in names), *names]}
        if taken == numbers:
            return self.enum(enum)
        return {"type": "string", "enum": names}

    def _name(self, of: Descriptor | EnumDescriptor, spelling: Spelling = Spelling.BODY) -> str:
        """`Call`, `UploadedCall.Outcome`; the whole name when another package has taken the short one."""
        short = of.full_name.removeprefix(f"{of.file.package}.")
        if spelling is Spelling.STRICT and not short.endswith(("Draft", "Request")):
            short += "Draft"
        key = f"{of.full_name} {spelling.name}"
        if self._names.setdefault(short, key) == key:
            return short
        return f"{of.file.package}.{short}"


def _has(name: str, spelling: Spelling) -> Schema:
    """Holds for an object that has this member; where null means absent, another value than null."""
    if spelling is Spelling.STRICT:
        return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
    return {"required": [name]}


def _nullable(shape: Schema) -> Schema:
    if "enum" in shape:
        return shape | {"type": [shape["type"], "null"], "enum": [*shape["enum"], None]}
    if "type" not in shape:
        return {"anyOf": [shape, {"type": "null"}]}
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    return shape | {"type": [*kinds, "null"]}
