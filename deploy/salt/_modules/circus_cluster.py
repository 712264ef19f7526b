"""
Salt execution module: circusd of this minion, and the fleet where the minion has an operator's credentials.

Every function runs ``circusctl --json`` and returns data, or raises CommandExecutionError with the reason. Settings of the
minion, all optional::

    circus_cluster.endpoint: tcp://127.0.0.1:5555
    circus_cluster.nats: tls://nats.example:4222      # for the functions whose names begin with fleet_
    circus_cluster.creds: /etc/circus/operator-admin.creds
    circus_cluster.timeout: 10
"""

import json

try:
    from salt.exceptions import CommandExecutionError
except ImportError:  # read without Salt, by a test
    class CommandExecutionError(Exception):
        """What Salt shows instead of a traceback."""


__virtualname__ = "circus_cluster"


def __virtual__():
    if __salt__["cmd.which"]("circusctl"):
        return __virtualname__
    return False, "circusctl is not in PATH"


def _setting(name):
    return __salt__["config.get"]("circus_cluster." + name, None)


def _run(words, fleet=False):
    """What circusctl prints, as data, and its exit code."""
    options = ["circusctl", "--json"]
    names = ["nats", "creds", "timeout"] if fleet else ["endpoint", "timeout"]
    for name in names:
        value = _setting(name)
        if value is not None:
            options.append("--{}={}".format(name, value))
    done = __salt__["cmd.run_all"](options + words, python_shell=False, ignore_retcode=True)
    try:
        return json.loads(done["stdout"]), done["retcode"]
    except ValueError:
        lines = [line for line in done["stderr"].splitlines() if line]
        raise CommandExecutionError(lines[0] if lines else "circusctl said nothing")


def _ask(*words):
    """A command of this minion's circusd."""
    reply, _ = _run(list(words))
    if reply.get("status") == "error":
        raise CommandExecutionError(reply["reason"])
    return reply


def _scope(hosts=None, where=None):
    if hosts:
        return ["--host", hosts]
    return ["--where", where] if where else ["--all"]


def status(name=None):
    """
    Status of every watcher, or of one.

    .. code-block:: bash

        salt '*' circus_cluster.status
        salt '*' circus_cluster.status web
    """
    return _ask("status")["statuses"] if name is None else _ask("status", name)["status"]


def pids(name):
    """Process ids of a watcher."""
    return _ask("list", name)["pids"]


def options(name):
    """All options of a watcher."""
    return _ask("options", name)["options"]


def start(name):
    """Start a watcher, and wait for it."""
    return _ask("start", name, "--waiting")["info"]


def stop(name, reason=None):
    """Stop a watcher, and wait for it. It stays stopped until somebody starts it."""
    return _ask("stop", name, "--waiting", *(["--reason", reason] if reason else []))["status"] == "ok"


def restart(name):
    """Restart a watcher, and wait for it: which processes went, which came."""
    return _ask("restart", name, "--waiting")["info"]


def reload(name):
    """New processes before the old ones go; waits until they are healthy."""
    return _ask("reload", name, "--waiting")["info"]


def reloadconfig():
    """Do what has changed in the configuration file. Returns what needs a restart of circusd."""
    return _ask("reloadconfig", "--waiting").get("needs_restart", [])


def check(path):
    """
    What is wrong with a configuration file: a line each, as ``circusd --check`` says it; nothing where it is good.

    .. code-block:: bash

        salt '*' circus_cluster.check /etc/circus/circus.ini
    """
    done = __salt__["cmd.run_all"](
        ["circusd", "--check", "--json", path], python_shell=False, ignore_retcode=True
    )
    report = json.loads(done["stdout"])
    return [found["text"] for found in report["diagnostics"] if found["severity"] == "error"]


def fleet_status(hosts=None, where=None):
    """
    Watchers of the fleet's hosts, or of some: ``hosts`` is a comma list, ``where`` a label such as ``role=web``.

    .. code-block:: bash

        salt-call circus_cluster.fleet_status where=role=web
    """
    return _run(_scope(hosts, where) + ["status"], fleet=True)[0]["hosts"]


def fleet_restart(name, hosts=None, where=None, **rollout):
    """
    A rolling restart. Further arguments are options of a rollout, ``_`` for ``-``. Returns its record; one that fails
    raises an error with the reason.

    .. code-block:: bash

        salt-call circus_cluster.fleet_restart web where=role=web batch=1 soak=10s on_lost=skip
    """
    words = ["restart", name, "--yes"]
    for option, value in rollout.items():
        if not option.startswith("__"):  # Salt's own
            words.append("--{}={}".format(option.replace("_", "-"), value))
    document, code = _run(_scope(hosts, where) + words, fleet=True)
    record = document.get("rollout", document)
    if code != 0:
        raise CommandExecutionError(record.get("reason") or "some host failed: {}".format(json.dumps(document)))
    return record
