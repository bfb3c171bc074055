"""Tasks that are triggered, and functions that triggers name: whoever fires imports them."""

from __future__ import annotations

from simclock.systems.runners.app import Pynenc

app = Pynenc({"app_id": "trigger-tests"})


@app.task
def say(what="nothing"):
    return what


@app.task
def work(number, unit="kg"):
    """Fail for negative numbers."""
    if number < 0:
        raise ValueError(f"{number} {unit}")
    return {"number": number, "is_even": number % 2 == 0}


@app.task
def strict(what, *, more):
    return what, more


def is_big(values):
    return values["number"] > 10


def is_result_big(result):
    return result["number"] > 10


def fails(values):
    raise RuntimeError("a filter's mistake")


def from_event(context):
    return {"what": f"{context.event_code} {context.payload['number']}"}


def from_cron(context):
    return {"what": context.timestamp.isoformat()}


def from_status(context):
    return {"what": f"{context.status.value} of {context.arguments['number']}"}


def from_result(context):
    return {"what": context.result["number"]}


def from_exception(context):
    return {"what": f"{context.exception_type}: {context.exception_message}"}


def from_all(context):
    return {"what": [getattr(each, "payload", None) for each in context.contexts]}


def from_nothing(context):
    raise RuntimeError("a provider's mistake")


def no_mapping(context):
    return ["what"]


def wrong_names(context):
    return {"whom": 1}


def what_cannot_be_stored(context):
    return {"what": object()}
