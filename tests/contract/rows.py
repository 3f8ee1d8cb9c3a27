"""The rows of docs/contract.md: every row of its tables, read from the page, and every rule of its prose, listed here with its words.

A row's key is the number of its section and its name: `1 ext_id`, `6 decode_error`, `8 parse_error`. A test proves a row when its parameters' id begins
with the key (`id="8 parse_error at REST"`), or when it is marked `@pytest.mark.contract("8 parse_error")`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CONTRACT = Path(__file__).parents[2] / "docs/contract.md"


@dataclass(frozen=True, slots=True)
class Section:
    """A numbered section of the page: its sentences outside the tables, and the cells of its tables' rows below the head."""

    number: str
    text: str
    sentences: tuple[str, ...]
    tables: tuple[tuple[tuple[str, ...], ...], ...]


RULES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "1": (
        ("number with the plus", "Phone numbers arrive as `+74955140576`"),
        ("number without the plus", "(E.164 without the plus)"),
        ("number in national form", "in national form such as `89262444397`"),
        ("stored in E.164", "Store E.164."),
        ("national form by region", "the account's default region (a setting)"),
        ("no number", "a number that cannot be a number is an error that names its field"),
        ("size of ext_id", "ext_id 1-255 characters"),
        ("size of names", "names 255"),
        ("size of comment", "comment 4,000"),
        ("size of URLs", "URLs 2,048"),
        ("size of recordings", "20 recordings"),
        ("size of tags", "50 tags a call"),
        ("null", "`null` means absent."),
        ("whole number", "A whole number may come as `12` or `12.0`"),
        ("fractions", "keep fractions to the millisecond"),
        ("string never a number", "a string never becomes a number nor a number a string"),
        ("ids", "ids are 1 to 2^63-1"),
        ("system source", "(and -1 for the system source)"),
        ("key twice", "A key that occurs twice in one object"),
        ("NaN", "NaN,"),
        ("NUL", "NUL and"),
        ("lone surrogates", "lone surrogates are parse errors"),
    ),
    "2": (
        ("one call", "One `ext_id` of one account is one call."),
        ("queued", "While it is queued"),
        ("in process", "in process or processed"),
        ("processed", "or processed, uploading it again"),
        ("changes nothing", "changes nothing and is no error"),
        ("gRPC says so", "(gRPC says so per call"),
        ("JSON-RPC answers success", "JSON-RPC answers success)"),
        ("skips the present state", "skips every rule that depends on the account's present state"),
        ("after error", "After a call ended in `error` the same `ext_id` may be uploaded again"),
        ("keeps its call_session_id", "keeping its call_session_id"),
        ("replaces", "the new upload replaces all fields, tags, recordings, the callback, upload_time and ext_request_id"),
        ("three uploads", "Three uploads in all"),
        ("third failure", "when the third ended in `error` too, further ones are ignored"),
        ("first of two", "The first of two equal ext_ids in one request wins."),
        ("racing", "Uploads racing from several clients and replicas still make one call."),
        ("deleted", "A call that was deleted is forgotten: its ext_id may come again as a new call."),
    ),
    "3": (
        ("account's zone", "wall-clock times in the account's zone (IANA name, a setting)"),
        ("stored as UTC", "stored as UTC"),
        ("occurs twice", "a time that occurs twice takes the earlier"),
        ("does not exist", "a time that does not exist is an error (`invalid_date_time`)"),
        ("read back", "Everything read back through the JSON-RPC door is in the account's zone in the same format"),
        ("Timestamp", "gRPC uses `google.protobuf.Timestamp`"),
    ),
    "4": (
        ("entity_not_found", "Ids must belong to the account (`entity_not_found` otherwise"),
        ("campaign_is_inactive", "an inactive campaign is `campaign_is_inactive`"),
        ("visitor_session_id wins", "`visitor_session_id` wins over `campaign_id`, `source_id` and `site_id`"),
        ("visitor session carries", "what it carries (its site, campaign and source) is taken instead"),
        ("site_id is dropped", "`site_id` is dropped when the called number belongs to another site"),
        ("directory", "So the account has a directory"),
    ),
    "5": (
        ("tag_name exactly", "searched exactly, **case-sensitive**"),
        ("tag_name created", "created when missing."),
        ("tag_name ignored", "Ignored when tag_id is given."),
        ("employee_name any case", "searched by full name, **case-insensitive**"),
        ("employee_name spaces", "surrounding and repeated spaces do not count"),
        ("employee_name created", "created when missing."),
        ("employee_name ignored", "Ignored when employee_id is given."),
        ("unknown id", "An id that the account does not have is an error."),
        ("system tag", "an uploaded tag with a system tag's name or id is `invalid_parameter_value`"),
        ("set.tag_sales", "they are set by their own method (`set.tag_sales`)"),
        ("racing", "Two uploads racing to create the same tag or employee make one."),
    ),
    "6": (
        ("several employees", "Several entries mean several employees (a transfer)"),
        ("one file once", "several entries may point to one file, which is then downloaded once"),
        ("Content-Type by case", "letter case and parameters after `;` do not matter"),
        ("Content-Type parameters", "parameters after `;` do not matter"),
        ("Content-Type alias refused", "refused by default"),
        ("Content-Type alias accepted", "accepted where the account lists them as aliases"),
        ("Content-Type quoted", "the error_message quotes what came"),
        ("MP3 without ID3", "the error_message says which bytes came instead"),
        ("MP3 without ID3 let pass", "an account setting lets it pass"),
        ("length of the file", "The 16 seconds are the length of the file."),
        ("two channels", "two channels (employee in one, customer in the other)"),
        ("PCM 16 bit", "PCM 16 bit"),
        ("8000 Hz", "8000 Hz;"),
        ("band", "frequency range no narrower than 330-3400 Hz"),
        ("SNR", "signal-to-noise ratio of at least 15 dB within 330-3400 Hz"),
        ("16 seconds", "at least 16 seconds"),
        ("50 MB", "at most 50 MB (50 x 1024 x 1024 bytes"),
        ("50 MB of MP3", "MP3 too)"),
        ("30 seconds", "30 seconds in all, connection included"),
        ("address before connection", "address allowed, connection"),
        ("connection before status", "connection, status"),
        ("status before content type", "status, content type"),
        ("content type before size", "content type, size"),
        ("size before time", "size, time"),
        ("time before first bytes", "time, first bytes"),
        ("first bytes before chunks", "first bytes, chunks readable"),
        ("chunks before channels", "chunks readable, channels"),
        ("channels before codec, bits, rate", "channels, codec / bits / rate (from the header"),
        ("codec, bits, rate before samples", "before any sample), samples decode"),
        ("samples before duration", "samples decode, duration"),
        ("duration before band", "duration, band"),
        ("band before SNR", "band, SNR: one error a recording"),
        ("LIST before data", "LIST and other chunks before data"),
        ("odd chunk sizes", "odd chunk sizes with padding"),
        ("WAVE_FORMAT_EXTENSIBLE", "WAVE_FORMAT_EXTENSIBLE with PCM"),
        ("data length 0", "data length 0 or"),
        ("data length 0xFFFFFFFF", "0xFFFFFFFF in a streamed header: accepted"),
        ("RF64", "RF64,"),
        ("no fmt chunk", "no fmt chunk"),
        ("data before fmt", "data before fmt"),
        ("fmt under 16 bytes", "a fmt chunk under 16 bytes"),
        ("cut short", "data cut shorter than declared by more than the last frame: decode_error"),
        ("A-law", "A-law,"),
        ("mu-law", "mu-law"),
        ("float", "float,"),
        ("8 bit", "8 or"),
        ("24 bit", "24 bit"),
        ("other rates", "other rates"),
        ("MP3 inside WAV", "MP3 inside WAV: wav_processing_error"),
        ("all verdicts", "All recordings of a call are brought to a verdict before the call ends."),
        ("first that failed", "that of the first recording (in upload order) that failed"),
        ("which one", "error_message begins with which one"),
        ("good ones stay listenable", "recordings that are good stay listenable"),
        ("not done again", "are not done again by a reprocess while the account's audio rules are the same version"),
        ("everything anew", "an upload that comes again does everything anew"),
    ),
    "7": (
        ("new", "`new` (queued)"),
        ("in_process", "`in_process`, `processed`"),
        ("processed", "`processed`, `error`."),
        ("error", "`error`."),
        ("without recordings", "A call without recordings is processed as soon as it is stored"),
        ("in_process once", "`in_process` is told once per upload or reprocess, when work really begins"),
        ("one fails", "A call with several recordings is `error` when one of them fails."),
        ("POST", "an HTTP POST of JSON to `callback.url`"),
        ("events asked for", "for the events asked for"),
        ("JSON numbers", "`call_session_id` and `timestamp` are JSON numbers."),
        ("at least once", "At least once"),
        ("in order", "in order for one call"),
        ("growing pauses", "retried with growing pauses when the receiver fails"),
        ("signed", "signed by the Standard Webhooks scheme"),
        ("body exactly", "the body stays exactly the object above"),
    ),
    "8": (
        ("POST /v2.0", "`POST /v2.0`, body"),
        ("HTTP 200", "**HTTP 200 for every JSON-RPC outcome**, errors included"),
        ("success", 'Success is `{"jsonrpc":"2.0"'),
        ("durably", "sent as soon as the calls are durably queued"),
        ("top level", "At the top level there is nothing but"),
        ("data and metadata", "every result has both `data` (object or array) and `metadata` (object)"),
        ("id 0", "type included: 0"),
        ("id number", '`"number"`'),
        ("id beyond ASCII", "non-ASCII strings"),
        ("id repeated", "repeated ids"),
        ("id beyond 2^53", "integers beyond 2^53"),
        ("Content-Type", "Neither Content-Type"),
        ("Accept", "nor Accept is looked at"),
        ("members of the envelope", "Members of the envelope that are not known are ignored"),
        ("unknown params", "members of `params` that are not known are `unexpected_parameters`"),
        ("user_id", "`user_id` (number) is a known optional parameter of every method"),
        ("user_id of an agent's client", "(an agent's token acts for a client with it"),
        ("user_id of anyone else", "forbidden for anyone else's id)"),
        ("snake_case", "Field names are snake_case"),
        ("empty fields", "empty fields are `null`, empty arrays `[]`, empty objects `{}`"),
        ("524,288 bytes", "512 KB (524,288 bytes) of JSON"),
        ("500 calls", "500 calls a request by default"),
        ("both settings", "both settings"),
        ("beyond either", "beyond either is `data_limit_exceeded`, with HTTP 200 as always"),
        ("413", "answers 413 only beyond that"),
        ("order of checks", "Order of checks:"),
        ("size before JSON", "size, JSON"),
        ("JSON before batch", "JSON, batch"),
        ("batch before envelope", "batch, envelope"),
        ("envelope before notification", "envelope, notification"),
        ("notification before method", "notification, method"),
        ("method before token", "method, token"),
        ("token before user_id", "token, user_id"),
        ("user_id before address", "user_id, address"),
        ("address before account", "address, account"),
        ("account before component", "account, component of the method"),
        ("component before points", "component of the method, points"),
        ("points before members of params", "points, members of params"),
        ("members of params before number of calls", "members of params, number of calls"),
        ("number of calls before the calls", "number of calls, the calls"),
        ("id null", "A body too large or unreadable is answered with id null."),
        ("503", "When intake is down the front door answers 503 with a JSON-RPC internal_error."),
        ("date_from", "`date_from`"),
        ("date_till", "`date_till` (required"),
        ("dates over the upload time", "over the upload time"),
        ("report_id", "`report_id` is accepted and ignored"),
        ("limit", "`limit` (default 1000, at most 10000)"),
        ("offset", "`offset` (default 0, at most 100000)"),
        ("fields", "Fields: ext_id"),
        ("ext_request_id", "ext_request_id (the JSON-RPC id of the upload)"),
        ("digits without the plus", "(digits without the plus on this door)"),
        ("record_type", "record_type (wav / mp3 / null)"),
        ("tags of a call", "tags (tag_id, tag_name)"),
        ("records of a call", "records (employee_id, employee_name, employee_channel, record_url)"),
        ("left out by default", "By default upload_time, callback, tags and records are left out."),
        ("filter by every field", "Filtering and sorting: on every field but callback, tags and records"),
        ("sort by every field", "Filtering and sorting: on every field but callback, tags and records"),
        ("filter", '`filter` is `{"field","operator","value"}`'),
        ("and", '"condition":"and"'),
        ("or", '|"or"}`'),
        ("three levels", "nested at least three levels"),
        ("=", "operators `=`"),
        ("!=", "`!=`,"),
        ("<", "`<`,"),
        (">", "`>`,"),
        ("<=", "`<=`,"),
        (">=", "`>=`,"),
        ("like", "`like` (`%`, case-sensitive)"),
        ("in", "`in`, `regexp`"),
        ("regexp", "`regexp` (RE2 syntax, 256 characters at most"),
        ("value may be absent", "`value` may be absent or null"),
        ("null", "null goes with `=` and `!=`"),
        ("sort", '`sort` is `[{"field","order":"asc"|"desc"}]`'),
        ("order", "`order` optional, default asc"),
        ("not_processed", "not_processed"),
        ("cancelled", "cancelled. Use them only where they are true"),
        ("only where true", "Use them only where they are true (a call cancelled through our own API)."),
        ("an error's members", 'Errors: `{"jsonrpc":"2.0"'),
        ("field", "`field` separates nested names by dots, with zero-based indices"),
        ("value", "`value` is what came, unchanged"),
        ("value of nothing", "absent where nothing came"),
        ("value of a token", "(and never a token)"),
        ("params", "`params` carries what the message's braces stand for"),
        ("gRPC refused upload", "a refused upload is INVALID_ARGUMENT whatever its fields say"),
        ("gRPC first reason", "with the first one's mnemonic as reason"),
        ("gRPC -32602", "so are all -32602"),
        ("gRPC parse_error", "a REST body's parse_error"),
        ("gRPC NOT_FOUND", "entity_not_found for the resource that the request itself names is NOT_FOUND"),
        ("gRPC ALREADY_EXISTS", "duplicate_entity on create is ALREADY_EXISTS"),
        ("gRPC UNAUTHENTICATED", "access_token_* UNAUTHENTICATED"),
        ("gRPC PERMISSION_DENIED", "account_inactive PERMISSION_DENIED"),
        ("gRPC RESOURCE_EXHAUSTED", "limit_exceeded RESOURCE_EXHAUSTED with RetryInfo"),
        ("gRPC INTERNAL", "internal_error INTERNAL"),
        ("whole or not at all", "A request is taken whole or not at all"),
        ("first wrong field", "the answer names the first wrong field"),
        ("up to 20", "(gRPC and REST name up to 20 and say how many there are"),
        ("validate_only", "validate_only answers all)"),
        ("field rules before account rules", "field rules of all calls before account rules"),
        ("calls in order", "calls in order"),
        ("fields in order", "fields in the order of the table in 1"),
        ("unknown members last", "unknown members last"),
        ("points", "Limits are points, the same at every door"),
        ("points of an upload", "an upload weighs 5"),
        ("points of checking a recording", "checking a recording 5"),
        ("points of any other method", "any other method 1"),
        ("points of success only", "only successful requests count"),
        ("metadata.limits", "`metadata.limits` carries day_limit"),
        ("no limits", "is `{}` where no limits apply"),
        ("0.0.0.0/0", "0.0.0.0/0 allows all"),
        ("allowed networks", "a new calldock account starts with 0.0.0.0/0 and ::/0, visibly"),
    ),
}  # fmt: skip
"""Names of the rules in prose, by section, with words of the sentence that states each. Every sentence has one, or stands among the following."""

NO_RULES = (
    "The last three are from the read-back method of the later public API.",
    "Sizes (ours;",
    "Real servers often say",
    "An MP3 without an ID3 header is a valid MP3",
    "gRPC codes (REST follows from them):",
    "`get.uploaded_calls` params:",
)
"""Beginnings of sentences that state no rule."""

NOT_YET: frozenset[str] = frozenset()
"""Rows of what is not built. Whoever builds one writes its test and takes it out."""


def sections(page: str) -> dict[str, Section]:
    """The numbered sections of the page."""
    parts = re.split(r"^## (\d)\. .*$", page, flags=re.MULTILINE)
    return {number: _section(number, text) for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def all_rows(page: str) -> list[str]:
    """The keys of all rows, in the order of the page: of each section its tables, then its prose."""
    keys = []
    for section in sections(page).values():
        keys += [f"{section.number} {name}" for name in _table_names(section)]
        keys += [f"{section.number} {name}" for name, _ in RULES[section.number]]
    return list(dict.fromkeys(keys))


def row_of(test_id: str, rows: Iterable[str]) -> str | None:
    """The row that an id begins with, the longest when several fit."""
    fitting = [row for row in rows if test_id.startswith(row) and not re.match(r"\w", test_id[len(row) :])]
    return max(fitting, key=len, default=None)


def names_a_row(test_id: str) -> bool:
    """True for an id that begins as rows do, with the number of a section."""
    return re.match(r"[1-8] \S", test_id) is not None


def _section(number: str, text: str) -> Section:
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    paragraphs = re.split(r"\n\s*\n|\n(?=- )", "\n".join(lines))
    sentences = [
        sentence for paragraph in paragraphs for sentence in re.split(r"(?<=[.;])\s+", _flat(paragraph)) if sentence
    ]
    return Section(number, _flat(text), tuple(sentences), tuple(_tables(text)))


def _flat(text: str) -> str:
    return " ".join(text.split()).removeprefix("- ")


def _tables(text: str) -> Iterator[tuple[tuple[str, ...], ...]]:
    for table in re.findall(r"(?:^\|.*\n?)+", text, flags=re.MULTILINE):
        rows = [tuple(cell.strip() for cell in row.strip().strip("|").split("|")) for row in table.splitlines()]
        # The head says what the columns are called; the line below it is dashes.
        yield (rows[0], *rows[2:])


def _table_names(section: Section) -> Iterator[str]:
    for head, *rows in section.tables:
        for first, *others in rows:
            if head[0] == "code":
                yield from others[0].split(" / ")
            elif head[-1] == "mp3_records":
                # Two columns, each with a rule of its own.
                yield from (f"{kind} {name}" for kind in head[-2:] for name in first.split(" / "))
            else:
                yield first
