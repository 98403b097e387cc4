"""The words of the dashboard."""

from types import SimpleNamespace

from kovra.actions.capabilities import Capability
from kovra.dashboard import wording


def test_the_owner_is_called_owner_whatever_their_roles_give():
    held = {Capability.SETTINGS: None}

    assert wording.standing_label(SimpleNamespace(owner=True, capabilities=held)) == "Owner"
    assert wording.standing_label(SimpleNamespace(owner=False, capabilities=held)) == "Admin"
