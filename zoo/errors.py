"""The base of every error that a user can mend, and the one that every part may raise."""


class UserError(Exception):
    """Something that the user can mend; the message names the thing, the value and the mend.

    Commands print it as one line (`zoo.cli.command.run_command`); whatever else ends a command is a bug and
    keeps its traceback.
    """


class ContractError(UserError, ValueError):
    """Two parts, or a part and the data, do not fit; the message names both sides and what would."""
