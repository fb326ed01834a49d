"""Checks manifests against the schemas of Kubernetes VERSION: validate.py VERSION [FILE]...

Without FILE it reads standard input. A field that the schema does not have is a fault, and so is a
kind that has no schema. Prints a line for each fault, and then exits with 1.
"""

import sys

import kubernetes_validate
import yaml


def faults(name, text, version):
    for each in yaml.safe_load_all(text):
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except (
            kubernetes_validate.ValidationError,
            kubernetes_validate.SchemaNotFoundError,
        ) as error:
            yield f"{name}: {each['kind']} {each['metadata']['name']}: {error.message}"


def texts(files):
    for file in files:
        with open(file, encoding="utf-8") as opened:
            yield file, opened.read()
    if not files:
        yield "standard input", sys.stdin.read()


version, *files = sys.argv[1:]
found = [fault for name, text in texts(files) for fault in faults(name, text, version)]
for fault in found:
    print(fault)
sys.exit(bool(found))
