"""
Salt states for watchers of circusd: what runs, what does not, and the configuration in effect.

.. code-block:: yaml

    web:
      circus_cluster.running:
        - reload: True
        - watch:
          - file: /srv/web/app.py
"""


def _result(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}


def _status(name):
    return __salt__["circus_cluster.status"]().get(name)


def _bring(name, wanted, call, verb):
    """To the status that is wanted, where it has another one."""
    found = _status(name)
    if found is None:
        return _result(name, False, "there is no watcher {}".format(name))
    if found == wanted:
        return _result(name, True, "{} is {}".format(name, wanted))
    if __opts__["test"]:
        return _result(name, None, "{} would be {}".format(name, verb))
    __salt__[call](name)
    now = _status(name)
    comment = "{} was {}".format(name, verb) if now == wanted else "{} is {}".format(name, now)
    return _result(name, now == wanted, comment, {"status": {"old": found, "new": now}})


def running(name, reload=False):
    """The watcher runs. With ``watch`` it is restarted, or with ``reload: True`` reloaded, when that changes."""
    return _bring(name, "active", "circus_cluster.start", "started")


def dead(name):
    """The watcher is stopped, and stays so until somebody starts it."""
    return _bring(name, "stopped", "circus_cluster.stop", "stopped")


def configured(name):
    """
    The file ``name`` is good, and circusd does what it says. Nothing is changed by a file with mistakes. Give it the file
    by ``onchanges``, so that it is read again only then.
    """
    problems = __salt__["circus_cluster.check"](name)
    if problems:
        return _result(name, False, "\n".join(problems))
    if __opts__["test"]:
        return _result(name, None, "the configuration would be read again")
    needs = __salt__["circus_cluster.reloadconfig"]()
    more = "; only after a restart of circusd: {}".format(", ".join(needs)) if needs else ""
    return _result(name, True, "the configuration is in effect" + more, {"configuration": "read again"})


def mod_watch(name, sfun=None, reload=False, **_):
    """What ``watch`` does."""
    if sfun != "running":
        return _result(name, False, "watch is for circus_cluster.running")
    if __opts__["test"]:
        return _result(name, None, "{} would be {}".format(name, "reloaded" if reload else "restarted"))
    info = __salt__["circus_cluster.reload" if reload else "circus_cluster.restart"](name)
    return _result(name, True, "{} was {}".format(name, "reloaded" if reload else "restarted"), {"processes": info})
