"""Task queues and schedulers: one set of clients for each process, also after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.compat.local_api import LocalAPI
from tests.compat.table import check

WORKERS = "Workers and schedulers"
MODULE = '`clients = Clients()` beside the tasks, and `clients["default"]` in them'


def run_script(api: LocalAPI, code: str, **files: str) -> None:
    """Run ``code`` in a process with the settings of a client, beside ``files`` of that name."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / f"{name}.py").write_text(text)
        paths = os.pathsep.join((folder, str(Path.cwd())))
        environment = {**os.environ, **api.environment(), "PYTHONPATH": paths}
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, timeout=90)


@check("celery", WORKERS, MODULE + "; with `prefork` each child opens its own")
def celery(api: LocalAPI) -> None:
    tasks = """
import os
from celery import Celery
from prio_middleware.web import Clients

app = Celery("shop", broker="filesystem://", backend="file://results")
os.makedirs("queue", exist_ok=True), os.makedirs("results", exist_ok=True)
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.result_backend = "file://" + os.path.abspath("results")
clients = Clients()

@app.task
def orders():
    return clients["default"].get("/orders").status_code, os.getpid()
"""
    run_script(
        api,
        """
import signal, subprocess, sys
import tasks
assert tasks.orders()[0] == 200  # A connection and a token before the fork.
worker = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2", "-l", "ERROR"]
process = subprocess.Popen([*worker, "--without-gossip", "--without-mingle", "--without-heartbeat"])
try:
    results = [task.get(timeout=60) for task in [tasks.orders.delay() for _ in range(8)]]
    assert {status for status, _ in results} == {200}
finally:
    process.send_signal(signal.SIGTERM)
    process.wait(30)
""",
        tasks=tasks,
    )


@check(
    "rq", WORKERS, MODULE + "; the child of each job opens its own, so share the token: `[token_store]` with a file or Redis"
)
def rq(api: LocalAPI) -> None:
    jobs = """
from prio_middleware.web import Clients

clients = Clients()

def orders():
    return clients["default"].get("/orders").status_code
"""
    run_script(
        api,
        """
import fakeredis, jobs
from rq import Queue, SimpleWorker
from rq.timeouts import TimerDeathPenalty
connection = fakeredis.FakeStrictRedis()
queue = Queue(connection=connection)
queued = [queue.enqueue(jobs.orders) for _ in range(3)]
SimpleWorker([queue], connection=connection).work(burst=True)
assert [job.return_value() for job in queued] == [200] * 3
""",
        jobs=jobs,
    )
    assert api.token_requests == 1


@check("dramatiq", WORKERS, MODULE + "; threads of a process share them")
def dramatiq(api: LocalAPI) -> None:
    import dramatiq
    from dramatiq.brokers.stub import StubBroker

    from prio_middleware.web import Clients

    broker = StubBroker()
    dramatiq.set_broker(broker)
    clients, statuses = Clients(api.settings()), list[int]()

    @dramatiq.actor
    def orders() -> None:
        statuses.append(clients["default"].get("/orders").status_code)

    worker = dramatiq.Worker(broker, worker_timeout=100)
    worker.start()
    for _ in range(8):
        orders.send()
    broker.join(orders.queue_name)
    worker.join()
    worker.stop()
    assert statuses == [200] * 8
    assert api.token_requests == 1


@check("APScheduler", WORKERS, MODULE + ', on `BackgroundScheduler`; `AsyncClients().here()["default"]` on `AsyncIOScheduler`')
def apscheduler(api: LocalAPI) -> None:
    import asyncio
    import threading

    from apscheduler.schedulers.asyncio import AsyncIOScheduler
    from apscheduler.schedulers.background import BackgroundScheduler

    from prio_middleware.web import AsyncClients, Clients

    clients, done = Clients(api.settings()), threading.Event()

    def orders() -> None:
        assert clients["default"].get("/orders").status_code == 200
        done.set()

    scheduler = BackgroundScheduler()
    scheduler.add_job(orders)
    scheduler.start()
    assert done.wait(20)
    scheduler.shutdown()

    async def main() -> None:
        on_loop, finished = AsyncClients(api.settings()), asyncio.Event()

        async def orders_async() -> None:
            assert (await on_loop.here()["default"].get("/orders")).status_code == 200
            finished.set()

        own = AsyncIOScheduler()
        own.add_job(orders_async)
        own.start()
        await asyncio.wait_for(finished.wait(), 20)
        own.shutdown()

    asyncio.run(main())
    assert api.token_requests == 1


@check("huey", WORKERS, MODULE)
def huey(api: LocalAPI) -> None:
    from huey import MemoryHuey

    from prio_middleware.web import Clients

    queue, clients = MemoryHuey(immediate=True), Clients(api.settings())

    @queue.task()
    def orders() -> int:
        return clients["default"].get("/orders").status_code

    assert [orders()() for _ in range(3)] == [200] * 3
    assert api.token_requests == 1


@check("arq", WORKERS, '`clients = AsyncClients()` beside the tasks, and `clients.here()["default"]` in them')
def arq(api: LocalAPI) -> None:
    import asyncio

    from arq.worker import func

    from prio_middleware.web import AsyncClients

    clients = AsyncClients(api.settings())

    async def orders(_: dict[str, object]) -> int:
        return (await clients.here()["default"].get("/orders")).status_code

    async def main() -> None:
        task = func(orders, name="orders")
        assert await asyncio.gather(*(task.coroutine({}) for _ in range(3))) == [200] * 3

    asyncio.run(main())
    assert api.token_requests == 1
