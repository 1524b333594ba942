"""Checks the licences of all packages against the list of deny.toml.

Reads `cargo metadata` on standard input; the argument is deny.toml.
"""

import json
import re
import sys


def allowed_of(path):
    """The list `allow` of `[licenses]`. Python before 3.11 has no TOML reader: the list is simple enough."""
    text = open(path, encoding="utf-8").read()
    section = re.search(r"^\[licenses\]$(.*?)(?=^\[|\Z)", text, re.M | re.S).group(1)
    items = re.search(r"^allow = \[(.*?)^\]", section, re.M | re.S).group(1)
    return set(re.findall(r'^\s*"([^"]+)"', items, re.M))


def satisfied(expression, allowed):
    """Whether an SPDX expression can be met: AND binds tighter than OR, WITH belongs to its licence."""
    expression = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    tokens = re.sub(r"\s+WITH\s+", "+WITH+", expression).split()

    def either(at):
        met, at = both(at)
        while at < len(tokens) and tokens[at] == "OR":
            other, at = both(at + 1)
            met = met or other
        return met, at

    def both(at):
        met, at = one(at)
        while at < len(tokens) and tokens[at] == "AND":
            other, at = one(at + 1)
            met = met and other
        return met, at

    def one(at):
        if tokens[at] == "(":
            met, at = either(at + 1)
            return met, at + 1
        return tokens[at].replace("+WITH+", " WITH ") in allowed, at + 1

    return either(0)[0]


def main():
    allowed = allowed_of(sys.argv[1])
    packages = json.load(sys.stdin)["packages"]
    refused = [
        f"{package['name']} {package['version']}: {package['license'] or package['license_file'] or 'no licence'}"
        for package in packages
        if not (package["license"] and satisfied(package["license"], allowed))
    ]
    print("\n".join(sorted(refused)) if refused else f"{len(packages)} packages, all allowed")
    return 1 if refused else 0


sys.exit(main())
