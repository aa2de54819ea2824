"""List filters and pages, as far as clients of these services use them.

Grammar: terms joined by AND (or a blank) and OR, in round brackets if wanted; a term is `field=value`,
`field!=value`, `field:value` (has; `*` is any), `field eq regex`, `field ne regex`. What is not understood is refused.
"""

import base64
import re

from errors import GoogleError, invalid

TOKEN = re.compile(
    r'\s*(?:(\()|(\))|(AND|OR|NOT)\b|([\w.\-]+)\s*(!=|=|:|\s(?:eq|ne)\s)\s*("[^"]*"|\'[^\']*\'|[^\s()]+))'
)


def keep(text, items):
    """The items that a filter lets through."""
    if not text:
        return items
    tokens, position = [], 0
    while position < len(text.rstrip()):
        found = TOKEN.match(text, position)
        if not found:
            raise invalid("filter", text, "Invalid list filter expression.")
        tokens.append(found.groups())
        position = found.end()
    test, rest = _either(tokens, text)
    if rest:
        raise invalid("filter", text, "Invalid list filter expression.")
    return [item for item in items if test(item)]


def _either(tokens, text):
    test, tokens = _all(tokens, text)
    tests = [test]
    while tokens and tokens[0][2] == "OR":
        test, tokens = _all(tokens[1:], text)
        tests.append(test)
    return (lambda item: any(test(item) for test in tests)), tokens


def _all(tokens, text):
    tests = []
    while tokens and not tokens[0][1] and tokens[0][2] != "OR":
        if tokens[0][2] == "AND":
            tokens = tokens[1:]
        test, tokens = _term(tokens, text)
        tests.append(test)
    if not tests:
        raise invalid("filter", text, "Invalid list filter expression.")
    return (lambda item: all(test(item) for test in tests)), tokens


def _term(tokens, text):
    if not tokens:
        raise invalid("filter", text, "Invalid list filter expression.")
    opened, _, word, field, operator, value = tokens[0]
    if opened:
        test, rest = _either(tokens[1:], text)
        if not rest or not rest[0][1]:
            raise invalid("filter", text, "Invalid list filter expression.")
        return test, rest[1:]
    if word == "NOT":
        test, rest = _term(tokens[1:], text)
        return (lambda item: not test(item)), rest
    if not field:
        raise invalid("filter", text, "Invalid list filter expression.")
    return _comparison(field, operator.strip(), value.strip("\"'")), tokens[1:]


def _comparison(field, operator, value):
    def found(item):
        for part in field.split("."):
            item = item.get(part) if isinstance(item, dict) else None
        return item

    def as_text(item):
        return {True: "true", False: "false"}.get(item, str(item)) if not isinstance(item, str) else item

    def test(item):
        there = found(item)
        if operator == ":":
            if value == "*":
                return there is not None
            return there is not None and value.strip("*") in as_text(there)
        same = there is not None and as_text(there) == value
        if operator in ("eq", "ne"):
            same = there is not None and re.fullmatch(value, as_text(there)) is not None
        elif "*" in value:
            glob = ".*".join(map(re.escape, value.split("*")))
            same = there is not None and re.fullmatch(glob, as_text(there)) is not None
        return not same if operator in ("!=", "ne") else same

    return test


def page(items, query, default, most=500):
    """One page of `items` and the token of the next."""
    size = int(query.get("maxResults", query.get("pageSize", [default]))[0])
    if not 0 < size <= most:
        raise invalid("maxResults", size, f"Values must be between 1 and {most}.")
    start = 0
    if query.get("pageToken", [""])[0]:
        try:
            start = int(base64.urlsafe_b64decode(query["pageToken"][0]).decode().removeprefix("from "))
        except ValueError as error:
            raise GoogleError(400, "invalid", "Invalid value for field 'pageToken'") from error
    token = base64.urlsafe_b64encode(f"from {start + size}".encode()).decode()
    return items[start : start + size], token if start + size < len(items) else None
