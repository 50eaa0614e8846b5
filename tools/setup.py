"""Makes `.venv` with exactly the dependencies of uv.lock: called by `make setup`, needs nothing but Python.

The pinned uv of the lock file is installed by pip first, then it installs everything else. A stamp file tells make that
the work is done; it is removed first, so a setup that was interrupted is done again.
"""

import os
import re
import shutil
import subprocess
import sys

LEAST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
READY = os.path.join(VENV, ".ready")


def main():
    """Everything, in order; any step that fails ends it with what to do."""
    if sys.version_info < LEAST:
        elsewhere()
    if os.path.exists(READY):
        os.remove(READY)
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "UV_PROJECT_ENVIRONMENT")}
    environment.update(UV_COMPILE_BYTECODE="1", UV_PYTHON_DOWNLOADS="never", PIP_DISABLE_PIP_VERSION_CHECK="1")
    python, uv = os.path.join(VENV, "bin", "python"), os.path.join(VENV, "bin", "uv")
    if not works(python):
        shutil.rmtree(VENV, ignore_errors=True)
        step("a virtual environment", [sys.executable, "-m", "venv", VENV], environment,
             "your Python lacks the module venv; on Debian and Ubuntu: apt-get install python3-venv")
    wanted = pinned("uv")
    if version(uv) != wanted:
        step("uv " + wanted, [python, "-m", "pip", "install", "-q", "uv==" + wanted], environment,
             "is the package index within reach? pip's own settings (PIP_INDEX_URL, pip.conf) are obeyed")
    step("the locked dependencies", [uv, "sync", "--locked", "--inexact", "-q"], environment,
         "is the package index within reach? uv's own settings (UV_DEFAULT_INDEX, uv.toml) are obeyed")
    step("mainstem itself", [python, "-m", "compileall", "-q", os.path.join(ROOT, "src")], environment, "")
    with open(READY, "w") as stamp:
        stamp.write(wanted + "\n")


def elsewhere():
    """Go on under a newer Python if there is one, else say what is missing."""
    for minor in range(19, LEAST[1] - 1, -1):
        found = shutil.which("python3.%d" % minor)
        if found:
            os.execv(found, [found, os.path.abspath(__file__)])
    sys.exit("mainstem needs Python %d.%d or newer; `%s` is %d.%d.\n"
             "Install one, or name it: MAINSTEM_PYTHON=/path/to/python3.12 make setup"
             % (LEAST[0], LEAST[1], sys.executable, sys.version_info[0], sys.version_info[1]))


def works(python):
    """True if the interpreter of the environment starts and is new enough."""
    try:
        return subprocess.call([python, "-c", "import sys, pip; sys.exit(sys.version_info < (%d, %d))" % LEAST],
                               stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def version(uv):
    """The version of the uv that is there, empty if none."""
    try:
        return subprocess.check_output([uv, "--version"], stderr=subprocess.DEVNULL).decode().split()[1]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def pinned(name):
    """The version of a package in uv.lock."""
    with open(os.path.join(ROOT, "uv.lock")) as lock:
        return re.search(r'^name = "%s"\nversion = "([^"]+)"' % name, lock.read(), re.MULTILINE).group(1)


def step(what, command, environment, hint):
    """Run one step, saying so; a failure ends everything with a hint."""
    sys.stderr.write("setup: " + what + "\n")
    sys.stderr.flush()
    if subprocess.call(command, cwd=ROOT, env=environment) != 0:
        sys.exit("setup stopped at " + what + (": " + hint if hint else ""))


if __name__ == "__main__":
    main()
