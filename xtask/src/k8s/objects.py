"""Reads manifests on stdin, checks each object against its schema, and prints all of them as JSON.

Arguments: the version of Kubernetes, the folder of schemas for what Kubernetes itself does not know.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml


def fault(item: dict, version: str, schemas: pathlib.Path) -> str | None:
    kind, api = item["kind"], item["apiVersion"]
    own = schemas / f"{kind.lower()}-{api.replace('/', '-')}.json"
    try:
        if own.exists():
            jsonschema.Draft202012Validator(json.loads(own.read_text())).validate(item)
        else:
            kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return f"no schema of {api} {kind}"
    except jsonschema.ValidationError as error:
        return f"{error.json_path}: {error.message:.300}"
    return None


def main() -> None:
    version, schemas = sys.argv[1], pathlib.Path(sys.argv[2])
    items = [item for item in yaml.safe_load_all(sys.stdin) if item]
    bad = False
    for item in items:
        if told := fault(item, version, schemas):
            print(f"{item['kind']}/{item['metadata']['name']}: {told}", file=sys.stderr)
            bad = True
    if bad:
        sys.exit(1)
    json.dump(items, sys.stdout)


main()
