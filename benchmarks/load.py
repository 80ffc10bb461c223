"""Many clients at once against a running `fathom serve`, and one in the same run: errors, rate and times.

    fathom serve --workers 2 &
    python -m benchmarks.load --seconds 60

Every query is asked once only, so that no cache can answer it: words of the index's own names, drawn with a seed.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.machine import write_result

CLIENTS = 32
LEAST_GAIN, LONGEST_TAIL = 1.5, 10.0
_TIMEOUT = 60.0
_VERBS = ("read", "write", "open", "parse", "find", "send", "remove", "check", "convert", "wait for", "list", "copy")


@dataclass
class Load:
    """What one load met: times in milliseconds of what was answered, and what was not, by what it was."""

    clients: int
    times: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Return the rate, the percentiles and the errors."""
        ordered = sorted(self.times)
        at = {
            name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None
            for name, share in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("max_ms", 1.0))
        }
        rate = round(len(ordered) / self.seconds, 1)
        return {"clients": self.clients, "requests": len(ordered), "rate": rate, **at, "errors": dict(self.errors)}


def queries(names: Sequence[str], seed: int) -> Iterator[str]:
    """Yield queries without end, no two alike."""
    draw, said = random.Random(seed), set()
    for number in itertools.count():
        words = draw.sample(names, 3)
        query = f"{draw.choice(_VERBS)} {' '.join(words)}"
        if query in said:
            query += f" {number}"
        said.add(query)
        yield query


def load(address: str, asked: Iterator[str], clients: int, seconds: float) -> Load:
    """Let so many clients ask, each as soon as it is answered, and return what they met."""
    found, lock, started = Load(clients), threading.Lock(), time.perf_counter()
    until = started + seconds

    def one() -> None:
        with closing(_connection(address)) as connection:
            while time.perf_counter() < until:
                with lock:
                    query = next(asked)
                spent, fault = _ask(connection, query)
                with lock:
                    if fault:
                        found.errors[fault] += 1
                    else:
                        found.times.append(spent)

    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(one) for _ in range(clients)]:
            done.result()
    found.seconds = time.perf_counter() - started
    return found


def _connection(address: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(address).netloc, timeout=_TIMEOUT)


def _ask(connection: http.client.HTTPConnection, query: str) -> tuple[float, str]:
    """Return the milliseconds until an answer was whole, and what was wrong with it."""
    started = time.perf_counter()
    try:
        connection.request("GET", f"/api/v1/search?{urlencode({'query': query})}")
        reply = connection.getresponse()
        said = json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        return 0.0, type(error).__name__
    spent = 1e3 * (time.perf_counter() - started)
    if reply.status != 200:
        return spent, str(reply.status)
    return spent, "" if said["query"] == query else "another's answer"


def _names(address: str) -> list[str]:
    """Return names that the index suggests, the words to ask with."""
    found: set[str] = set()
    with closing(_connection(address)) as connection:
        for first, second in itertools.product("abcdefghilmnoprstuvw", "aeioulrst"):
            connection.request("GET", f"/api/v1/suggest?{urlencode({'prefix': first + second, 'limit': 50})}")
            for each in json.loads(connection.getresponse().read())["suggestions"]:
                if each["kind"] == "symbol":
                    found.add(each["text"].strip("_").replace("_", " "))
    if len(found) < 100:
        sys.exit("the index suggests too few names to ask with; index a folder with more code")
    return sorted(found - {""})


def measured(address: str, seconds: float, clients: int, seed: int) -> dict[str, Any]:
    """Return the figures of one client and of many, and which bars they reach."""
    asked = queries(_names(address), seed)
    load(address, asked, 2, min(3.0, seconds))  # what is read at first use is read
    alone = load(address, asked, 1, seconds / 2).figures()
    many = load(address, asked, clients, seconds).figures()
    gain = round(many["rate"] / alone["rate"], 2) if alone["rate"] else 0.0
    tail = round(many["p99_ms"] / many["p50_ms"], 2) if many["p50_ms"] else None
    bars = {
        "no errors": not alone["errors"] and not many["errors"],
        f"rate at least {LEAST_GAIN} of one client's": gain >= LEAST_GAIN,
        f"p99 at most {LONGEST_TAIL:.0f} of p50": tail is not None and tail <= LONGEST_TAIL,
    }
    return {"seed": seed, "alone": alone, "many": many, "gain": gain, "tail": tail, "bars": bars}


def _text(found: dict[str, Any]) -> str:
    lines = ["clients  requests  requests/s  p50 ms  p90 ms  p99 ms  max ms  errors"]
    for each in (found["alone"], found["many"]):
        times = "".join(f"{each[name] or 0:8.1f}" for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms"))
        errors = sum(each["errors"].values())
        lines.append(f"{each['clients']:7}{each['requests']:10}{each['rate']:12.1f}{times}{errors:8}")
    lines.append(f"rate {found['gain']} of one client's, p99 {found['tail']} of p50")
    lines += [f"{'reached' if reached else 'MISSED'}: {name}" for name, reached in found["bars"].items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write the figures; exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="http://127.0.0.1:8420", help="of the running server")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--name", default="load", help="of the result's file")
    parser.add_argument("--no-file", action="store_true", help="print the figures, write none")
    given = parser.parse_args()
    found = measured(given.address, given.seconds, given.clients, given.seed)
    print(_text(found))
    if not given.no_file:
        print(write_result(given.name, found))
    sys.exit(0 if all(found["bars"].values()) else 1)


if __name__ == "__main__":
    main()
