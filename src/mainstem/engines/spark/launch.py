"""Starting Spark: is Java there, which settings must be so, and the session itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.engines.spark.engine import Spark
from mainstem.errors import SpecError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA = 17                                 # what Spark 4 needs at least
_DAEMON = {"spark.python.daemon.module": "mainstem.engines.spark.daemon"}
_NEEDED = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4",   # it counts messages, and each may hold many rows
    "spark.sql.adaptive.enabled": "false",                 # a target is a task: nobody may put two together
    "spark.sql.session.timeZone": "UTC",
}
_USUAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.python.unix.domain.socket.enabled": "true",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
}


def open_engine(master: str, conf: Mapping[str, str], tasks: int, memory: int, name: str) -> Spark:
    """Spark as an engine. `tasks` 0: two for each core of the master; `memory`: bytes for all tasks that run at the same time.

    A session that is active in this process (a notebook, a platform that brings its own) is used and left open.
    """
    needs()
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    session = _beside(active) if active is not None else start(master, conf, name)
    cores = session.sparkContext.defaultParallelism
    return Spark(session, tasks or 2 * cores, memory // cores, owned=active is None)


def start(master: str, conf: Mapping[str, str], name: str) -> SparkSession:
    """A session with the settings that our tasks need; raises SpecError where Spark or Java is missing, or a setting is ours."""
    needs()
    for key, value in {**_NEEDED, **_DAEMON}.items():
        if conf.get(key, value) != value:
            raise SpecError("engine.setting", f"`{key}` cannot be set", why=f"mainstem's tasks need {value!r}",
                            fix="take it out of `conf:`")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = conf.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON") or sys.executable
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master(master).appName(name)
    for key, value in {**_USUAL, **conf, **_NEEDED, **_DAEMON}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _beside(active: SparkSession) -> SparkSession:
    """A session of our own in the same application: its settings are ours, the other one's stay as they are."""
    session = active.newSession()
    for key, value in _NEEDED.items():
        session.conf.set(key, value)
    return session


def needs() -> None:
    """Raise SpecError where pyspark or Java is missing, with what to do about it."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        raise SpecError("engine.no_spark", "Spark is not installed", fix="pip install 'mainstem[spark]'") from None
    found = java()
    if found is None:
        raise SpecError("engine.no_java", "there is no Java", why="Spark runs in a Java virtual machine",
                        fix=f"install Java {JAVA} (Debian: apt install openjdk-{JAVA}-jre-headless), or set JAVA_HOME")
    if found < JAVA:
        raise SpecError("engine.no_java", f"Java {found} is too old for Spark", fix=f"install Java {JAVA}, or set JAVA_HOME to one")


def java() -> int | None:
    """The major version of the Java that Spark would start, None if there is none."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if not program or not Path(program).is_file():
        return None
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)(?:\.(\d+))?', said.stderr + said.stdout)
    if version is None:
        return None
    major = int(version[1])
    return int(version[2]) if major == 1 and version[2] else major
