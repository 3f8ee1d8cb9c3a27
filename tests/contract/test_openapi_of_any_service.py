"""The OpenAPI document of a service that nobody has written yet: every shape of method and field that the protos may have."""

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tools.openapi.image import Image
from tools.openapi.operations import operations
from tools.openapi.schemas import Schemas
from tools.protos import Protoc

PROTO = """
syntax = "proto3";
package calldock.shop.v1;

import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/api/httpbody.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";

// Shops.
service ShopService {
  // Lists shops. Role: read.
  rpc ListShops(ListShopsRequest) returns (ListShopsResponse) {
    option (google.api.http) = {get: "/v1/shops"};
  }
  // Makes a shop.
  //
  // Errors: ALREADY_EXISTS (DUPLICATE_ENTITY); NOT_FOUND (ENTITY_NOT_FOUND) for its owner.
  rpc CreateShop(CreateShopRequest) returns (Shop) {
    option (google.api.http) = {post: "/v1/shops" body: "shop"};
  }
  // Makes many.
  rpc BatchCreateShops(BatchCreateShopsRequest) returns (BatchCreateShopsResponse) {
    option (google.api.http) = {post: "/v1/shops:batchCreate" body: "*"};
  }
  // Changes a shop.
  rpc UpdateShop(UpdateShopRequest) returns (Shop) {
    option (google.api.http) = {
      patch: "/v1/shops/{shop.shop_id}" body: "shop"
      additional_bindings {patch: "/v1/owners/{owner=*}/shops/{shop.shop_id}" body: "shop"}
    };
  }
  // Ends a shop.
  rpc DeleteShop(DeleteShopRequest) returns (google.protobuf.Empty) {
    option (google.api.http) = {delete: "/v1/shops/{shop_id}"};
  }
  // Tells of sales as they come.
  rpc WatchShops(ListShopsRequest) returns (stream Shop) {
    option (google.api.http) = {get: "/v1/shops:watch"};
  }
  // Takes a file.
  rpc LoadShops(google.api.HttpBody) returns (google.api.HttpBody) {
    option (google.api.http) = {post: "/v1/shops:load" body: "*"};
  }
  // For gRPC alone.
  rpc HiddenShops(ListShopsRequest) returns (ListShopsResponse);
}

// What a shop is.
enum Kind {
  // Not given.
  KIND_UNSPECIFIED = 0;
  // Sells bread.
  KIND_BAKERY = 1;
}
// A shop.
message Shop {
  // Output only. Its number.
  int64 shop_id = 1 [(google.api.field_behavior) = OUTPUT_ONLY];
  // Required. Its name.
  string name = 2 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).required = true, (buf.validate.field).string.max_len = 9];
  // Optional. Shops below it.
  repeated Shop branches = 3 [(google.api.field_behavior) = OPTIONAL];
  // Optional. Words by language.
  map<string, string> words = 4 [(google.api.field_behavior) = OPTIONAL];
  // Optional. Its logo.
  bytes logo = 5 [(google.api.field_behavior) = OPTIONAL, deprecated = true];
  // Optional. How long it is open.
  google.protobuf.Duration open = 6 [(google.api.field_behavior) = OPTIONAL];
  // Required. How one pays.
  oneof pay {
    option (buf.validate.oneof).required = true;
    // Optional. In coins.
    bool cash = 7 [(google.api.field_behavior) = OPTIONAL];
    // Optional. By a card.
    string card = 8 [(google.api.field_behavior) = OPTIONAL];
  }
}
// Asks for shops.
message ListShopsRequest {
  // Optional. Of these kinds.
  repeated Kind kinds = 1 [(google.api.field_behavior) = OPTIONAL, (buf.validate.field).repeated = {max_items: 2, items: {enum: {not_in: [0]}}}];
  // Optional. Opened after.
  google.protobuf.Timestamp opened_from = 2 [(google.api.field_behavior) = OPTIONAL];
  // Required. Where.
  Place place = 3 [(google.api.field_behavior) = REQUIRED];
  // Optional. Never in a query.
  repeated Place places = 4 [(google.api.field_behavior) = OPTIONAL];
}
// Where.
message Place {
  // Optional. The town.
  string town = 1 [(google.api.field_behavior) = OPTIONAL];
}
// A page.
message ListShopsResponse {
  // Output only. The shops.
  repeated Shop shops = 1 [(google.api.field_behavior) = OUTPUT_ONLY];
}
// What to make.
message CreateShopRequest {
  // Required. The shop.
  Shop shop = 1 [(google.api.field_behavior) = REQUIRED];
  // Optional. For a safe repeat.
  string request_id = 2 [(google.api.field_behavior) = OPTIONAL, (buf.validate.field).string.uuid = true];
}
// What to make.
message BatchCreateShopsRequest {
  // Required. The shops.
  repeated CreateShopRequest requests = 1 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).repeated = {min_items: 1, max_items: 500}];
}
// What was made.
message BatchCreateShopsResponse {
  // Output only. The shops.
  repeated Shop shops = 1 [(google.api.field_behavior) = OUTPUT_ONLY];
}
// What to change.
message UpdateShopRequest {
  // Required. The values.
  Shop shop = 1 [(google.api.field_behavior) = REQUIRED];
  // Optional. Which.
  google.protobuf.FieldMask update_mask = 2 [(google.api.field_behavior) = OPTIONAL];
  // Optional. Whose.
  string owner = 3 [(google.api.field_behavior) = OPTIONAL];
}
// What to end.
message DeleteShopRequest {
  // Required. Its number.
  int64 shop_id = 1 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).int64.gte = 1];
}
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "shop.proto").write_text(PROTO)
    described = folder / "shop.binpb"
    Protoc(folder).run(
        f"-I{folder}", "--include_imports", "--include_source_info", f"--descriptor_set_out={described}", "shop.proto"
    )
    image = Image(described.read_bytes())
    schemas = Schemas(image)
    paths: dict[str, Any] = {}
    for one in operations(image, schemas):
        paths.setdefault(one.path, {})[one.verb] = one.content
    statuses = {status for verbs in paths.values() for one in verbs.values() for status in one["responses"]}
    errors = {f"Error{'' if status == 'default' else status}": {"description": "x"} for status in statuses}
    return {
        "openapi": "3.1.0",
        "info": {"title": "shop", "version": "v1"},
        "paths": paths,
        "components": {"schemas": schemas.components, "responses": errors},
    }


def parameters(operation: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(one["in"], one["name"], one.get("required", False)) for one in operation.get("parameters", ())]


def test_it_is_valid_and_has_every_annotated_method(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert {(verb, path) for path, verbs in document["paths"].items() for verb in verbs} == {
        ("get", "/v1/shops"),
        ("post", "/v1/shops"),
        ("post", "/v1/shops:batchCreate"),
        ("patch", "/v1/shops/{shop_id}"),
        ("patch", "/v1/owners/{owner}/shops/{shop_id}"),
        ("delete", "/v1/shops/{shop_id}"),
        ("get", "/v1/shops:watch"),
        ("post", "/v1/shops:load"),
    }


def test_a_query_carries_what_is_left_over(document: dict[str, Any]) -> None:
    paths = document["paths"]

    assert parameters(paths["/v1/shops"]["get"]) == [
        ("query", "kinds", False), ("query", "opened_from", False), ("query", "place.town", False),
    ]  # fmt: skip
    assert parameters(paths["/v1/shops"]["post"]) == [("query", "request_id", False)]
    assert parameters(paths["/v1/shops/{shop_id}"]["patch"]) == [
        ("path", "shop_id", True), ("query", "update_mask", False), ("query", "owner", False),
    ]  # fmt: skip
    kinds = paths["/v1/shops"]["get"]["parameters"][0]["schema"]
    assert kinds == {"type": "array", "items": {"type": "string", "enum": ["KIND_BAKERY"]}, "maxItems": 2}


def test_a_resource_says_who_writes_what(document: dict[str, Any]) -> None:
    shop = document["components"]["schemas"]["Shop"]

    assert shop["required"] == ["shop_id", "name"]
    assert shop["properties"]["shop_id"]["readOnly"] is True
    assert shop["properties"]["branches"]["items"] == {"$ref": "#/components/schemas/Shop"}
    assert shop["properties"]["words"]["additionalProperties"] == {"type": "string"}
    assert shop["properties"]["logo"] | {"contentEncoding": "base64", "deprecated": True} == shop["properties"]["logo"]
    assert shop["allOf"] == [{"oneOf": [{"required": ["cash"]}, {"required": ["card"]}]}]


def test_answers_have_the_statuses_that_the_comment_names(document: dict[str, Any]) -> None:
    responses = document["paths"]["/v1/shops"]["post"]["responses"]

    assert {"200", "400", "401", "403", "404", "409", "413", "default"} <= responses.keys()
    assert "404" not in document["paths"]["/v1/shops"]["get"]["responses"]


@pytest.mark.parametrize(
    ("path", "verb", "media_type"),
    [
        ("/v1/shops:watch", "get", "application/json"),
        ("/v1/shops:load", "post", "*/*"),
        ("/v1/shops/{shop_id}", "delete", "application/json"),
    ],
)
def test_an_answer_has_its_content_type(document: dict[str, Any], path: str, verb: str, media_type: str) -> None:
    assert list(document["paths"][path][verb]["responses"]["200"]["content"]) == [media_type]
