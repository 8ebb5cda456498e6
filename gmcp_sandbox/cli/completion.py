"""`completion`: a script that lets bash, zsh or fish complete our commands and options.

It is made from the parsers themselves, so it knows the commands and options that they know.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from gmcp_sandbox.cli.help import TOPICS, text_of

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

PROGRAM = "gmcp-sandbox"
_INSTALL = {
    "bash": "gmcp-sandbox completion bash > ~/.local/share/bash-completion/completions/gmcp-sandbox",
    "zsh": "gmcp-sandbox completion zsh > ~/.zfunc/_gmcp-sandbox   (with fpath+=~/.zfunc before compinit)",
    "fish": "gmcp-sandbox completion fish > ~/.config/fish/completions/gmcp-sandbox.fish",
}


class Place(NamedTuple):
    """One command (the words that lead to it): what may follow."""

    path: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Print a completion script. Install it with:\n  " + "\n  ".join(_INSTALL.values()),
        epilog="Example: gmcp-sandbox completion bash",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=tuple(_INSTALL))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    script = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}[args.shell]
    print(script(places()), end="")
    return 0


def places() -> list[Place]:
    """Return every command, the program itself first."""
    from gmcp_sandbox.cli.main import COMMANDS, build_parser

    found: list[Place] = []
    for word in COMMANDS:
        parser = build_parser(word)
        top = _children(parser)
        if not found:
            found.append(Place((), tuple((name, command.help) for name, command in COMMANDS.items()), _options(parser)))
        _walk((word,), top[word], found)
    return found


def _walk(path: tuple[str, ...], parser: argparse.ArgumentParser, found: list[Place]) -> None:
    children = _children(parser)
    helps = _helps(parser)
    words = (*((name, helps.get(name, "")) for name in children), *_values(path, parser))
    found.append(Place(path, words, _options(parser)))
    for name, child in children.items():
        _walk((*path, name), child, found)


def _children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _values(path: tuple[str, ...], parser: argparse.ArgumentParser) -> tuple[tuple[str, str], ...]:
    """Return the words that may stand for an argument, where they are few and known."""
    if path == ("help",):
        return tuple((topic, text_of(topic).partition("\n")[0]) for topic in TOPICS)
    return tuple(
        (str(value), "")
        for action in parser._actions
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
        for value in action.choices or ()
    )


def _helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {}


def _options(parser: argparse.ArgumentParser) -> tuple[tuple[str, str], ...]:
    return tuple(
        (option, (action.help or "").replace("%%", "%"))
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    )


def bash_script(found: list[Place]) -> str:
    """Return the script for bash."""
    cases = "\n".join(
        f"        {_quoted(' '.join(place.path))}) words={_quoted(_words(place))} ;;"
        for place in found
        if _words(place)
    )
    return f"""# bash completion of gmcp-sandbox
_gmcp_sandbox() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" path="" word words="" index
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${{COMP_WORDS[index]}}"
        [[ "$word" == -* ]] && continue
        case "${{path:+$path }}$word" in
            {"|".join(_quoted(" ".join(place.path)) for place in found if place.path)}) path="${{path:+$path }}$word" ;;
        esac
    done
    case "$path" in
{cases}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    if [[ "$path" == exec && "$current" != -* ]]; then
        mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -f -- "$current")
    fi
    return 0
}}
complete -o filenames -F _gmcp_sandbox gmcp-sandbox
"""


def zsh_script(found: list[Place]) -> str:
    """Return the script for zsh."""
    cases = "\n".join(
        f"        ({_quoted(' '.join(place.path))}) candidates=({' '.join(_described(place))}) ;;"
        for place in found
        if _words(place)
    )
    paths = "|".join(_quoted(" ".join(place.path)) for place in found if place.path)
    return f"""#compdef gmcp-sandbox
_gmcp-sandbox() {{
    local chain="" word next
    local -a candidates
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        [[ "$word" == -* ]] && continue
        next="${{chain:+$chain }}$word"
        case "$next" in
            ({paths}) chain="$next" ;;
        esac
    done
    case "$chain" in
{cases}
    esac
    _describe 'gmcp-sandbox' candidates
    [[ "$chain" == exec ]] && _files
    return 0
}}
if [[ "$funcstack[1]" == "_gmcp-sandbox" ]]; then _gmcp-sandbox "$@"; else compdef _gmcp-sandbox gmcp-sandbox; fi
"""


def fish_script(found: list[Place]) -> str:
    """Return the script for fish."""
    lines = ["# fish completion of gmcp-sandbox", "complete -c gmcp-sandbox -f"]
    for place in found:
        condition = "__fish_use_subcommand" if not place.path else _fish_condition(place)
        for name, text in place.commands:
            lines.append(f"complete -c gmcp-sandbox -n {_quoted(condition)} -a {name} -d {_quoted(text)}")
        for option, text in place.options:
            lines.append(f"complete -c gmcp-sandbox -n {_quoted(condition)} -l {option[2:]} -d {_quoted(text)}")
    lines.append("complete -c gmcp-sandbox -n '__fish_seen_subcommand_from exec' -F")
    return "\n".join(lines) + "\n"


def _fish_condition(place: Place) -> str:
    seen = [f"__fish_seen_subcommand_from {word}" for word in place.path]
    if place.commands:
        seen.append("not __fish_seen_subcommand_from " + " ".join(name for name, _ in place.commands))
    return "; and ".join(seen)


def _words(place: Place) -> str:
    return " ".join(name for name, _ in (*place.commands, *place.options))


def _described(place: Place) -> list[str]:
    return [_quoted(f"{name}:{text}".replace("\n", " ")) for name, text in (*place.commands, *place.options)]


def _quoted(text: str) -> str:
    """Return a word in single quotes, as all three shells read it."""
    return "'" + text.replace("'", "'\\''") + "'"
