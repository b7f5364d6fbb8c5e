"""The README says what the program says, and its commands give what it shows.

`python -m tests.test_docs` writes the tables and the runs anew; the diff is then reviewed.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from evpn_pcap.cli import app
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.decode.bgp import MESSAGES
from evpn_pcap.decode.bgp_attributes import ATTRIBUTES
from evpn_pcap.decode.bgp_communities import COMMUNITIES
from evpn_pcap.decode.bgp_evpn import OTHER_TYPES, ROUTE_TYPES
from evpn_pcap.decode.bgp_sessions import CAPABILITIES
from evpn_pcap.report.gates import _FIGURES
from evpn_pcap.rules import load_rules
from tests.conftest import PROJECT

README = PROJECT / "README.md"


def commands(group=None, prefix=""):
    """Return every command by the words that call it."""
    found = {}
    for name, command in (group or typer.main.get_command(app)).commands.items():
        nested = commands(command, f"{prefix}{name} ") if hasattr(command, "commands") else {prefix + name: command}
        found |= nested
    return found


def sentence(command):
    """Return the first sentence of a command's help."""
    return " ".join(command.help.split("\n\n")[0].split())


def options():
    """Return every option with its help, from all commands."""
    told = {}
    for command in commands().values():
        told = {one.opts[0]: one.help for one in command.params if one.opts[0].startswith("--")} | told
    return told


def command_table():
    """Return the README's table of commands."""
    rows = "".join(f"| `{name}` | {sentence(command)} |\n" for name, command in commands().items())
    return f"| command | what it does |\n|---|---|\n{rows}"


def option_table():
    """Return the README's table of options."""
    rows = "".join(f"| `{name}` | {words} |\n" for name, words in sorted(options().items()))
    return f"| option | what it does |\n|---|---|\n{rows}"


def rule_table():
    """Return the README's table of rules."""
    rows = "".join(f"| {rule.code} | `{rule.name}` | {rule.severity} | {rule.title} |\n" for rule in load_rules())
    return f"| code | name | severity | what it found |\n|---|---|---|---|\n{rows}"


def coverage_table():
    """Return the README's table of what is decoded of BGP, read off the decoder's own dispatch tables."""
    attributes = ATTRIBUTES.values()
    read = [one for one in attributes if one.read or one.name.startswith("MP_")]
    told = [one for one, _ in CAPABILITIES.values()]
    types = [f"{code} {name}" for code, (name, _) in OTHER_TYPES.items()]
    rows = [
        ("messages", MESSAGES.values(), [name for name, _, _ in MESSAGES.values()], "", ""),
        ("capabilities", [one[:2] for one in told], [one.name for one in told], "", "others: the number"),
        (
            "path attributes",
            [one[:2] for one in attributes],
            [one.name for one in read],
            "of malformed ones the octets (RFC 7606)",
            "form checked only: " + ", ".join(one.name for one in attributes if one not in read),
        ),
        (
            "EVPN routes",
            [*(one[:2] for one in ROUTE_TYPES.values()), *OTHER_TYPES.values()],
            [f"{code} {one.name}" for code, one in ROUTE_TYPES.items()],
            ", ".join([*types, "unknown and malformed ones"]),
            "",
        ),
        (
            "extended communities",
            [one[:2] for one in COMMUNITIES.values()],
            [one.name for one in COMMUNITIES.values()],
            "",
            "others are counted",
        ),
    ]
    cells = [(name, sources(known), ", ".join(whole), raw, out) for name, known, whole, raw, out in rows]
    return "| BGP | specification | decoded | kept raw | left out |\n|---|---|---|---|---|\n" + "".join(
        f"| {' | '.join(row)} |\n" for row in cells
    )


def sources(known):
    """Return the documents that name and place of each known thing refer to, each once."""
    parts = [part.split(",")[0].strip() for _, place, *_ in known for part in place.split(";")]
    return ", ".join(dict.fromkeys(part for part in parts if part.startswith(("RFC", "draft"))))


def runs():
    """Return the blocks of README that show a command and what it prints."""
    blocks = re.findall(r"^```console\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith("$ evpn-pcap ")]


@pytest.mark.parametrize("table", [command_table, option_table, rule_table, coverage_table])
def test_readme_reference_is_what_the_program_says(table):
    """The README's tables of commands, options, rules and BGP are the program's own words."""
    assert table() in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", commands())
def test_help_starts_with_a_sentence_and_ends_with_an_example(name):
    """Every command's help begins with a sentence and ends with a command that can be typed."""
    command = commands()[name]
    example = command.help.rstrip().splitlines()[-1]

    assert sentence(command).endswith(".")
    assert example.startswith(f"Example: evpn-pcap {name}")
    assert all(parameter.help for parameter in command.params)


@pytest.mark.parametrize("name", [name for name in commands() if name != "tables"])
def test_examples_name_options_that_exist(name):
    """Every option of an example is an option of that command."""
    command = commands()[name]
    known = {option for parameter in command.params for option in parameter.opts}
    used = {
        word
        for word in shlex.split(command.help.rstrip().splitlines()[-1].split("evpn-pcap", 1)[1])
        if word.startswith("-")
    }

    assert used <= known


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.name)
def test_rules_explain_themselves(rule):
    """Every rule says its cause, what to do, what else it may be and what would decide."""
    assert all((rule.title, rule.cause, rule.advice, rule.rivals, rule.would_decide))


@pytest.mark.parametrize(
    "word", [*(f"`{name}`" for name in _FIGURES), *(f"| {status.value} |" for status in list(ExitStatus)[:5])]
)
def test_figures_and_statuses_are_documented(word):
    """Every figure that --fail-on knows and every exit status of the contract is in the README."""
    assert word in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("block", runs(), ids=lambda block: block.splitlines()[0][2:60])
def test_readme_runs(block, tmp_path):
    """A command in the README prints the lines that the README shows under it; `...` stands for lines left out."""
    (tmp_path / "samples").symlink_to(PROJECT / "samples")
    command, *shown = block.splitlines()

    ended = ran(command, tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(pattern(shown), ended.stdout, re.DOTALL), ended.stdout


def pattern(shown):
    """Return what matches the shown lines, with `...` for any lines."""
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + "\n" for line in shown]
    return "".join(lines)


def test_readme_shows_a_run():
    """The README shows at least one real run, and the pictures and files that it links to exist."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text(encoding="utf-8"))

    assert runs()
    assert [link for link in links if not (PROJECT / Path(link)).exists()] == []


def ran(command, folder):
    """Run one command of the README."""
    program = [sys.executable, "-c", "from evpn_pcap.cli import main; main()"]
    arguments = shlex.split(command.removeprefix("$ evpn-pcap"))
    return subprocess.run([*program, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def refresh():
    """Write the README's tables and whole runs as the program gives them now."""
    text = README.read_text(encoding="utf-8")
    for table in (command_table, option_table, rule_table, coverage_table):
        told = table()
        head = "".join(told.splitlines(keepends=True)[:2])
        text = re.sub(re.escape(head) + r"(?:\|.*\n)*", told.replace("\\", r"\\"), text)
    for block in (one for one in runs() if "\n...\n" not in one):
        command = block.splitlines()[0]
        text = text.replace(block, f"{command}\n{ran(command, PROJECT).stdout}")
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    refresh()
