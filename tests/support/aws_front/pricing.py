"""The Price List Query API (GetProducts), from a file of products. moto answers with an error page.

`products.json` holds products in the API's own form; the prices in it are made up, so that a test sees whether they came
from here.
"""

import json
import pathlib

from .answers import Refusal, json_answer

PRODUCTS = pathlib.Path(__file__).parent / "products.json"
PAGE = 7


def answer(_world, call):
    """GetProducts with TERM_MATCH filters, paged as the API pages."""
    if call.operation != "GetProducts":
        raise Refusal("InvalidParameterException", f"{call.operation} is not there")
    asked = json.loads(call.body or b"{}")
    products = [one for one in json.loads(PRODUCTS.read_text()) if one["serviceCode"] == asked["ServiceCode"]]
    for wanted in asked.get("Filters", []):
        if wanted["Type"] not in ("TERM_MATCH", "EQUALS", "ANY_OF"):
            raise Refusal("InvalidParameterException", f"the front knows no filter {wanted['Type']}")
        values = wanted["Value"].split(",") if wanted["Type"] == "ANY_OF" else [wanted["Value"]]
        products = [one for one in products if _attribute(one, wanted["Field"]) in values]
    start = int(asked.get("NextToken") or 0)
    page = products[start : start + min(PAGE, asked.get("MaxResults") or PAGE)]
    document = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(one) for one in page]}
    if start + len(page) < len(products):
        document["NextToken"] = str(start + len(page))
    return json_answer(document)


def _attribute(product, name):
    return product["product"].get(name) or product["product"]["attributes"].get(name)
