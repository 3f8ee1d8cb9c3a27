"""The unsigned form of a vCon as a JSON Schema, written from the text of draft-ietf-vcon-vcon-core-04 (sections 2 to 4, Table 1). Stricter where calldock says less: no extension's
parameters, and nothing that the draft only tolerates."""

from typing import Any

_DATE = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
_INDEX = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_MEDIATYPE = {"type": "string", "pattern": "^[a-z]+/[a-z0-9.+-]+$"}
# 2.4: an https link and the SHA-512 in base64url: 64 bytes are 86 characters.
_LINK = {
    "url": {"type": "string", "pattern": "^https://"},
    "content_hash": {"type": "string", "pattern": "^sha512-[A-Za-z0-9_-]{86}$"},
}
_CONTENT = {**_LINK, "body": True, "encoding": {"enum": ["base64url", "json", "none"]}}
_TOGETHER = {
    "dependentRequired": {
        "url": ["content_hash"],
        "content_hash": ["url"],
        "body": ["encoding", "mediatype"],
        "encoding": ["body"],
    },
    "not": {"required": ["url", "body"]},
    "if": {"properties": {"encoding": {"const": "base64url"}}, "required": ["encoding"]},
    "then": {"properties": {"body": {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}}},
}


def _object(required: list[str], properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False, **more}


_PARTY = _object(
    [],
    {
        "tel": {"type": "string", "pattern": r"^tel:\+[0-9]+$"},
        "name": _TEXT,
        "validation": _TEXT,
        "uuid": _TEXT,
        "type": {"enum": ["person", "bot", "organization"]},
    },
    # 4.2.7: SHOULD be provided with a name.
    dependentRequired={"name": ["validation"]},
)
_WHEN = {"start": _DATE, "duration": {"type": "number", "minimum": 0}}
_WHO = {
    "parties": {"type": "array", "minItems": 1, "items": {"anyOf": [_INDEX, {"type": "array", "items": _INDEX}, {"type": "null"}]}},
    "originator": _INDEX,
}  # fmt: skip
_DIALOG = {
    "oneOf": [
        _object(
            ["type", "start", "parties"],
            {"type": {"const": "recording"}, **_WHEN, **_WHO, **_CONTENT, "recording_set": _INDEX, "mediatype": _MEDIATYPE, "filename": _TEXT},
            **_TOGETHER,
        ),
        _object(
            ["type", "start", "parties", "recordings"],
            {"type": {"const": "recording-set"}, **_WHEN, **_WHO, "recordings": {"type": "array", "items": _INDEX, "minItems": 1}},
        ),
        _object(
            ["type", "transferee", "transferor", "original", "target_dialog"],
            {"type": {"const": "transfer"}, "start": _DATE, **dict.fromkeys(("transferee", "transferor", "transfer_target", "original", "consultation", "target_dialog"), _INDEX)},
        ),
        _object(
            ["type", "start", "disposition"],
            {"type": {"const": "incomplete"}, **_WHEN, **_WHO, "disposition": {"enum": ["no-answer", "congestion", "failed", "busy", "hung-up", "voicemail-no-message"]}},
        ),
    ]
}  # fmt: skip
_ATTACHMENT = _object(
    ["start", "party", "dialog"],
    {"purpose": _TEXT, "start": _DATE, "party": _INDEX, "dialog": _INDEX, "mediatype": _MEDIATYPE, "filename": _TEXT, **_CONTENT},
    **_TOGETHER,
)  # fmt: skip
_ANALYSIS = _object(
    ["type", "vendor", "dialog"],
    {"type": {"enum": ["report", "sentiment", "summary", "transcript", "translation", "tts"]}, "dialog": {"anyOf": [_INDEX, {"type": "array", "items": _INDEX}]},
     "mediatype": _MEDIATYPE, "filename": _TEXT, "vendor": _TEXT, "product": _TEXT, "schema": _TEXT, **_CONTENT},
    **_TOGETHER,
)  # fmt: skip

VCON_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        ["vcon", "uuid", "created_at", "parties", "dialog", "attachments"],
        {
            "vcon": {"const": "0.4.0"},
            # Version 8 of RFC 9562 (4.1.2).
            "uuid": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
            "created_at": _DATE,
            "updated_at": _DATE,
            "subject": _TEXT,
            "parties": {"type": "array", "items": _PARTY, "minItems": 1},
            "dialog": {"type": "array", "items": _DIALOG, "minItems": 1},
            "analysis": {"type": "array", "items": _ANALYSIS},
            "attachments": {"type": "array", "items": _ATTACHMENT},
        },
    ),
}  # fmt: skip


def dangling(vcon: dict[str, Any]) -> list[str]:
    """Places that name a party or a dialog which is not there, or not of the kind that is due."""
    parties, dialog = range(len(vcon["parties"])), vcon["dialog"]
    recordings = [place for place, each in enumerate(dialog) if each["type"] in ("recording", "recording-set")]
    found = []
    for place, each in enumerate(dialog):
        named = [each[name] for name in ("originator", "transferee", "transferor", "transfer_target") if name in each]
        for channel in each.get("parties", []):
            named += channel if isinstance(channel, list) else [channel]
        found += [f"dialog {place}: party {party}" for party in named if party not in parties]
        talks = [*each.get("recordings", []), *(each[name] for name in ("original", "target_dialog") if name in each)]
        found += [f"dialog {place}: dialog {talk}" for talk in talks if talk not in recordings]
        if "recording_set" in each and place not in dialog[each["recording_set"]]["recordings"]:
            found.append(f"dialog {place}: its set does not know it")
    found += [
        f"analysis: dialog {each['dialog']}" for each in vcon.get("analysis", []) if each["dialog"] not in recordings
    ]
    found += [
        f"attachment: {each}"
        for each in vcon["attachments"]
        if each["party"] not in parties or each["dialog"] >= len(dialog)
    ]
    return found
