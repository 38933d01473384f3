"""Asks 1000 times whether to go on, then looks at the metrics."""

import sys
import urllib.request

base = sys.argv[1]
for _ in range(1000):
    with urllib.request.urlopen(base + "/api/v1/rate") as answer:
        assert answer.status == 200, answer.status
with urllib.request.urlopen(base + "/metrics") as answer:
    assert answer.status == 200, answer.status
    assert "latency_seconds_bucket" in answer.read().decode()
