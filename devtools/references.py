#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that the files and functions that documents and comments name exist.

Reads the *.md files, and the comments of C, Promela, Python, shell and meson files. Names of files
are words with a known suffix, and paths that begin with a top-level folder; "*" stands for any
characters. Names of functions are words with "()". A name is known if the checkout has such a file,
or defines or declares such a function, or the system's C headers or Python's standard library do,
or references.txt lists it. A header of the system is written <name.h>: this is not checked.
"""

import ast
import builtins
import fnmatch
import importlib
import io
import os
import re
import subprocess
import sys
import tokenize

INCLUDE = "/usr/include"
SUFFIXES = "c|h|py|sh|ini|supp|service|env|md|pml|svg|patch"
URL = re.compile(r"\w+://\S+")
FILE = re.compile(rf"(?<![\w.<>$@/~{{}}*-])([\w*][\w./*-]*\.(?:{SUFFIXES}))(?![\w/(*]|\.\w)")
FUNCTION = re.compile(r"(?<![\w*.])((?:[A-Za-z_]\w*\.)*[A-Za-z_*][\w*]*)\(\)")
C_COMMENT = re.compile(
    r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(//[^\n]*|/\*.*?\*/)', re.DOTALL
)
HASH_COMMENT = re.compile(r"(?:^|(?<=\s))#(?!include|define)[^\n]*", re.MULTILINE)
# Definitions, declarations, macros and function pointers of C; definitions of Python and shell.
C_NAMES = re.compile(r"\b([A-Za-z_]\w*)\s*\(|\(\s*\*\s*(\w+)\s*\)\s*\(|#\s*define\s+(\w+)\(")
C_WORDS = {"if", "while", "for", "switch", "return", "sizeof"}
PYTHON_NAMES = re.compile(r"^\s*(?:async\s+)?(?:def|class)\s+(\w+)|^\s*(\w+)\s*=", re.MULTILINE)
SHELL_NAMES = re.compile(r"^(\w+)\s*\(\)", re.MULTILINE)
C_DEFINITION = re.compile(r"(?:\s*[a-z]\w*[ *]+)*(\w+)\([^;]*\)\s*$")
# Where a call in C is no definition: after an operator, in an expression, or indented code.
C_LINE = re.compile(r"^(?:[ \t]*#|[A-Za-z_]|.*\(\s*\*)")


def is_shell(name, text):
    return name.endswith(".sh") or re.match(r"#!\S*[/ ](ba)?sh\b", text) is not None


def comments_of(name, text):
    """Yields (line number, text) of what is checked in a file."""
    if name.endswith(".md"):
        yield 1, text
    elif name.endswith((".c", ".h", ".pml")):
        for match in C_COMMENT.finditer(text):
            if match.group(1):
                yield text.count("\n", 0, match.start()) + 1, match.group(1)
    elif name.endswith(".py"):
        yield from python_comments(text)
    elif is_shell(name, text) or name.endswith((".build", ".ini", ".service", ".env")):
        for match in HASH_COMMENT.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match.group()


def python_comments(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                docstring = node.body[0].value
                yield docstring.lineno, docstring.value


def functions_of(name, text):
    """Yields the functions that a file of the checkout defines or declares."""
    if name.endswith((".c", ".h", ".pml", ".in")):
        code = C_COMMENT.sub(lambda m: " " if m.group(1) else m.group(), text)
        for line in code.splitlines():
            if C_LINE.match(line) or name.endswith(".pml"):
                for names in C_NAMES.findall(line):
                    yield from {n for n in names if n} - C_WORDS
    elif name.endswith(".py"):
        for names in PYTHON_NAMES.findall(text):
            yield from filter(None, names)
    elif name.endswith(".md"):  # the code of examples
        for line in text.splitlines():
            if C_DEFINITION.match(line):
                yield C_DEFINITION.match(line).group(1)
    elif is_shell(name, text):
        yield from SHELL_NAMES.findall(text)


class Tree:
    """The names in the checkout and in the system."""

    def __init__(self, root):
        self.root = root
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.splitlines()
        self.files = [name for name in listed if os.path.isfile(f"{root}/{name}")]
        self.folders = {""}
        for name in self.files:
            while name:
                name = os.path.dirname(name)
                self.folders.add(name)
        self.names = {os.path.basename(name) for name in self.files}
        tops = "|".join(sorted(re.escape(f) for f in self.folders if f and "/" not in f))
        self.path = re.compile(rf"(?<![\w.<>$@/~{{}}*-])((?:{tops})/[\w./*-]*\w/?)(?![\w/*{{-])")
        self.texts = {}
        for name in self.files:
            with open(f"{root}/{name}", encoding="utf-8", errors="replace") as file:
                self.texts[name] = file.read()
        self.functions = set()
        for name, text in self.texts.items():
            self.functions.update(functions_of(name, text))
        self.listed = self.read_list()

    def read_list(self):
        lines = self.texts.get("devtools/references.txt", "").splitlines()
        return {line.split()[0] for line in lines if line.split() and not line.startswith("#")}

    def has_file(self, beside, name):
        if re.match(r"(BUILD|build[\w-]*)/", name) or name in self.listed:
            return True
        near = os.path.normpath(os.path.join(os.path.dirname(beside), name))
        if "*" in name:
            return any(
                fnmatch.fnmatchcase(f, name) or fnmatch.fnmatchcase(f, f"*/{name}")
                for f in self.files
            )
        if "/" not in name and name in self.names:
            return True
        if name in self.files or near in self.files or {name, near} & self.folders:
            return True
        if f"{name}.c" in self.files:  # a program
            return True
        return any(f.endswith("/" + name) for f in self.files)

    def has_function(self, name):
        base = name.rpartition(".")[2]
        if name in self.listed or base in self.functions or hasattr(builtins, base):
            return True
        if "*" in base:
            return any(fnmatch.fnmatchcase(f, base) for f in self.functions)
        return has_python_name(name)

    def unknown(self):
        """Yields (file, line, name, is_function) of each name that is not in the checkout."""
        for file in self.files:
            for line, text in comments_of(file, self.texts[file]):
                text = URL.sub(lambda m: " " * len(m.group()), text)
                for pattern in (FILE, self.path, FUNCTION):
                    for match in pattern.finditer(text):
                        name = match.group(1).rstrip("./")
                        number = line + text.count("\n", 0, match.start())
                        if pattern is FUNCTION:
                            if not self.has_function(name):
                                yield file, number, name, True
                        elif not self.has_file(file, name):
                            yield file, number, name, False


def has_python_name(name):
    """Is the name, with the module before it, one of the standard library?"""
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ImportError:
        return False


def system_functions(names):
    """Returns those of the names that the system's C headers declare."""
    found = subprocess.run(
        ["grep", "-rhoE", "--include=*.h", "-f", "-", INCLUDE],
        input="\n".join(rf"\<{name}[[:space:]]*\(" for name in names),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    ).stdout
    return set(re.findall(r"\w+", found))


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = sorted(set(Tree(root).unknown()))
    known = system_functions({name for _, _, name, is_function in found if is_function})
    bad = 0
    for file, line, name, is_function in found:
        if is_function and name in known:
            continue
        what = f"{name}(): no such function" if is_function else f"{name}: no such file"
        print(f"{file}:{line}: {what}")
        bad += 1
    if bad:
        print("names of other projects belong in devtools/references.txt")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
