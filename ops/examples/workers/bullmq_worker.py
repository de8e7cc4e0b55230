"""Processes the jobs of a type with `"worker": "bullmq"`: pip install bullmq, then QUEUE=mail python3 bullmq_worker.py"""

import asyncio
import os
import signal

from bullmq import Worker


async def process(job, token):
    # An exception fails the attempt; BullMQ retries by the options of the job.
    if job.data["message"] == "fail":
        raise RuntimeError("failed as requested")
    # Validated against the schema of the type's result when Toril settles the job.
    return {"message": job.data["message"]}


async def main():
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    # The braces keep all keys of the queue in one slot of a Cluster.
    queue = "{" + os.environ.get("QUEUE", "default") + "}"
    options = {"connection": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"), "concurrency": 20}
    worker = Worker(queue, process, options)
    await stop.wait()
    await worker.close()


asyncio.run(main())
