"""Plays the API server: what the policies in the file POLICY make of the pods on standard input.

Reads a list of pods as YAML. Prints a list with, for each of them, the pod after the mutating
policy (`pod`), what the validating policy says against it (`denied`), and the patch (`patch`).
"""

import json
import re
import sys

import celpy
import celpy.celtypes
import jsonpatch
import yaml

# `Object.spec.volumes{name: 'exit'}`, which celpy does not know, or `JSONPatch{`, and the brace at
# the end of either; strings are skipped.
TOKEN = re.compile(r"'[^']*'|([A-Za-z]\w*): *(?=(Object[\w.]*)\{)|(Object[\w.]*|JSONPatch)\{|[{}]")

# celpy makes a str of the sum of two strings, and a str has no method `contains`.
FUNCTIONS = {"contains": lambda text, part: celpy.celtypes.BoolType(str(part) in str(text))}


def check_names(expression):
    """As the API server does: the type of a field is its path from the root."""
    open_types = []
    field = None
    for token in TOKEN.finditer(expression):
        text = token.group(0)
        if token.group(1):
            field = token.group(1)
        elif text.endswith("{"):
            name = text[:-1]
            outer = next((t for t in reversed(open_types) if t.startswith("Object")), None)
            if name.startswith("Object") and outer and name.rpartition(".")[0] != outer:
                raise SystemExit(f"{name} is inside of {outer}")
            if field and outer and name != f"{outer}.{field}":
                raise SystemExit(f"{name} is the field {field} of {outer}")
            open_types.append(name)
            field = None
        elif text == "}":
            open_types.pop()


def plain(expression):
    """The expression with maps in place of messages."""
    maps = re.sub(r"\b(Object[\w.]*|JSONPatch)\{", "{", expression)
    return re.sub(r"([{,]\s*)([a-zA-Z]\w*):(?!:)", r"\1'\2':", maps)


def from_cel(value):
    """A value without the types of celpy, whose booleans are numbers for JSON."""
    if isinstance(value, celpy.celtypes.BoolType):
        return bool(value)
    if isinstance(value, dict):
        return {str(key): from_cel(each) for key, each in value.items()}
    if isinstance(value, list):
        return [from_cel(each) for each in value]
    return int(value) if isinstance(value, int) else str(value)


class Policy:
    def __init__(self, spec):
        self.spec = spec
        self.programs = {}

    def evaluate(self, expression, pod, variables):
        if expression not in self.programs:
            check_names(expression)
            environment = celpy.Environment()
            compiled = environment.compile(plain(expression))
            self.programs[expression] = environment.program(compiled, FUNCTIONS)
        activation = {"object": celpy.json_to_cel(pod), "variables": variables}
        return self.programs[expression].evaluate(activation)

    def variables(self, pod):
        found = celpy.celtypes.MapType()
        for variable in self.spec.get("variables", []):
            name = celpy.celtypes.StringType(variable["name"])
            found[name] = self.evaluate(variable["expression"], pod, found)
        return found

    def matches(self, pod):
        labels = pod["metadata"].get("labels", {})
        wanted = self.spec["matchConstraints"]["objectSelector"]["matchLabels"]
        nothing = celpy.celtypes.MapType()
        return wanted.items() <= labels.items() and all(
            self.evaluate(condition["expression"], pod, nothing)
            for condition in self.spec.get("matchConditions", [])
        )

    def patch(self, pod):
        operations = []
        variables = self.variables(pod)
        for mutation in self.spec["mutations"]:
            result = self.evaluate(mutation["jsonPatch"]["expression"], pod, variables)
            operations += from_cel(result)
        return operations

    def denied(self, pod):
        variables = self.variables(pod)
        return [
            str(self.evaluate(validation["messageExpression"], pod, variables))
            for validation in self.spec["validations"]
            if not self.evaluate(validation["expression"], pod, variables)
        ]


def admit(pod, mutating, validating):
    patch = mutating.patch(pod) if mutating.matches(pod) else []
    pod = jsonpatch.apply_patch(pod, patch)
    denied = validating.denied(pod) if validating.matches(pod) else []
    return {"pod": pod, "denied": denied, "patch": patch}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        objects = {each["kind"]: each for each in yaml.safe_load_all(file)}
    mutating = Policy(objects["MutatingAdmissionPolicy"]["spec"])
    validating = Policy(objects["ValidatingAdmissionPolicy"]["spec"])
    json.dump([admit(pod, mutating, validating) for pod in yaml.safe_load(sys.stdin)], sys.stdout)


main()
