"""Faults, latency, limits, trouble on the gateway, and starting over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kovra.sandbox.control.asking import Ask, ControlError, Json, Table
from kovra.sandbox.faults import Fault, When

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

table = Table()


@table.on("GET", "faults")
def _armed(sandbox: Sandbox, ask: Ask) -> list[Json]:
    return [_fault_payload(fault) for fault in sandbox.faults.armed]


@table.on("POST", "faults")
def _arm(sandbox: Sandbox, ask: Ask) -> Json:
    """Arm a fault; the keys are the fields of :class:`kovra.sandbox.faults.Fault`."""
    what = {**ask.body, "when": When(ask.body.get("when", "before"))}
    if "params" in what:
        what["params"] = {name: str(value) for name, value in what["params"].items()}
    return _fault_payload(sandbox.faults.arm(**what))


@table.on("DELETE", "faults")
def _disarm(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.clear()


def _fault_payload(fault: Fault) -> Json:
    return {name: getattr(fault, name) for name in Fault.__dataclass_fields__}


@table.on("POST", "latency")
def _latency(sandbox: Sandbox, ask: Ask) -> Json:
    sandbox.faults.latency_ms = float(ask.body["ms"])
    return {"ms": sandbox.faults.latency_ms}


@table.on("POST", "limits")
def _set_limits(sandbox: Sandbox, ask: Ask) -> Json:
    sandbox.limits.on = bool(ask.body["on"])
    return _limits(sandbox, ask)


@table.on("GET", "limits")
def _limits(sandbox: Sandbox, ask: Ask) -> Json:
    limits = sandbox.limits
    return {"on": limits.on, "refused": limits.refused, "invalid_requests": limits.invalid_requests()}


@table.on("POST", "gateway")
async def _gateway(sandbox: Sandbox, ask: Ask) -> None:
    """Trouble on the gateway.

    ``do`` is ``drop`` (with ``code``), ``cut`` (for longer than a session can be resumed), ``reconnect``,
    ``invalidate`` (with ``resumable``), ``silence``, or ``refuse``: the next connections that identify or resume are
    closed with ``codes``, one each.
    """
    what = ask.body.get("do")
    if what == "drop":
        await sandbox.gateway.disconnect_all(int(ask.body.get("code", 4000)))
    elif what == "cut":
        await sandbox.gateway.cut()
    elif what == "reconnect":
        sandbox.gateway.ask_reconnect()
    elif what == "invalidate":
        if ask.body.get("resumable"):
            sandbox.gateway.ask_resume()
        else:
            sandbox.gateway.invalidate_all()
    elif what == "silence":
        sandbox.gateway.fall_silent()
    elif what == "refuse":
        sandbox.gateway.refusals.extend(int(code) for code in ask.body["codes"])
    else:
        raise ControlError("do must be drop, cut, reconnect, invalidate, silence or refuse")


@table.on("POST", "reset")
def _reset(sandbox: Sandbox, ask: Ask) -> None:
    """Back to the beginning: the world, the counters, faults and limits; connections are invalidated."""
    sandbox.reset()


@table.on("POST", "audit_delay")
def _audit_delay(sandbox: Sandbox, ask: Ask) -> Json:
    """How late audit entries appear, in milliseconds (``ms``)."""
    sandbox.stage.audit_delay_s = float(ask.body["ms"]) / 1000
    return {"ms": sandbox.stage.audit_delay_s * 1000}
