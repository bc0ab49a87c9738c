"""`concierge desk …`: operators and clients by hand, the desk in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import sys

from agent.errors import StartError
from agent.settings import Settings, check_home


def add(desk: argparse.ArgumentParser) -> None:
    """The commands below `concierge desk`."""
    commands = desk.add_subparsers(title="commands", metavar="")
    serve = commands.add_parser("serve", help="the desk alone, in a process of its own")
    serve.set_defaults(handler=_desk_serve)
    adduser = commands.add_parser("adduser", help="a new operator, or a new password for one (read from the terminal)")
    adduser.add_argument("name")
    adduser.add_argument("--role", choices=("operator", "supervisor"), default="operator")
    adduser.set_defaults(handler=_desk_adduser)
    addclient = commands.add_parser("addclient", help="a car or a call centre that signs its calls; prints its secret")
    addclient.add_argument("key")
    addclient.add_argument("--role", choices=("car", "connector"), default="connector")
    addclient.add_argument("--webhook", metavar="URL", help="where events are sent to")
    addclient.set_defaults(handler=_desk_addclient)
    users = commands.add_parser("users", help="who may log in")
    users.set_defaults(handler=_desk_users)
    erase = commands.add_parser("erase", help="remove everything the desk keeps about a driver")
    erase.add_argument("driver")
    erase.set_defaults(handler=_desk_erase)


def _desk_serve(settings: Settings, _: argparse.Namespace) -> int:
    from agent.composition_hearing import DeskTranscriber
    from agent.desk.server import serve

    check_home(settings)
    return asyncio.run(serve(settings, DeskTranscriber(settings)))


def _desk_adduser(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.desk.admin import add_user

    check_home(settings)
    asyncio.run(add_user(settings, arguments.name, arguments.role, _password()))
    print(f"{arguments.name} may log in as {arguments.role}.")
    return 0


def _password() -> str:
    """From the terminal without showing it, twice; from a pipe its first line."""
    import getpass

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise StartError("The two passwords are not the same.")
    return password


def _desk_addclient(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.desk.admin import add_client

    check_home(settings)

    async def add() -> int:
        print(await add_client(settings, arguments.key, arguments.role, arguments.webhook))
        return 0

    return asyncio.run(add())


def _desk_users(settings: Settings, _: argparse.Namespace) -> int:
    from agent.desk.admin import users

    check_home(settings)

    async def show() -> int:
        for user in await users(settings):
            print(f"{user['name']}  {user['role']}")
        return 0

    return asyncio.run(show())


def _desk_erase(settings: Settings, arguments: argparse.Namespace) -> int:
    from agent.desk.admin import erase
    from agent.handoff_store import HandoffStore

    check_home(settings)

    async def remove() -> int:
        print(f"{await erase(settings, arguments.driver)} handoffs removed.")
        return 0

    for name in ("handoffs.sqlite", "handoffs-chat.sqlite"):
        if (settings.state / name).exists():
            store = HandoffStore(settings.state / name)
            store.forget(arguments.driver)
            store.close()

    return asyncio.run(remove())
