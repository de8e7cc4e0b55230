"""A worker with Python's standard library: TORIL_URL=... TORIL_KEY=... python3 worker.py"""
import json, os, time, urllib.request

URL = os.environ.get("TORIL_URL", "http://127.0.0.1:3000")
HEADERS = {"Content-Type": "application/json"}
if "TORIL_KEY" in os.environ:
    HEADERS["Authorization"] = "Bearer " + os.environ["TORIL_KEY"]
TAKE = {
    "types": [os.environ.get("TORIL_TYPE", "text.count")], "max": 20, "waitMs": 20_000, "worker": f"python-{os.getpid()}",
    "leaseMs": int(os.environ.get("LEASE_MS", "30000")),
}

def handle(data):
    return {"words": len(data["text"].split())}

def run(job):
    report = {"id": job["id"], "lease": job["lease"]}
    try:
        return {**report, "outcome": "completed", "result": handle(job["data"])}
    except Exception as error:
        return {**report, "outcome": "failed", "error": {"name": type(error).__name__, "message": str(error)}}

def call(path, body):
    request = urllib.request.Request(URL + "/v1/worker/" + path, json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)

reports = []
while True:
    try:
        # A busy worker needs one request per batch: it finishes one batch and takes the next.
        jobs = call("finish", {"results": reports, "take": TAKE})["jobs"] if reports else call("take", TAKE)["jobs"]
    except OSError as error:  # Unreachable or at capacity. Finishing is safe to repeat.
        print(error)
        time.sleep(1)
        continue
    reports = [run(job) for job in jobs]
