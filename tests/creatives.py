"""Making spaces and assets as clients do: files by the multipart request specification."""

import io
import json
from typing import Any

from PIL import Image, ImageDraw

from tests.api import Api

MULTIPART = {"GraphQL-Preflight": "1"}
ASSET = "asset { id } created userErrors { code message field }"


def picture(seed: int = 1, size: tuple[int, int] = (64, 48), form: str = "PNG") -> bytes:
    """A picture of a few shapes, other ones for each seed."""
    image = Image.new("RGB", size, (seed * 37 % 256, seed * 91 % 256, 128))
    draw = ImageDraw.Draw(image)
    for place in range(6):
        x, y = (seed * 17 + place * 11) % size[0], (seed * 29 + place * 7) % size[1]
        draw.rectangle((x, y, x + 12, y + 9), fill=((seed * place * 53) % 256, (place * 40) % 256, 255 - place * 30))
    target = io.BytesIO()
    image.save(target, form)
    return target.getvalue()


async def change(api: Api, name: str, input_: dict[str, Any], selected: str) -> Any:
    """The payload of a mutation."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    kind = {
        "DeleteSpaceInput": "DeleteInput",
        "DeleteAssetInput": "DeleteInput",
        "RestoreSpaceInput": "RestoreInput",
        "RestoreAssetInput": "RestoreInput",
        "UpdateSpacePerformanceInput": "UpdatePerformanceInput",
        "UpdateAssetPerformanceInput": "UpdatePerformanceInput",
    }.get(kind, kind)
    query = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {selected} }} }}"
    return (await api.data(query, input=input_))[name]


async def create_space(api: Api, name: str = "Spring", **more: Any) -> str:
    """A space's id."""
    given = {"name": name, "platform": "META", **more}
    payload = await change(api, "createSpace", given, "space { id } userErrors { code message field }")
    assert payload["userErrors"] == [], payload
    return str(payload["space"]["id"])


async def send(api: Api, name: str, input_: dict[str, Any], file: bytes, file_name: str, selected: str = ASSET) -> Any:
    """The payload of a mutation whose input has a file."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    query = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {selected} }} }}"
    operations = json.dumps({"query": query, "variables": {"input": {**input_, "file": None}}})
    answer = await api.post_form(
        [("operations", operations), ("map", json.dumps({"0": ["variables.input.file"]}))],
        {"0": (file_name, file)},
    )
    assert "errors" not in answer, answer
    return answer["data"][name]


async def upload(
    api: Api, space_id: str, file: bytes, file_name: str = "banner.png", kind: str = "IMAGE", **more: Any
) -> Any:
    """What createAsset answers for a file."""
    selected = more.pop("selected", ASSET)
    return await send(api, "createAsset", {"spaceId": space_id, "type": kind, **more}, file, file_name, selected)


async def create_asset(api: Api, space_id: str, kind: str = "HEADLINE", **more: Any) -> str:
    """The id of an asset that is a text."""
    texts = {"HEADLINE": "headlineText", "AD_COPY": "adCopyText", "CALL_TO_ACTION": "ctaText"}
    given = {"spaceId": space_id, "type": kind, texts[kind]: "Half price", **more}
    payload = await change(api, "createAsset", given, ASSET)
    assert payload["userErrors"] == [], payload
    return str(payload["asset"]["id"])
