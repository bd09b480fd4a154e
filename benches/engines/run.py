#!/usr/bin/env python3
"""Times the programs of this folder in Aether, with and without machine code, in Lua 5.4 and in LuaJIT.

    run.py [--aether PATH] [-n ROUNDS] [NAME ...]

For each program the table has the best of N runs of each engine, in seconds of the processor in user mode, and how
many times the others' it is. The runs of the engines alternate, so that other work on the machine hits all of them.
Exits with status 1 if a program fails or two engines print different texts; such an engine has no time in the table.
Of Lua and LuaJIT, those that are not installed are left out.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(FOLDER))
# A program that takes longer than this many seconds is stopped and counts as failed.
LIMIT = 120


def engines(aether):
    """The engines that are installed: name, extension of the program, command, what is added to the environment."""
    known = [
        ("Aether", ".ae", [aether], {}),
        ("interpreter", ".ae", [aether], {"AETHER_JIT": "0"}),
        ("Lua 5.4", ".lua", ["lua5.4"], {}),
        ("LuaJIT", ".lua", ["luajit"], {}),
    ]
    for engine in known:
        if shutil.which(engine[2][0]):
            yield engine
        else:
            print(f"{engine[0]}: {engine[2][0]} is not there, left out", file=sys.stderr)


def run(command, environment):
    """Runs a command: its user seconds, what it printed, and whether it ended well and in time."""
    with tempfile.TemporaryFile() as output:
        started = subprocess.Popen(["timeout", str(LIMIT), *command], stdout=output, stderr=subprocess.STDOUT,
                                   env={**os.environ, **environment})
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return usage.ru_utime, output.read(), started.returncode == 0


def measure(program, available, rounds):
    """The best time of each engine, None for one that failed or disagrees with the others, and complaints."""
    best = {name: math.inf for name, *_ in available}
    texts = {}
    complaints = []
    for _ in range(rounds):
        for name, extension, command, environment in available:
            if best[name] is None:
                continue
            seconds, text, well = run([*command, os.path.join(FOLDER, program + extension)], environment)
            if not well:
                complaints.append(f"{program}: {name} failed: {text.decode(errors='replace').strip()[-300:]}")
                best[name] = None
                continue
            best[name] = min(best[name], seconds)
            texts.setdefault(name, text)
            if texts[name] != text:
                complaints.append(f"{program}: {name} prints now this, now that")
                best[name] = None
    # Lua's text is the measure, since it does not come from the engine that is tested.
    judge = next((name for name in ("Lua 5.4", "LuaJIT", "interpreter") if name in texts), None)
    for name, text in texts.items():
        if best[name] is not None and text != texts[judge]:
            complaints.append(f"{program}: {name} prints {text!r}, {judge} {texts[judge]!r}")
            best[name] = None
    return best, complaints


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--aether", default=os.path.join(ROOT, "target/release/aether"),
                           metavar="PATH", help="the build to measure (target/release/aether)")
    arguments.add_argument("-n", type=int, default=3, metavar="ROUNDS", help="runs of each program (3)")
    arguments.add_argument("names", nargs="*", metavar="NAME", help="programs, all if there is none")
    options = arguments.parse_args()
    if not shutil.which(options.aether):
        arguments.error(f"{options.aether} is no program; build it, or name one with --aether")
    present = sorted(entry[:-3] for entry in os.listdir(FOLDER) if entry.endswith(".ae"))
    unknown = set(options.names) - set(present)
    if unknown:
        arguments.error("no such program: " + ", ".join(sorted(unknown)))
    if options.n < 1:
        arguments.error("at least one round is needed")
    available = list(engines(options.aether))
    others = [name for name, *_ in available if name != "Aether"]
    print("| program | Aether s |", " | ".join(f"{name} s" for name in others), "|",
          " | ".join(f"of {name}" for name in others), "|")
    print("|---|" + "--:|" * (1 + 2 * len(others)))
    logarithms = {name: [] for name in others}
    complaints = []
    for program in options.names or present:
        best, found = measure(program, available, options.n)
        complaints += found
        ratios = []
        for name in others:
            if best.get("Aether") and best[name]:
                logarithms[name].append(math.log(best["Aether"] / best[name]))
                ratios.append(f"{best['Aether'] / best[name]:.2f}")
            else:
                ratios.append("")
        seconds = ["" if best.get(name) is None else f"{best[name]:.3f}" for name in ["Aether", *others]]
        print(f"| {program} |", " | ".join(seconds), "|", " | ".join(ratios), "|", flush=True)
    means = [f"**{math.exp(sum(known) / len(known)):.2f}**" if known else "" for known in logarithms.values()]
    print("| **geometric mean** |", " | ".join([""] * (1 + len(others))), "|", " | ".join(means), "|")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
