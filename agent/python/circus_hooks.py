"""Calls the Python hooks of one agent, which speaks to it in JSON lines over descriptor 3.

The agent says what to call and what the watcher looks like; the answer is what the hook returned and what it changed.
Each call has a thread of its own, so that one which does not return holds up nobody else. The agent makes one call at
a time for each watcher. When the agent goes, so does this.
"""

import importlib
import importlib.abc
import importlib.machinery
import json
import logging
import os
import site
import socket
import sys
import threading
import traceback
import types

LINE_MAX = 1 << 20


class Channel:
    """Lines to and from the agent."""

    def __init__(self, fd):
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._lock = threading.Lock()
        self._asked = {}
        self._last = 0

    def lines(self):
        with self._socket.makefile("rb") as stream:
            for line in stream:
                yield json.loads(line)

    def send(self, message):
        data = json.dumps(message, default=str).encode() + b"\n"
        if len(data) > LINE_MAX:
            if "id" not in message:
                raise ValueError("too much to tell the agent")
            data = json.dumps({"id": message["id"], "error": "the answer is longer than 1 MiB"}).encode() + b"\n"
        with self._lock:
            self._socket.sendall(data)

    def ask(self, call, what, **facts):
        """Something that only the agent knows or may do; waits for it."""
        done = threading.Event()
        with self._lock:
            self._last += 1
            number = self._last
            self._asked[number] = [done, None]
        self.send(dict(facts, ask=number, call=call, what=what))
        done.wait()
        return self._asked.pop(number)[1]

    def answered(self, number, value):
        entry = self._asked.get(number)
        if entry is not None:
            entry[1] = value
            entry[0].set()


class Process:
    def __init__(self, facts):
        self.pid = facts["pid"]
        self.wid = facts["wid"]
        self.started = facts["started"]

    def __repr__(self):
        return "<process pid=%s wid=%s>" % (self.pid, self.wid)


class Shown:
    """What a hook sees of an object of the agent. Only what stands in ``_free`` can be set."""

    _free = ()

    def __setattr__(self, name, value):
        if not name.startswith("_") and name not in self._free:
            raise AttributeError("a hook cannot set %s.%s" % (type(self).__name__.lower(), name))
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        raise AttributeError("a hook does not see %s.%s" % (type(self).__name__.lower(), name))


class Watcher(Shown):
    _free = ("env",)

    def __init__(self, channel, call, facts):
        self._channel = channel
        self._call = call
        self._options = facts["options"]
        self._status = facts["status"]
        self.__dict__.update({key: value for key, value in facts["options"].items() if key.isidentifier()})
        self.__dict__.update(name=facts["name"], res_name=facts["name"].lower().replace(" ", "_"), env=facts["env"])
        self.__dict__.update(processes={one["pid"]: Process(one) for one in facts["processes"]})

    def __len__(self):
        return len(self.processes)

    def __bool__(self):
        return True

    def __repr__(self):
        return "<circus.Watcher name=%s numprocesses=%s>" % (self.name, self.numprocesses)

    @property
    def pids(self):
        return list(self.processes)

    def get_active_pids(self):
        return list(self.processes)

    def get_active_processes(self):
        return list(self.processes.values())

    def status(self):
        return self._status

    def is_active(self):
        return self._status == "active"

    def is_stopped(self):
        return self._status == "stopped"

    def is_stopping(self):
        return self._status == "stopping"

    def send_signal(self, pid, signum):
        self._channel.ask(self._call, "signal", pid=int(pid), signum=int(signum))


class Arbiter(Shown):
    """The agent as a whole. Looks only when somebody asks."""

    def __init__(self, channel, call):
        self._channel = channel
        self._call = call

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        facts = self._channel.ask(self._call, "arbiter")
        if name == "watchers":
            return [Watcher(self._channel, self._call, one) for one in facts["watchers"]]
        if name in facts:
            return facts[name]
        raise AttributeError("a hook does not see arbiter.%s" % name)

    def get_watcher(self, name):
        for watcher in self.watchers:
            if watcher.name.lower() == name.lower():
                return watcher
        raise KeyError("program %r not found" % name)

    def statuses(self):
        return {watcher.name: watcher.status() for watcher in self.watchers}

    def numwatchers(self):
        return len(self.watchers)

    def numprocesses(self):
        return sum(len(watcher) for watcher in self.watchers)


class Stub(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Hooks say ``from circus import logger``; without a Circus for this Python that means the standard logging."""

    def find_spec(self, fullname, path=None, target=None):
        return importlib.machinery.ModuleSpec(fullname, self) if fullname == "circus" else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.logger = logging.getLogger("circus")
        return module

    def exec_module(self, module):
        pass


def resolve(reference, reload=False):
    """The callable that ``package.module.name`` or ``module:name`` means."""
    if ":" in reference:
        name, _, rest = reference.partition(":")
        module, attributes = importlib.import_module(name), rest.split(".")
    else:
        parts = reference.split(".")
        module, attributes = import_longest(parts)
    if reload:
        module = importlib.reload(module)
    found = module
    for attribute in attributes:
        found = getattr(found, attribute)
    if not callable(found):
        raise TypeError("%s is not callable" % reference)
    return found


def import_longest(parts):
    for size in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:size])
        try:
            return importlib.import_module(name), parts[size:]
        except ModuleNotFoundError as error:
            # One that the module itself misses is its own trouble.
            if size == 1 or not (name + ".").startswith((error.name or "") + "."):
                raise
    raise ImportError("no module in %r" % ".".join(parts))


def text_of(error):
    return str(error) or type(error).__name__


def check(message):
    for name, reference in message["references"].items():
        try:
            resolve(reference, message["reload"])
        except BaseException as error:
            return {"error": "hooks.%s: cannot import '%s': %s" % (name, reference, text_of(error))}
    return {"value": True}


def call(channel, message):
    watcher = Watcher(channel, message["id"], message["watcher"])
    arbiter = Arbiter(channel, message["id"])
    before = dict(watcher.env)
    stats = message["stats"]
    try:
        hook = resolve(message["reference"])
        if stats is None:
            result = hook(watcher=watcher, arbiter=arbiter, hook_name=message["hook"], **message["facts"])
        else:
            hook(watcher, arbiter, message["hook"], stats=stats, **message["facts"])
            result = True
        reply = {"value": bool(result)}
        if dict(watcher.env) != before:
            reply["env"] = {str(key): str(value) for key, value in watcher.env.items()}
    except BaseException as error:
        return {"error": text_of(error), "traceback": traceback.format_exc()}
    if stats is not None:
        reply["stats"] = stats
    return reply


def work(channel, message):
    reply = check(message) if message["kind"] == "check" else call(channel, message)
    try:
        channel.send(dict(reply, id=message["id"]))
    except OSError:
        pass  # the agent has gone


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    for path in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if path:
            site.addsitedir(path)
    sys.meta_path.append(Stub())
    logging.basicConfig(format="%(asctime)s %(name)s[%(process)d] [%(levelname)s] %(message)s", level=logging.INFO)
    channel = Channel(3)
    for message in channel.lines():
        if "answer" in message:
            channel.answered(message["answer"], message["value"])
        else:
            threading.Thread(target=work, args=(channel, message), daemon=True).start()
    os._exit(0)


if __name__ == "__main__":
    main()
