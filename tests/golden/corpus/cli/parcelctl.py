"""The operator's command: follow a parcel, bring in old ones from a file."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.request import Request, urlopen


def clean_tracking_number(text: str) -> str:
    """Return a tracking number without blanks and dashes, in capitals, its check digit verified."""
    number = re.sub(r"[\s-]", "", text).upper()
    match = re.fullmatch(r"[A-Z]{2}(\d{8})(\d)[A-Z]{2}", number)
    if match is None:
        raise ValueError(f"{text!r} is not a tracking number")
    weights = (8, 6, 4, 2, 3, 5, 9, 7)
    total = sum(int(digit) * weight for digit, weight in zip(match[1], weights))
    check = {10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11)
    if check != int(match[2]):
        raise ValueError(f"{text!r} has a wrong check digit")
    return number


def fetch(server: str, path: str, body: dict | None = None) -> dict:
    """Ask the server for JSON; with a body, give it that first."""
    encoded = None if body is None else json.dumps(body).encode()
    request = Request(server + path, encoded, {"Accept": "application/json", "Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


def print_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    """Print rows under a header, every column as wide as its longest cell."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, ["-" * width for width in widths], *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def follow(server: str, number: str, as_json: bool) -> int:
    found = fetch(server, f"/parcels/{clean_tracking_number(number)}/scans")
    if as_json:
        json.dump(found, sys.stdout, indent=2)
    else:
        print_table([[scan["time"], scan["place"], scan["status"]] for scan in found["scans"]], ["when", "where", "what"])
    return 0 if found["scans"] else 1


def read_rows(file: Path) -> Iterable[dict[str, str]]:
    """Yield the rows of a CSV file that can be used; complain about the others by line number."""
    with file.open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            try:
                row["number"] = clean_tracking_number(row["number"])
            except (KeyError, ValueError) as error:
                print(f"{file}: skipped a row: {error}", file=sys.stderr)
                continue
            yield row


def confirm(question: str) -> bool:
    """Ask on the terminal; anything but a yes is a no, and so is no terminal."""
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and do what it says; return the exit code."""
    parser = argparse.ArgumentParser(prog="parcelctl", description="Look after parcels from the terminal.")
    parser.add_argument("--server", default="http://127.0.0.1:8080", help="address of the Waybill server")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("follow", help="show where a parcel has been")
    one.add_argument("number")
    one.add_argument("--json", action="store_true", help="print JSON instead of a table")
    many = commands.add_parser("import", help="read parcels from a CSV file")
    many.add_argument("file", type=Path)
    many.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    if options.command == "follow":
        return follow(options.server, options.number, options.json)
    rows = list(read_rows(options.file))
    if not options.yes and not confirm(f"Import {len(rows)} parcels?"):
        print("nothing was imported", file=sys.stderr)
        return 1
    for row in rows:
        fetch(options.server, "/parcels", row)
    return 0
