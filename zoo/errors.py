"""The base of every error that a user can mend, and the one that every part may raise."""


class UserError(Exception):
    """Something that the user can mend; the message names the thing, the value and the mend.

    Commands print it as one line (`zoo.cli.command.run_command`); whatever else ends a command is a bug and
    keeps its traceback.

    >>> import zoo
    >>> try:
    ...     zoo.create_model("r3d", overrides={"encoder": {"heads": 3.5}})
    ... except zoo.UserError as error:
    ...     print(type(error).__name__)
    ConfigError
    """


class ContractError(UserError, ValueError):
    """Two parts, or a part and the data, do not fit; the message names both sides and what would.

    >>> import zoo
    >>> zoo.create_model("psgn", overrides={"encoder": {"name": "cnn", "latent_dim": 8}})
    Traceback (most recent call last):
    zoo.errors.ContractError: ...
    """
