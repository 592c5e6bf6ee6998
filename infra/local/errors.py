"""Errors of the embedded stack, with what to do next and an exit code for the command line."""

from __future__ import annotations

from typing import ClassVar

from services.core.errors import DomainError, Message


class LocalStackError(DomainError):
    """The embedded stack could not do what was asked.

    Attributes:
        exit_code: What ``python -m infra.local`` exits with.
    """

    exit_code: ClassVar[int] = 1


class RegistryUnreachableError(LocalStackError):
    """A registry did not answer, or does not have what was asked for."""

    exit_code: ClassVar[int] = 3


class JarChecksumError(LocalStackError):
    """A fetched jar is not the one that was pinned."""


class ProcessFailedError(LocalStackError):
    """A process ended or did not get ready; the message holds the end of its log."""


class StackBusyError(LocalStackError):
    """Another command has been working on the same stack for too long."""


class SetupError(LocalStackError):
    """The machine or the state folder does not allow the stack to be set up."""


def not_installed() -> SetupError:
    """Return the error for a missing package of the embedded stack."""
    return SetupError(
        "local.not_installed",
        Message(
            "The embedded stack is not installed: pip install 'suanli-exchange[local]'.",
            "未安装内置环境：pip install 'suanli-exchange[local]'。",
        ),
    )
