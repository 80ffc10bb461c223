"""Ask a running server for one parcel and print where it was seen last.

    python examples/follow_one_parcel.py RR123456785GB
"""

import json
import sys
from urllib.request import urlopen

from server.retry import call_with_backoff


def last_seen(number):
    """Return place and time of the newest scan, trying again if the server is busy."""
    answer = call_with_backoff(lambda: urlopen(f"http://127.0.0.1:8080/parcels/{number}/scans", timeout=5))
    scans = json.load(answer)["scans"]
    return (scans[-1]["place"], scans[-1]["time"]) if scans else None


if __name__ == "__main__":
    print(last_seen(sys.argv[1]) or "not seen yet")
