"""What the functions return: one code for each way in which a call can end."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The outcome of a call; all but the first are failures."""

    error_ok = 0
    error_system = 1  # the operating system, or the hive does not let us in
    error_internal = 2  # the hive failed, or its grid
    error_no_memory = 3  # no room, here or there
    error_invalid_protocol = 4  # what answers is no hive
    error_host_not_found = 5
    error_invalid_option = 6
    error_alias_too_long = 7
    error_alias_not_found = 8
    error_alias_already_exists = 9
    error_timeout = 10
    error_buffer_too_small = 11  # the content is longer than the client takes
    error_invalid_command = 12
    error_invalid_input = 13
    error_connection_refused = 14
    error_connection_reset = 15
    error_unexpected_reply = 16


error_ok = Code.error_ok
error_system = Code.error_system
error_internal = Code.error_internal
error_no_memory = Code.error_no_memory
error_invalid_protocol = Code.error_invalid_protocol
error_host_not_found = Code.error_host_not_found
error_invalid_option = Code.error_invalid_option
error_alias_too_long = Code.error_alias_too_long
error_alias_not_found = Code.error_alias_not_found
error_alias_already_exists = Code.error_alias_already_exists
error_timeout = Code.error_timeout
error_buffer_too_small = Code.error_buffer_too_small
error_invalid_command = Code.error_invalid_command
error_invalid_input = Code.error_invalid_input
error_connection_refused = Code.error_connection_refused
error_connection_reset = Code.error_connection_reset
error_unexpected_reply = Code.error_unexpected_reply

_STATUS = {
    400: error_invalid_input,
    401: error_system,
    403: error_system,
    404: error_alias_not_found,
    405: error_invalid_command,
    408: error_timeout,
    411: error_invalid_input,
    412: error_alias_already_exists,
    413: error_invalid_input,
    414: error_alias_too_long,
    501: error_invalid_command,
    504: error_timeout,
    507: error_no_memory,
}


def code_of(status: int) -> Code:
    """Return what a status of HTTP means."""
    if 200 <= status < 300:
        return error_ok
    if status in _STATUS:
        return _STATUS[status]
    return error_internal if 500 <= status < 600 else error_unexpected_reply
