#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check includes and calls between C files against rules of layers.

Reads the rules from standard input; devtools/check-layers.sh explains and holds them. Prints one
line for each violation. The exit status is 0 without violations, 1 with, and 2 when the check was
not possible.
"""

import argparse
import collections
import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^">]+)[">]')
# Headers and symbols of DPDK.
DPDK = re.compile(r"(rte_|per_lcore_|bus_\w+_driver\.h|dev_driver\.h)")
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
# A function that a header declares; `struct x` before a name is a type.
DECLARED = re.compile(r"(?<![\w.>])(\w+)\s*\([^;{}]*\)[^;{}()]*;")
NAME = re.compile(r"(struct\s+|enum\s+|union\s+)?\b([A-Za-z_]\w*)")


class CheckError(Exception):
    """The check is not possible."""


@dataclasses.dataclass
class Area:
    """A part of the tree with rules of its own."""

    path: str
    folders: list = dataclasses.field(default_factory=list)
    floors: list = dataclasses.field(default_factory=list)
    uses: set = dataclasses.field(default_factory=set)
    public: set = dataclasses.field(default_factory=set)
    scheduler: list = dataclasses.field(default_factory=list)  # (folder, names)

    def layer(self, file):
        """Returns the (number, name) of the layer of a file; None if no rule places it."""
        inside = file[len(self.path) + 1 :]
        if self.folders:
            folder, slash, _ = inside.partition("/")
            if slash and folder in self.folders:
                return self.folders.index(folder), folder
        for number, floor in enumerate(self.floors):
            if stem(inside) in floor:
                return number, stem(inside)
        return None

    def is_layered(self):
        return bool(self.folders or self.floors)


def stem(file):
    """x.c and x.h are one file for all rules."""
    return re.sub(r"\.[ch]$", "", file)


def read_rules(lines):
    areas = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise CheckError(f"line {number} of the rules has no rule")
        area = areas.setdefault(words[0], Area(words[0]))
        if words[1] == "folders":
            area.folders += words[2:]
        elif words[1] == "floor":
            area.floors.append(words[2:])
        elif words[1] == "uses":
            area.uses |= set(words[2:])
        elif words[1] == "public":
            area.public |= set(words[2:])
        elif words[1] == "scheduler":
            area.scheduler.append((words[2], words[3:]))
        else:
            raise CheckError(f"line {number} of the rules: no such rule: {words[1]}")
    return areas


class Checker:
    """The tree, the rules, and the violations found."""

    def __init__(self, root, areas):
        self.root = root
        self.areas = areas
        self.errors = []
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.split("\n")
        tracked = [f for f in listed if re.search(r"\.[ch]$", f) and os.path.exists(f"{root}/{f}")]
        self.headers = [f for f in tracked if f.endswith(".h")]
        self.files = [f for f in tracked if self.area(f) and "/test/" not in f]
        if not self.files:
            raise CheckError(f"{root}: git lists no source file of the areas")
        self.text = {f: self.read(f) for f in self.files}

    def read(self, file):
        with open(os.path.join(self.root, file), encoding="utf-8") as source:
            return source.read()

    def area(self, file):
        for path, area in self.areas.items():
            if file.startswith(path + "/"):
                return area
        return None

    def short(self, file):
        """A file's name in messages: as include lines name it."""
        area = self.area(file)
        return file[len(area.path) + 1 :] if area else file

    def error(self, message):
        self.errors.append(message)

    # ---- the rules ----

    def check_places(self):
        """Each file lies in a folder or on a floor of the rules."""
        for file in self.files:
            area = self.area(file)
            if area.is_layered() and area.layer(file) is None:
                what = "outside of the folders" if area.folders else "on none of the floors"
                self.error(f"{file}: {what} of {area.path}")

    def check_edge(self, where, verb, name, source, target):
        """One include or call from source to target, both files of the tree.

        `where` and `verb name` begin the message.
        """
        area, other = self.area(source), self.area(target)
        if other is area:
            low, high = area.layer(source), area.layer(target)
            if low and high and low[0] < high[0]:
                self.error(f"{where} {verb} {name}: {low[1]} is below {high[1]}")
            return
        if not any(stem(target) == use or target.startswith(use + "/") for use in area.uses):
            place = os.path.dirname(target)
            self.error(f"{where} {verb} {name}: {area.path} must not use {place}")
        elif verb == "includes" and other and other.public:
            if self.short(target) not in other.public:
                self.error(f"{where} {verb} {name}: not a public header of {other.path}")

    def find_header(self, source, mark, name):
        """Returns the file of the tree that an include line means, or None."""
        area = self.area(source)
        beside = os.path.normpath(os.path.join(os.path.dirname(source), name))
        if mark == '"' and beside in self.headers:
            return beside
        found = [h for h in self.headers if h == name or h.endswith("/" + name)]
        if mark == "<":
            found = [h for h in found if self.area(h)]
        own = [h for h in found if self.area(h) is area]
        used = [h for h in found if any(h.startswith(use + "/") for use in area.uses)]
        known = [h for h in found if self.area(h)]
        return next(iter(own + used + known + found), None)

    def check_includes(self):
        edges = collections.defaultdict(dict)
        for file in self.files:
            area = self.area(file)
            for number, line in enumerate(self.text[file].splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                mark, name = match.groups()
                where = f"{file}:{number}"
                if DPDK.match(os.path.basename(name)):
                    if "dpdk" not in area.uses:
                        self.error(f"{where} includes {name}: {area.path} must not use DPDK")
                    continue
                target = self.find_header(file, mark, name)
                if target is None or target == file:
                    continue
                self.check_edge(where, "includes", name, file, target)
                if area.folders and self.area(target) is area and "/" not in name:
                    folder = self.short(target)
                    self.error(f'{where} includes "{name}" without its folder: "{folder}"')
                if stem(target) != stem(file):
                    edges[stem(file)].setdefault(stem(target), where)
        self.check_circles(edges, "includes", "includes")

    def check_calls(self, build):
        """References of the linker from each file to symbols that other files define."""
        defined, undefined = self.read_symbols(build)
        edges = collections.defaultdict(dict)
        for file, symbols in sorted(undefined.items()):
            area = self.area(file)
            for symbol in sorted(symbols):
                if DPDK.match(symbol) and "dpdk" not in area.uses:
                    self.error(f"{file} links to {symbol}: {area.path} must not use DPDK")
                    continue
                targets = defined.get(symbol, ())
                own = [t for t in targets if self.area(t) is area]
                target = next(iter(own or targets), None)
                if target is None or target == file:
                    continue
                name = f"{symbol} of {self.short(target)}"
                self.check_edge(file, "links to", name, file, target)
                if stem(target) != stem(file):
                    edges[stem(file)].setdefault(stem(target), symbol)
        self.check_circles(edges, "calls", "links to")

    def read_symbols(self, build):
        """Returns which files define each symbol, and which symbols each file needs."""
        try:
            with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
                commands = json.load(file)
        except OSError as error:
            raise CheckError(f"{error.filename}: {error.strerror}") from error
        defined = collections.defaultdict(list)
        undefined = collections.defaultdict(set)
        compiled = set()
        root = os.path.realpath(self.root)
        for command in commands:
            source = os.path.realpath(os.path.join(command["directory"], command["file"]))
            file = os.path.relpath(source, root)
            if file not in self.text:
                continue
            compiled.add(file)
            words = command.get("arguments") or shlex.split(command["command"])
            output = os.path.join(command["directory"], words[words.index("-o") + 1])
            if not os.path.exists(output):
                raise CheckError(f"{output} is not built")
            for kind, symbol in list_symbols(output):
                if kind in "Uwv":
                    undefined[file].add(symbol)
                elif kind in "TDBRCGSVWi" and file not in defined[symbol]:
                    defined[symbol].append(file)
        for file in self.files:
            if file.endswith(".c") and file not in compiled:
                self.error(f"{file}: in no target of the build")
        return defined, undefined

    def check_scheduler(self):
        for area in self.areas.values():
            for folder, names in area.scheduler:
                limit = area.folders.index(folder)
                names = self.scheduler_names(area, names)
                for file in self.files:
                    layer = self.area(file) is area and area.layer(file)
                    if layer and layer[0] < limit:
                        self.check_names(file, folder, names)

    def scheduler_names(self, area, words):
        """Returns {function: the file that declares it, without its suffix}."""
        names = {}
        for word in words:
            header = f"{area.path}/{word}"
            if not word.endswith(".h"):
                names[word] = None
            elif header in self.text:
                code = NOT_CODE.sub(" ", self.text[header])
                names.update((name, stem(header)) for name in DECLARED.findall(code))
        for name, home in names.items():
            if home is None:
                definition = re.compile(rf"^{name}\(|^\w[\w \t*]*[ *]{name}\([^;]*?\)\s*\{{", re.M)
                for file in self.files:
                    if file.endswith(".c") and definition.search(self.text[file]):
                        names[name] = stem(file)
        return names

    def check_names(self, file, folder, names):
        blank = NOT_CODE.sub(lambda m: "\n" * m.group().count("\n"), self.text[file])
        for number, line in enumerate(blank.splitlines(), 1):
            for kind, name in NAME.findall(line):
                if not kind and name in names and names[name] != stem(file):
                    self.error(f"{file}:{number} names {name}(): only {folder} and above may do so")

    # ---- circles ----

    def check_circles(self, edges, what, verb):
        for circle in find_circles(edges):
            steps = [
                f"  {self.short(a)} {verb} {self.short(b)} ({edges[a][b]})"
                for a, b in zip(circle.way, circle.way[1:] + circle.way[:1])
            ]
            names = " ".join(self.short(f) for f in circle.members)
            area = self.area(circle.members[0]).path
            self.error(f"{area}: circle of {what}: {names}\n" + "\n".join(steps))


def list_symbols(path):
    output = subprocess.run(["nm", "-P", path], check=True, stdout=subprocess.PIPE, text=True)
    for line in output.stdout.splitlines():
        words = line.split()
        if len(words) >= 2:
            yield words[1], words[0]


Circle = collections.namedtuple("Circle", "members way")


def find_circles(edges):
    """Returns the sets of nodes that reach each other, with one shortest circle of each.

    edges is {node: {node it points to: ...}}.
    """
    nodes = sorted(set(edges) | {b for targets in edges.values() for b in targets})
    reached = {node: reach(edges, node) for node in nodes}
    circles, seen = [], set()
    for node in nodes:
        if node in seen or node not in reached[node]:
            continue
        members = [n for n in nodes if n in reached[node] and node in reached[n]]
        seen.update(members)
        ways = [way_back(edges, member) for member in members]
        circles.append(Circle(members, min(ways, key=len)))
    return circles


def reach(edges, start):
    found, todo = set(), [start]
    while todo:
        for target in edges.get(todo.pop(), ()):
            if target not in found:
                found.add(target)
                todo.append(target)
    return found


def way_back(edges, start):
    """The shortest way from a node back to itself."""
    before = {}
    todo = collections.deque([start])
    while todo:
        node = todo.popleft()
        for target in sorted(edges.get(node, ())):
            if target == start:
                way = [node]
                while way[0] != start:
                    way.insert(0, before[way[0]])
                return way
            if target not in before:
                before[target] = node
                todo.append(target)
    raise AssertionError(f"{start} is in no circle")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=".", help="top of the checkout (default: .)")
    parser.add_argument("build", nargs="?", help="build folder: check calls too")
    args = parser.parse_args()
    try:
        checker = Checker(args.root, read_rules(sys.stdin))
        checker.check_places()
        checker.check_includes()
        checker.check_scheduler()
        if args.build:
            checker.check_calls(args.build)
    except CheckError as error:
        print(f"check-layers: {error}")
        return 2
    for error in checker.errors:
        print(error)
    return 1 if checker.errors else 0


if __name__ == "__main__":
    sys.exit(main())
