import pytest
from foolscap.api import Referenceable, RemoteInterface

from allmydata.util.wire import serves


class RIParent(RemoteInterface):
    def look(place=bytes, count=int):  # noqa: N805
        return None


class RIChild(RIParent):
    def stop():
        return None


def test_a_class_that_answers_every_call_is_taken_and_declared():
    @serves(RIChild)
    class Server(Referenceable):
        def remote_look(self, place, count):
            return None

        def remote_stop(self):
            return None

    assert RIChild.implementedBy(Server)


def test_a_missing_call_is_found_at_import():
    with pytest.raises(TypeError, match=r"Server.remote_stop: None != \[\]"):

        @serves(RIChild)
        class Server(Referenceable):
            def remote_look(self, place, count):
                return None


def test_calls_of_a_parent_interface_count():
    with pytest.raises(TypeError, match="remote_look"):

        @serves(RIChild)
        class Server(Referenceable):
            def remote_stop(self):
                return None


def test_misspelt_and_misplaced_arguments_are_found_at_import():
    with pytest.raises(TypeError, match=r"remote_look: \['count', 'place'\] != \['place'"):

        @serves(RIParent)
        class Server(Referenceable):
            def remote_look(self, count, place):
                return None
